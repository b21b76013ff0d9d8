"""Two installations with one home, and two homes of one installation: whose code is changed, and who is told."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from checkouts import Source, git
from support.faults.places import fault
from support.machines.installation import PATIENCE, Installation
from support.machines.interpreter import Interpreter

from hermes_cli.restart import send
from hermes_cli.system import locks
from hermes_cli.update import proof, run

pytestmark = pytest.mark.e2e
BROKEN = {"hermes_cli/gateway/run.py": "raise RuntimeError('boom')\n"}


@pytest.fixture
def other(source: Source, tmp_path: Path) -> Interpreter:
    """Another installation: a clone of its own in an environment of its own."""
    git(tmp_path, "clone", "--quiet", str(source.remote), str(tmp_path / "other clone"))
    return Interpreter(tmp_path / "other environment", tmp_path / "other clone")


@pytest.fixture
def hermes(make_installation: Callable[..., Installation], source: Source, tmp_path: Path) -> Installation:
    """The installation whose gateway runs."""
    return make_installation(code=None, interpreter=Interpreter(tmp_path / "environment", source.clone))


def by(other: Interpreter, hermes: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the other installation, with the same home."""
    return subprocess.run(
        [other.folder / "bin" / "hermes", *words],
        env=hermes.environment(),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_an_update_of_the_installation_that_the_service_does_not_run_is_refused_with_the_command(
    hermes: Installation, other: Interpreter, source: Source, tmp_path: Path
) -> None:
    before = hermes.install()
    new = source.publish({"new.txt": "1"})
    clone, environment = tmp_path / "other clone", tmp_path / "environment"
    old = git(clone, "rev-parse", "HEAD")
    done = by(other, hermes, "update")
    assert done.returncode == 1
    assert f"runs the installation in {environment}, this one is {other.folder}: " in done.stderr
    assert git(clone, "rev-parse", "HEAD") == old
    command = done.stderr.partition(f"{other.folder}: ")[2].partition(";")[0]
    done = subprocess.run(
        command,
        shell=True,
        env=hermes.environment(),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert hermes.ready(other_than=before).revision == new[:12]
    assert by(other, hermes, "update", "--no-restart").returncode == 0
    assert git(clone, "rev-parse", "HEAD") == new


def test_status_doctor_and_restart_say_which_installation_the_service_runs(
    hermes: Installation, other: Interpreter, source: Source, tmp_path: Path
) -> None:
    before = hermes.install()
    source.publish({"new.txt": "1"})
    git(tmp_path / "other clone", "pull", "--quiet")
    says = f"runs the installation in {tmp_path / 'environment'}, this one is {other.folder}"
    problems = json.loads(by(other, hermes, "gateway", "status", "--json").stdout)["problems"]
    assert [problem["code"] for problem in problems] == ["installation"]
    assert says in problems[0]["text"]
    assert says in by(other, hermes, "gateway", "doctor").stdout
    assert "installed is" not in by(other, hermes, "chat", "hello").stderr
    done = by(other, hermes, "gateway", "restart")
    assert done.returncode == 0, done.stderr
    assert says in done.stderr
    assert hermes.ready(other_than=before).revision == before.revision
    assert hermes.run("gateway", "status").returncode == 0
    assert "installation in" not in hermes.run("gateway", "status").stdout


def test_an_install_moves_the_service_to_the_other_installation(
    hermes: Installation, other: Interpreter, tmp_path: Path
) -> None:
    hermes.install()
    assert by(other, hermes, "gateway", "install").returncode == 0
    assert by(other, hermes, "gateway", "status").stdout.count("installation in") == 0
    assert f"runs the installation in {other.folder}" in hermes.run("gateway", "status").stdout


@pytest.fixture
def second(make_installation: Callable[..., Installation], source: Source, hermes: Installation) -> Installation:
    """Another home of the same installation."""
    return make_installation("second home", code=None, interpreter=hermes.interpreter)


def test_an_update_from_another_home_of_the_installation_is_told_to_try_again(
    hermes: Installation, second: Installation, source: Source
) -> None:
    old = source.head()
    source.publish(BROKEN)
    gate = Path(hermes.home) / "gate"
    pause = fault("stop", proof.failure, once=gate)
    with hermes.start("update", fault=pause) as first:
        hermes.until(gate.exists, "the update to be at its proof")
        done = second.run("update")
        assert done.returncode == 75, done.stderr
        assert f"another update is under way (pid {first.pid})" in done.stderr
        first.send_signal(18)
        first.communicate(timeout=PATIENCE)
    assert source.is_exactly(old)


def test_a_lock_in_the_home_that_no_updater_has_signed_is_waited_for(hermes: Installation) -> None:
    """An older release's, a driver's that finishes what was cut off, or that of a git which has outlived its updater."""
    lock = locks.take(hermes.paths.update_lock)
    assert lock is not None
    with hermes.start("update") as updating:
        assert updating.stdout is not None
        assert updating.stdout.readline() == "waiting until what an update has left behind is finished\n"
        assert updating.poll() is None
        lock.release()
        said, _ = updating.communicate(timeout=PATIENCE)
    assert updating.returncode == 0
    assert "already up to date" in said


def test_who_has_waited_begins_anew_with_the_code_that_is_there_now(hermes: Installation) -> None:
    """The driver that was waited for may have put other code in place of what the updater has imported."""
    lock = locks.take(hermes.paths.update_lock)
    assert lock is not None
    with hermes.start("update", fault=fault("kill", run._execute_anew)) as updating:
        assert updating.stdout is not None
        assert updating.stdout.readline() == "waiting until what an update has left behind is finished\n"
        lock.release()
        updating.communicate(timeout=PATIENCE)
    assert updating.returncode == -signal.SIGKILL


def test_an_update_whose_code_was_put_back_by_another_home_has_not_restarted_on_it(
    hermes: Installation, second: Installation, source: Source
) -> None:
    before = hermes.install()
    old = source.head()
    source.publish({"new.txt": "1"})
    gate = Path(hermes.home) / "gate"
    pause = fault("stop", send.begin, once=gate)
    with hermes.start("update", fault=pause) as first:
        hermes.until(gate.exists, "the update to be at its restart")
        git(source.clone, "reset", "--quiet", "--hard", old)  # as the other home's driver does
        first.send_signal(18)
        _, said = first.communicate(timeout=PATIENCE)
    assert first.returncode == 1
    after = hermes.ready(other_than=before)
    assert after.revision == before.revision
    assert f"runs {before.revision}, not" in said
    assert "failed" in hermes.run("update", "--history").stdout
