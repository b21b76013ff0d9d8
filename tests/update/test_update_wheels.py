"""Updates of wheels that pip put into a real environment: forwards, into a broken release, and cut off anywhere."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import Place, all_of, fault, on_call, on_return
from support.machines.installation import SHORT_CLOCKS, Installation
from support.releases.changes import CRASHES_AT_IMPORT, DIES_AT_START
from support.releases.wheels import NEEDED, Environment

from hermes_cli.intents import request
from hermes_cli.restart import send
from hermes_cli.update import change, journal, proof
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources.wheel.source import SitePackages

pytestmark = pytest.mark.e2e
STEPS = [
    on_return(Journal.write),
    on_return(request.submit),
    on_call(SitePackages.change),
    on_return(SitePackages.change),
    on_call(proof.failure),
    on_return(change.apply),
    on_call(send.begin),
]
# pip's own functions, in pip's own process: between the files of two releases.
IN_PIP = [
    Place("before", "pip._internal.req.req_install:InstallRequirement.uninstall"),
    Place("after", "pip._internal.req.req_install:InstallRequirement.uninstall"),
    Place("before", "pip._internal.operations.install.wheel:_install_wheel"),
    Place("after", "pip._internal.operations.install.wheel:_install_wheel"),
    Place("before", "pip._internal.req.req_uninstall:UninstallPathSet.commit"),
    Place("after", "pip._internal.req.req_uninstall:UninstallPathSet.commit"),
]


@pytest.fixture
def environment(tmp_path: Path, wheels_template: Environment) -> Environment:
    return wheels_template.branch(tmp_path)


@pytest.fixture
def hermes(make_installation: Callable[..., Installation], environment: Environment) -> Installation:
    config = f"{SHORT_CLOCKS}\n[update]\nstay_ready = 0.3\nfind_links = {json.dumps(str(environment.wheels.folder))}\n"
    config = config.replace("[update]\nstay_ready = 0.3\n\n", "", 1)
    return make_installation(config=config, code=None, python=str(environment.python))


def is_sound(environment: Environment, files: dict[str, bytes]) -> bool:
    """Whether the environment has these files again, and no others."""
    return environment.files() == files


def test_the_newest_release_is_installed_and_runs(hermes: Installation, environment: Environment) -> None:
    before = hermes.install()
    assert before.revision == "1.0"
    environment.wheels.release("1.1")
    assert "1.0 → 1.1, pip" in hermes.run("update", "--check").stdout
    assert environment.version() == ["1.0"]
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert hermes.ready(other_than=before).revision == "1.1"
    assert environment.version() == ["1.1"]
    assert "already up to date (1.1)" in hermes.run("update").stdout
    environment.wheels.folder.rename(environment.wheels.folder.with_name("elsewhere"))
    gone = hermes.run("update", "--check")  # pip itself would find that nothing is new
    assert (gone.returncode, f"{environment.wheels.folder} is not there: nothing was changed" in gone.stderr) == (
        1,
        True,
    )


def test_from_the_agents_terminal_it_is_the_same(hermes: Installation, environment: Environment) -> None:
    before = hermes.install()
    environment.wheels.release("1.1")
    assert "restarted: gateway is back" in hermes.chat("!python -m hermes_cli update")
    assert hermes.ready(other_than=before).revision == "1.1"


def test_a_version_is_gone_to_and_back_from(hermes: Installation, environment: Environment) -> None:
    environment.wheels.release("1.1")
    environment.wheels.release("1.2")
    assert hermes.run("update", "--to", "1.1").returncode == 0
    assert environment.version() == ["1.1"]
    assert hermes.run("update", "--to", "1.0").returncode == 0
    assert environment.version() == ["1.0"]


def test_a_version_is_rolled_back_without_its_wheel_and_taken_again_only_by_name(
    hermes: Installation, environment: Environment
) -> None:
    environment.wheels.publish("extra", "1", {"extra.py": b"VERSION = 1\n"})
    environment.pip("install", "extra==1")
    files = environment.files()
    environment.wheels.publish("extra", "2", {"extra.py": b"VERSION = 2\n", "more.py": b""})
    environment.wheels.publish("another", "1", {"another.py": b""})
    environment.wheels.release("1.1", needs=(*NEEDED, "extra>=2", "another"))
    assert hermes.run("update").returncode == 0
    for old in (*environment.wheels.folder.glob("hermes_gateway-1.0*"), *environment.wheels.folder.glob("extra-1*")):
        old.unlink()
    done = hermes.run("update", "--rollback")
    assert done.returncode == 0, done.stderr
    assert "1.1 → 1.0, from the files of before" in done.stdout
    assert is_sound(environment, files)
    line = "1.1 was rolled back (hermes update --rollback): hermes update --to 1.1 installs it anyway"
    assert line in hermes.run("update").stdout
    assert environment.version() == ["1.0"]
    assert hermes.run("update", "--to", "1.1").returncode == 0
    assert environment.version() == ["1.1"]


def test_where_somebody_has_installed_something_since_the_index_is_asked(
    hermes: Installation, environment: Environment
) -> None:
    environment.wheels.publish("extra", "1", {"extra.py": b"VERSION = 1\n"})
    environment.pip("install", "extra==1")
    environment.wheels.publish("extra", "2", {"extra.py": b"VERSION = 2\n"})
    environment.wheels.release("1.1", needs=(*NEEDED, "extra>=2"))
    assert hermes.run("update").returncode == 0
    environment.wheels.publish("extra", "3", {"extra.py": b"VERSION = 3\n"})
    environment.pip("install", "extra==3")
    done = hermes.run("update", "--rollback")
    assert "asking pip" in done.stdout
    assert (done.returncode, environment.version()) == (0, ["1.0"])
    assert environment.files()["extra.py"] == b"VERSION = 3\n"


@pytest.mark.parametrize("step", STEPS)
def test_a_rollback_killed_at_any_step_leaves_one_release_whole_and_a_gateway_on_it(
    hermes: Installation, environment: Environment, step: Place
) -> None:
    environment.wheels.release("1.1")
    before = hermes.install()
    assert hermes.run("update").returncode == 0
    hermes.ready(other_than=before)
    hermes.until(lambda: next(journal.receipts(hermes.paths), None), "the receipt")
    done = hermes.run("update", "--rollback", fault=fault("kill", step, program="hermes_cli update"))
    assert done.returncode == -signal.SIGKILL
    hermes.until(lambda: not hermes.pending(), "an empty queue")
    (version,) = environment.version()
    assert hermes.ready().revision == version
    assert hermes.run("update", "--rollback").returncode == (0 if version == "1.1" else 1)
    assert environment.version() == ["1.0"]
    hermes.until(lambda: hermes.ready().revision == "1.0", "the old release")


def test_only_the_newest_update_can_be_taken_back_and_keeps_what_that_needs(
    hermes: Installation, environment: Environment
) -> None:
    def kept() -> list[str]:
        return [path.name for path in Path(hermes.paths.updates).glob("*.files")]

    environment.wheels.release("1.1")
    assert hermes.run("update").returncode == 0
    (first,) = kept()
    environment.wheels.release("1.2", CRASHES_AT_IMPORT)
    assert hermes.run("update").returncode == 1
    assert kept() == [first]
    environment.wheels.release("1.3")
    assert hermes.run("update").returncode == 0
    (second,) = kept()
    assert first != second
    assert hermes.run("update", "--rollback").returncode == 0
    assert kept() == []
    assert environment.version() == ["1.1"]


def test_a_pre_release_is_only_taken_on_request(hermes: Installation, environment: Environment) -> None:
    environment.wheels.release("1.1rc1")
    assert "already up to date" in hermes.run("update").stdout
    assert hermes.run("update", "--pre").returncode == 0
    assert environment.version() == ["1.1rc1"]


@pytest.mark.parametrize("version", ["9.9", "--help", "1.0 ; rm"])
def test_a_version_that_is_not_there_is_named(hermes: Installation, environment: Environment, version: str) -> None:
    done = hermes.run("update", f"--to={version}")
    assert done.returncode == 1
    assert version in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert environment.version() == ["1.0"]


def test_a_release_that_cannot_be_imported_is_put_back_without_the_wheel_of_the_old_one(
    hermes: Installation, environment: Environment
) -> None:
    files = environment.files()
    environment.wheels.release("1.1", CRASHES_AT_IMPORT)
    for old in environment.wheels.folder.glob("hermes_gateway-1.0*"):
        old.unlink()
    done = hermes.run("update")
    assert done.returncode == 1
    assert "ImportError: a bad day" in done.stderr
    assert is_sound(environment, files)


def test_a_release_that_does_not_start_is_put_back_and_the_old_one_started(
    hermes: Installation, environment: Environment
) -> None:
    before = hermes.install()
    files = environment.files()
    environment.wheels.release("1.1", DIES_AT_START)
    done = hermes.run("update")
    assert done.returncode == 1
    assert "a bad start" in done.stderr
    assert hermes.ready(other_than=before).revision == "1.0"
    assert is_sound(environment, files)


def test_what_a_release_needs_is_installed_and_the_old_one_of_it_put_back(
    hermes: Installation, environment: Environment
) -> None:
    environment.wheels.publish("extra", "1", {"extra.py": b"VERSION = 1\n"})
    environment.pip("install", "extra==1")
    files = environment.files()
    environment.wheels.publish("extra", "2", {"extra.py": b"VERSION = 2\n", "more.py": b""})
    environment.wheels.release("1.1", CRASHES_AT_IMPORT, needs=(*NEEDED, "extra>=2"))
    assert "extra 2" in hermes.run("update", "--check").stdout
    assert hermes.run("update").returncode == 1
    assert is_sound(environment, files)
    environment.wheels.release("1.2", needs=(*NEEDED, "extra>=2"))
    assert hermes.run("update").returncode == 0
    assert environment.files()["extra.py"] == b"VERSION = 2\n"


def test_a_need_that_is_not_there_is_said_before_anything_changes(
    hermes: Installation, environment: Environment
) -> None:
    files = environment.files()
    environment.wheels.release("1.1", needs=(*NEEDED, "nowhere"))
    assert "already up to date (1.0)" in hermes.run("update").stdout
    done = hermes.run("update", "--to", "1.1")
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert is_sound(environment, files)
    assert not journal.under_way(hermes.paths)


@pytest.mark.parametrize("step", STEPS)
def test_an_updater_killed_at_any_step_leaves_one_release_whole_and_a_gateway_on_it(
    hermes: Installation, environment: Environment, step: Place
) -> None:
    hermes.install()
    environment.wheels.release("1.1")
    done = hermes.run("update", fault=fault("kill", step, program="hermes_cli update"))
    assert done.returncode == -signal.SIGKILL
    hermes.until(lambda: not hermes.pending(), "an empty queue")
    (version,) = environment.version()
    assert hermes.ready().revision == version
    assert not [path.name for path in environment.site.iterdir() if path.name.startswith("~")]
    assert hermes.run("update").returncode == 0
    assert hermes.ready().revision == "1.1"


@pytest.mark.parametrize("step", IN_PIP)
def test_a_pip_that_is_killed_between_two_releases_is_undone_by_the_restarters_copy(
    hermes: Installation, environment: Environment, step: Place
) -> None:
    before = hermes.install()
    files = environment.files()
    environment.wheels.release("1.1", ("hermes_cli/gateway/run.py", "_REVISION_WAIT = 0.2", "_REVISION_WAIT = 0.3"))
    struck = hermes.home / "struck"
    # pip is killed, and with it, because it was its child, the updater that waits for it.
    both = all_of(
        fault("kill", step, struck, "pip install --quiet"),
        fault("kill", change.put_back, program="hermes_cli update"),
    )
    done = hermes.run("update", fault=both)
    assert struck.exists()
    hermes.until(lambda: not hermes.pending(), "an empty queue")
    assert done.returncode in {0, -signal.SIGKILL}
    if environment.version() == ["1.0"]:
        assert is_sound(environment, files)
        assert hermes.ready().identity == before.identity
    assert hermes.ready().revision == environment.revision()


def test_a_package_of_a_directory_is_not_looked_for_on_an_index(
    make_installation: Callable[..., Installation], environment: Environment, tmp_path: Path
) -> None:
    hermes = make_installation(code=None, python=str(environment.python))
    (info,) = environment.site.glob("hermes_gateway-*.dist-info")
    (info / "direct_url.json").write_text(json.dumps({"url": tmp_path.as_uri(), "dir_info": {}}))
    done = hermes.run("update")
    assert done.returncode == 1
    assert f"was installed from {tmp_path.as_uri()}, not from an index" in done.stderr


def test_a_distribution_without_a_record_is_not_touched(hermes: Installation, environment: Environment) -> None:
    environment.wheels.publish("extra", "1", {"extra.py": b""})
    environment.pip("install", "extra==1")
    (environment.site / "extra-1.dist-info" / "RECORD").unlink()
    environment.wheels.publish("extra", "2", {"extra.py": b"2"})
    environment.wheels.release("1.1", needs=(*NEEDED, "extra>=2"))
    done = hermes.run("update")
    assert done.returncode == 1
    assert "has no RECORD" in done.stderr
    assert environment.version() == ["1.0"]
