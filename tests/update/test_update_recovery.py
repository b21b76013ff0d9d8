"""The updater dies at each step; whoever comes by makes the code wholly old or wholly new."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkouts import Source, git
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import PATIENCE, Installation

import hermes_cli
from hermes_cli.intents import request
from hermes_cli.intents.instance import Instance
from hermes_cli.restart import send
from hermes_cli.system import locks
from hermes_cli.update import change, journal, proof
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources.git import checkout as git_checkout
from hermes_cli.update.sources.git.source import WorkTree

pytestmark = pytest.mark.e2e
BROKEN = {"hermes_cli/gateway/run.py": "raise RuntimeError('boom')\n", "added.txt": "1"}
BEFORE_THE_CHANGE = (
    on_return(Journal.write),
    on_call(request.submit),
    on_return(request.submit),
    on_call(change.apply),
)
AFTER_THE_CHANGE = (
    on_call(git_checkout.Checkout.forget_bytecode),
    on_call(proof.failure),
    on_return(change.apply),
    on_call(Journal.note),
    on_return(Journal.note),
    on_call(send.begin),
)
WHILE_UNDOING = (
    on_call(change.put_back),
    on_call(WorkTree._keep_changes),
    on_return(WorkTree._keep_changes),
    on_return(change.put_back),
)
# A filter of git (gitattributes(5)) that is run for each file that is written; at the AT-th it kills git and updater.
BOMB = """
import json, os, psutil, sys
at, counter, holder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
data = sys.stdin.buffer.read()
with open(counter, "ab") as file:
    file.write(b".")
if os.path.getsize(counter) == at:
    updater = json.load(open(holder))["pid"]
    above = psutil.Process().parents()
    for process in above[: [one.pid for one in above].index(updater) + 1][::-1]:
        process.kill()
    os._exit(1)
sys.stdout.buffer.write(data)
"""
# One that waits until somebody opens the other end of a FIFO, and says so by opening a second one.
SLOW = """
import sys
data = sys.stdin.buffer.read()
open(sys.argv[1], "w").close()
open(sys.argv[2]).close()
sys.stdout.buffer.write(data)
"""


def killed(hermes: Installation, step: Place) -> None:
    """Run an update that is killed before or after this step."""
    done = hermes.run("update", fault=fault("kill", step, program="hermes_cli update"))
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def with_filter(source: Source, folder: Path, program: str, *arguments: object) -> None:
    """Have git run `program` for every *.blob that it writes into the clone."""
    source.publish({".gitattributes": "*.blob filter=test\n", **{f"{name}.blob": "1" for name in "abc"}})
    git(source.clone, "pull", "--quiet")
    script = folder / "filter.py"
    script.write_text(program)
    words = " ".join(f"'{word}'" for word in (sys.executable, script, *arguments))
    git(source.clone, "config", "filter.test.smudge", words)


def with_bomb(hermes: Installation, source: Source, at: int) -> None:
    """Have git and the updater killed when the clone's `at`-th *.blob is written."""
    folder = source.clone.parent
    with_filter(source, folder, BOMB, at, folder / "count", f"{hermes.paths.update_lock}.holder")


def is_over(hermes: Installation) -> bool:
    """Whether nothing holds the installation and no journal says that the code is in flux."""
    lock = locks.take(hermes.paths.update_lock, timeout=PATIENCE)
    assert lock is not None
    lock.release()
    return not any(one.in_flux for one in journal.under_way(hermes.paths)) and not any(hermes.paths.queue.holders())


@pytest.fixture
def nobody_drives(hermes: Installation) -> Iterator[None]:
    """Keep the intent pending: the proof runs hermes commands, and the look of one may have started a driver."""
    lock = locks.take(hermes.paths.queue.driver_lock)
    assert lock is not None
    yield
    lock.release()


@pytest.mark.parametrize("step", BEFORE_THE_CHANGE)
def test_killed_before_the_change_leaves_the_old_code(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str], step: Place
) -> None:
    old = source.head()
    source.publish({"hermes_cli/added.py": "", "README.md": "new"})
    killed(hermes, step)
    recover()
    assert source.is_exactly(old)
    assert is_over(hermes)


@pytest.mark.usefixtures("nobody_drives")
@pytest.mark.parametrize("step", AFTER_THE_CHANGE)
def test_killed_after_the_change_leaves_new_code_that_starts(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str], step: Place
) -> None:
    new = source.publish({"hermes_cli/added.py": "", "README.md": "new"})
    killed(hermes, step)
    recover()
    assert source.is_exactly(new)
    assert is_over(hermes)
    assert len(hermes.pending()) == 1


@pytest.mark.parametrize("step", [*AFTER_THE_CHANGE[:2], *WHILE_UNDOING])
def test_killed_after_a_change_that_does_not_start_leaves_the_old_code(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str], step: Place
) -> None:
    old = source.head()
    source.publish(BROKEN)
    killed(hermes, step)
    recover()
    assert source.is_exactly(old)
    assert is_over(hermes)


@pytest.mark.parametrize("at", range(1, 5))
def test_git_killed_in_the_middle_of_the_change_leaves_the_old_code(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str], at: int
) -> None:
    with_bomb(hermes, source, at)
    old = source.head()
    source.publish({f"{name}.blob": "2" for name in "abcd"} | {"added.txt": "1"})
    assert hermes.run("update").returncode == -signal.SIGKILL
    assert (source.clone / ".git" / "index.lock").exists()
    recover()
    assert source.is_exactly(old)
    assert is_over(hermes)


