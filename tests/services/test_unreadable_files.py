"""A file that is there but cannot be read is no answer, whoever reads it: nothing is started, stopped or said by it."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support import PATIENCE
from support.faults.recorded import STRACE, need_strace
from support.machines.installation import Installation

from hermes_cli.intents import desired
from hermes_cli.programs import own

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(STRACE is None, reason="strace is not installed")]


@pytest.fixture
def hermes(make_installation: Callable[..., Installation], tmp_path: Path) -> Installation:
    """One installation."""
    need_strace()
    return make_installation(tmp_path / "home")


def unreadable(hermes: Installation, path: str, *arguments: str, times: str = "1+") -> "subprocess.Popen[str]":
    """Start a `hermes` command for which every opening of `path` fails, as on a disk that fails."""
    assert STRACE is not None
    options = ["-f", "-qq", "-o", os.devnull, "-P", path, "-e", f"inject=openat:error=EIO:when={times}"]
    return subprocess.Popen(
        [STRACE, *options, hermes.python, "-m", "hermes_cli", *arguments],
        env=hermes.environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def supervised(hermes: Installation, process: "subprocess.Popen[str]", what: str) -> str:
    """Return the lines of a supervisor up to the one that says `what`."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if what in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def end(process: "subprocess.Popen[str]") -> None:
    """Ask the traced program itself to end: strace hands no signal on."""
    for child in psutil.Process(process.pid).children():
        child.send_signal(signal.SIGTERM)
    told(process)


@pytest.mark.parametrize("wish", ["running", "stopped"])
def test_a_supervisor_starts_nothing_before_it_can_read_what_is_wanted(hermes: Installation, wish: str) -> None:
    desired.write(hermes.paths.desired, "stopped" if wish == "stopped" else "running", "a test")
    process = unreadable(hermes, hermes.paths.desired, "gateway", "run", "--supervise")
    try:
        supervised(hermes, process, "cannot be read, so nobody can tell whether it was stopped")
        assert own.read(hermes.paths) is None
    finally:
        end(process)


def test_a_supervisor_that_can_read_it_again_starts_the_gateway_unasked(hermes: Installation) -> None:
    desired.write(hermes.paths.desired, "running", "a test")
    process = unreadable(hermes, hermes.paths.desired, "gateway", "run", "--supervise", times="1..6")
    try:
        supervised(hermes, process, "cannot be read, so nobody can tell whether it was stopped")
        assert hermes.ready()
    finally:
        end(process)


@pytest.mark.parametrize("name", ["desired.json", "gateway.json"])
def test_status_says_which_file_it_cannot_read(hermes: Installation, name: str) -> None:
    hermes.install()
    path = f"{hermes.paths.state}/{name}"
    code, out, err = told(unreadable(hermes, path, "gateway", "status", "--json"))
    assert err == ""
    found = json.loads(out)
    assert {"unreadable"} <= {one["code"] for one in found["problems"]}, found["problems"]
    assert "down" not in {one["code"] for one in found["problems"]}
    assert any(path in one["text"] for one in found["problems"])
    assert (found["desired"] == "unknown") is (name == "desired.json")
    assert code in {0, 5}  # it runs, as the service manager says, or nobody can tell; never "not running"


def test_no_command_takes_another_manager_for_the_responsible_one(hermes: Installation) -> None:
    before = hermes.install()
    path = f"{hermes.paths.state}/service.json"
    hermes.manager = "auto"  # whoever is asked reads service.json
    for command in ("status", "stop", "restart", "uninstall"):
        code, _, err = told(unreadable(hermes, path, "gateway", command))
        assert code == 5, (command, err)
        assert err.count("\n") == 1
        assert "service.json cannot be read (Input/output error)" in err
        assert before.identity.is_alive()
        assert desired.read(hermes.paths.desired) == "running"
