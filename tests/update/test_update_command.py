"""`[update] command`: the code of a gateway that hermes knows nothing of."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import PATIENCE, REPOSITORY, SHORT_CLOCKS, Installation

from hermes_cli.intents import request
from hermes_cli.system import locks
from hermes_cli.update import change
from hermes_cli.update.sources.command import ConfiguredCommand

pytestmark = pytest.mark.e2e
STEPS = [
    on_return(request.submit),
    on_call(ConfiguredCommand.change),
    on_return(ConfiguredCommand.change),
    on_return(change.apply),
]

UPDATER = """
import sys
from hermes_cli.system import locks
from hermes_cli.config import UpdateConfig
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources import command
command.TIMEOUT, command._GRACE = 1.0, 0
lock = locks.take(sys.argv[1])
config = UpdateConfig(command=tuple(sys.argv[2:]), revision=("true",))
command.ConfiguredCommand(config, (lock.descriptor,)).change(Journal("", "", {}, "", ""), print)
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """What is 'installed': a file with a revision in it, and the one that the next update brings."""
    folder = tmp_path / "some 'gateway'"
    folder.mkdir()
    (folder / "revision").write_text("one\n")
    (folder / "next").write_text("two\n")
    return folder


@pytest.fixture
def hermes(make_installation: Callable[..., Installation], code: Path) -> Installation:
    command = json.dumps(["cp", f"{code}/next", f"{code}/revision"])
    revision = json.dumps(["cat", f"{code}/revision"])
    rollback = json.dumps(["sh", "-c", 'echo "$HERMES_UPDATE_REVISION" > "$1"', "sh", f"{code}/revision"])
    lines = f"[update]\ncommand = {command}\nrevision = {revision}\nrollback = {rollback}\n"
    return make_installation(config=SHORT_CLOCKS.replace("[update]\n", lines))


def test_it_is_run_and_the_gateway_restarted(hermes: Installation, code: Path) -> None:
    before = hermes.install()
    assert "one → what cp" in hermes.run("update", "--check").stdout
    assert (code / "revision").read_text() == "one\n"
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert "updated one → two" in done.stdout
    hermes.ready(other_than=before)
    assert (code / "revision").read_text() == "two\n"


def test_a_command_that_finds_nothing_new_restarts_nothing(hermes: Installation, code: Path) -> None:
    before = hermes.install()
    (code / "next").write_text("one\n")
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert "already up to date (one)" in done.stdout
    assert hermes.ready().identity == before.identity
    assert [one.outcome for one in hermes.settled()] == ["cancelled"]


def test_a_command_that_fails_leaves_the_gateway_alone(hermes: Installation, code: Path) -> None:
    before = hermes.install()
    (code / "next").unlink()
    done = hermes.run("update")
    assert done.returncode == 1
    assert "cp failed (cp: cannot stat" in done.stderr
    assert hermes.ready().identity == before.identity


def test_it_is_rolled_back_by_the_command_for_that(hermes: Installation, code: Path) -> None:
    before = hermes.install()
    assert hermes.run("update").returncode == 0
    again = hermes.ready(other_than=before)
    (code / "next").write_text("two\n")
    assert "already up to date (two)" in hermes.run("update").stdout  # leaves a receipt, and nothing to roll back
    assert "two → one, by sh -c" in hermes.run("update", "--rollback", "--check").stdout
    done = hermes.run("update", "--rollback")
    assert done.returncode == 0, done.stderr
    assert "rolled back two → one" in done.stdout
    hermes.ready(other_than=again)
    assert (code / "revision").read_text() == "one\n"


def test_without_a_command_for_it_there_is_no_rollback(hermes: Installation, code: Path) -> None:
    assert hermes.run("update").returncode == 0
    config = hermes.home / "config.toml"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if "rollback" not in line))
    done = hermes.run("update", "--rollback")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "name a command in [update] rollback" in done.stderr
    assert (code / "revision").read_text() == "two\n"


def test_a_rollback_command_that_brings_something_else_is_taken_back(hermes: Installation, code: Path) -> None:
    assert hermes.run("update").returncode == 0
    config = hermes.home / "config.toml"
    program = 'if [ $HERMES_UPDATE_REVISION = one ]; then echo three; else echo two; fi > "$1"'
    strange = f"rollback = {json.dumps(['sh', '-c', program, 'sh', f'{code}/revision'])}"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(strange if line.startswith("rollback") else line for line in lines))
    done = hermes.run("update", "--rollback")
    assert "sh has brought three, not one: two was put back" in done.stderr
    assert (code / "revision").read_text() == "two\n"


@pytest.mark.parametrize("step", STEPS)
def test_an_updater_killed_at_any_step_leaves_the_old_revision_untouched_or_the_new_one_restarted(
    hermes: Installation, code: Path, step: Place
) -> None:
    before = hermes.install()
    done = hermes.run("update", fault=fault("kill", step, program="hermes_cli update"))
    assert done.returncode == -signal.SIGKILL
    hermes.until(lambda: not hermes.pending(), "an empty queue")
    (settled,) = hermes.paths.queue.history()
    if (code / "revision").read_text() == "one\n":
        assert settled.outcome == "cancelled"
        assert hermes.ready().identity == before.identity
    else:
        assert settled.outcome == "restarted"
        hermes.ready(other_than=before)


@pytest.mark.parametrize("option", ["--to=x", "--pre", "--stash"])
def test_options_that_it_cannot_honour_are_refused(hermes: Installation, option: str) -> None:
    done = hermes.run("update", option)
    assert done.returncode == 1
    assert "takes no --to, --pre or --stash" in done.stderr


def test_a_command_without_a_revision_is_a_configuration_error(make_installation: Callable[..., Installation]) -> None:
    done = make_installation(config='[update]\ncommand = ["true"]\n').run("update")
    assert done.returncode == 78
    assert "update.command needs update.revision" in done.stderr


def test_a_command_that_never_ends_gives_the_locks_back_though_its_updater_was_killed(tmp_path: Path) -> None:
    path, begun = str(tmp_path / "lock"), tmp_path / "begun"
    os.mkfifo(begun)
    command = ("sh", "-c", 'sleep infinity & echo $! > "$0"; wait', str(begun))
    code = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen([sys.executable, "-c", UPDATER, path, *command], env=code) as updater:
        below = psutil.Process(int(begun.read_text()))
        updater.send_signal(signal.SIGKILL)
    assert locks.is_held(path)
    assert psutil.wait_procs([below], timeout=PATIENCE)[1] == []
    assert not locks.is_held(path)


def test_a_command_that_is_not_there_is_a_configuration_error(make_installation: Callable[..., Installation]) -> None:
    config = SHORT_CLOCKS.replace("[update]\n", '[update]\ncommand = ["nowhere"]\nrevision = ["echo", "1"]\n')
    done = make_installation(config=config).run("update")
    assert done.returncode == 1
    assert "nowhere is no program that can be run: mend [update] in config.toml" in done.stderr