@pytest.mark.parametrize("at", range(5, 8))
def test_git_killed_in_the_middle_of_putting_back_leaves_the_old_code(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str], at: int
) -> None:
    with_bomb(hermes, source, at)
    old = source.head()
    source.publish({f"{name}.blob": "2" for name in "abcd"} | BROKEN)
    assert hermes.run("update").returncode == -signal.SIGKILL
    recover()
    assert source.is_exactly(old)
    assert is_over(hermes)


def test_the_git_of_a_dead_updater_keeps_everybody_away_until_it_has_ended(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str], tmp_path: Path
) -> None:
    at_work, go_on = tmp_path / "at-work", tmp_path / "go-on"
    os.mkfifo(at_work)
    os.mkfifo(go_on)
    with_filter(source, tmp_path, SLOW, at_work, go_on)
    new = source.publish({"a.blob": "2"})
    with hermes.start("update") as process:
        at_work.open().close()
        process.kill()
        process.wait(PATIENCE)
    assert locks.is_held(hermes.paths.update_lock)
    assert hermes.paths.queue.holders()
    go_on.open("w").close()
    lock = locks.take(hermes.paths.update_lock, timeout=PATIENCE)
    assert lock is not None
    lock.release()
    recover()
    assert source.is_exactly(new)
    assert is_over(hermes)


def test_work_that_somebody_did_since_is_kept_when_the_old_code_is_put_back(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str]
) -> None:
    source.publish(BROKEN)
    killed(hermes, on_call(proof.failure))
    (source.clone / "README.md").write_text("mine")
    said = recover()
    (intent,) = hermes.pending()
    assert f"git stash apply refs/hermes/{intent.id}" in said
    git(source.clone, "stash", "apply", "--quiet", f"refs/hermes/{intent.id}")
    assert (source.clone / "README.md").read_text() == "mine"


def test_a_checkout_that_has_moved_on_is_left_alone(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str]
) -> None:
    source.publish(BROKEN)
    killed(hermes, on_call(proof.failure))
    git(source.clone, "commit", "--quiet", "--allow-empty", "-m", "Mine")
    mine = source.head()
    assert "has moved on since, nothing is undone" in recover()
    assert source.head() == mine
    assert is_over(hermes)


def test_the_next_update_first_undoes_what_was_cut_off_without_an_intent(hermes: Installation, source: Source) -> None:
    source.publish(BROKEN)
    killed(hermes, on_call(proof.failure))
    mended = source.publish({"hermes_cli/gateway/run.py": "def main(paths): ...\n"})
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    # By the command itself, or by the driver that its look has started, which says so on stderr.
    assert "an update was cut off" in done.stdout + done.stderr
    assert source.is_exactly(mended)
    assert is_over(hermes)


def test_a_driver_cancels_the_intent_of_an_updater_that_died_before_the_change(
    hermes: Installation, source: Source, stand_in: Instance
) -> None:
    source.publish({"README.md": "new"})
    killed(hermes, on_call(change.apply))
    hermes.run("gateway", "intents", "drive")
    (settled,) = hermes.settled()
    assert settled.outcome == "cancelled"
    assert is_over(hermes)
    assert stand_in.identity.is_alive()


def test_a_foreign_journal_is_neither_acted_on_nor_in_the_way(
    hermes: Installation, source: Source, recover: Callable[[], str]
) -> None:
    old = source.head()
    os.makedirs(hermes.paths.updates_under_way, mode=0o700)
    name = "20260101T000000.000000Z-1-abcd"
    document = {"schema": 2, "intent": name, "source": {"kind": "git", "root": "/", "package": str(source.clone)}}
    Path(hermes.paths.updates_under_way, f"{name}.json").write_text(
        json.dumps({**document, "old": "--help", "new": old, "step": "begun"})
    )
    Path(hermes.paths.updates_under_way, "nonsense.json").write_text("{")
    assert "that this release does not know" in recover()
    assert hermes.run("update").returncode == 0
    assert source.is_exactly(old)
    assert not os.listdir(hermes.paths.updates_under_way)


def test_what_is_installed_is_the_short_id_of_the_commit_and_the_version_without_one(
    hermes: Installation, source: Source
) -> None:
    program = "from hermes_cli.update.recovery import UpdateRecovery as R; print(R(None).installed())"

    def installed() -> str:
        command = [sys.executable, "-P", "-c", program]
        return subprocess.run(
            command, env=hermes.environment(), cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=True
        ).stdout.strip()

    assert installed() == source.short()
    shutil.rmtree(source.clone / ".git")
    assert installed() == hermes_cli.__version__


def test_recovery_that_cannot_be_done_is_logged_and_leaves_the_journal(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str]
) -> None:
    source.publish(BROKEN)
    killed(hermes, on_call(proof.failure))
    shutil.move(source.clone / ".git", source.clone.parent / "away")
    assert "is left as it is: git does not say where the checkout of" in recover()
    assert os.listdir(hermes.paths.updates_under_way)


def test_no_process_is_left_behind(hermes: Installation, source: Source) -> None:
    source.publish({"README.md": "new"})
    hermes.run("update")
    assert not hermes.processes()
