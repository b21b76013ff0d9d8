"""Whatever somebody has put in the place of a file of ours: a gateway that runs is not lost by it, and the mend works.

Each file that hermes writes is spoiled in each way while a gateway runs. A restart then ends in a fresh gateway, or is
refused in one line and the gateway goes on; then what `status` names is pasted, and the next restart succeeds.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import PATIENCE
from support.machines.installation import Installation

pytestmark = pytest.mark.e2e

# What is below a home, each with what replaces the names that differ from one to the next.
FILES = (
    "environment",
    "logs/gateway.log",
    "logs/restarter.log",
    "state/desired.json",
    "state/gateway.json",
    "state/gateway.lock",
    "state/gateway.sock",
    "state/login-path",
    "state/looked-ahead/N.json",
    "state/messages.sqlite",
    "state/messages.sqlite-shm",
    "state/messages.sqlite-wal",
    "state/restart-intents/driver.lock",
    "state/restart-intents/settled/ID.json",
    "state/service.json",
    "state/starts.json",
    "state/supervisor/lock",
    "state/supervisor/sock",
)
FOLDERS = (
    "logs",
    "state/looked-ahead",
    "state/restart-intents/holds",
    "state/restart-intents/pending",
    "state/restart-intents/progress",
    "state/restart-intents/rejected",
    "state/restart-intents/settled",
    "state/restart-intents/staging",
)


def _directory(path: Path) -> None:
    path.mkdir()
    (path / "in the way").touch()


KINDS: dict[str, Callable[[Path], object]] = {
    "directory": _directory,
    "dangling": lambda path: path.symlink_to("/nonexistent/file"),
    "fifo": lambda path: os.mkfifo(path, 0o600),
    "nonsense": lambda path: path.write_bytes(bytes(range(256)) * 2),
    "empty": lambda path: path.write_bytes(b""),
}
CELLS = [(name, kind) for name in FILES for kind in KINDS]
CELLS += [(name, kind) for name in FOLDERS for kind in ("dangling", "empty")]


def general(name: str) -> str:
    """Return a file's name as it stands in FILES."""
    name = re.sub(r"\d{8}T[^/]*(?=\.json$)", "ID", name)
    return re.sub(r"looked-ahead/\d+", "looked-ahead/N", name)


def found(home: Path, name: str) -> Path:
    """Return the place that a name of FILES stands for."""
    there = next((str(one) for one in home.rglob("*") if general(str(one.relative_to(home))) == name), None)
    return Path(there) if there is not None else home / name


@pytest.fixture
def hermes(make_installation: Callable[..., Installation], tmp_path: Path) -> Installation:
    made = make_installation(tmp_path / "home")
    made.install()
    assert made.run("gateway", "restart").returncode == 0
    assert made.run("chat", "hello").returncode == 0
    return made


def spoil(home: Path, path: Path, kind: str) -> None:
    """Put something of that kind in its place; a supervisor may just be making what was there again."""
    for attempt in itertools.count():
        if os.path.lexists(path):
            path.rename(home / f"was.{attempt}")
        try:
            KINDS[kind](path)
        except OSError:
            assert os.path.lexists(path)
        else:
            return


def is_one_line(done: "subprocess.CompletedProcess[str]") -> bool:
    said = [line for line in done.stderr.splitlines() if line.startswith("hermes: ") and "is pending" not in line]
    return len(said) == 1 and "Traceback" not in done.stderr


def codes(hermes: Installation) -> set[str]:
    return {one["code"] for one in hermes.status()["problems"]}


def log(hermes: Installation) -> str:
    """Everything that was logged into what is a file."""
    return "".join(one.read_text(errors="replace") for one in (hermes.home / "logs").glob("*.log") if one.is_file())


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_no_file_in_the_way_costs_a_gateway_that_runs(hermes: Installation, name: str, kind: str) -> None:
    path, before = found(hermes.home, name), hermes.ready()
    spoil(hermes.home, path, kind)

    done = hermes.run("gateway", "restart")
    status = json.loads(hermes.run("gateway", "status", "--json").stdout)
    if done.returncode:
        assert before.identity.is_alive(), (done, log(hermes))
        assert is_one_line(done), done.stderr
        assert status["problems"], done.stderr
        for problem in status["problems"]:
            if problem["code"] == "config" and problem["command"] is None:  # what it says is its user's to mend
                path.unlink()
            if problem.get("command"):
                subprocess.run(
                    problem["command"],
                    env=hermes.environment(),
                    cwd="/",
                    capture_output=True,
                    timeout=PATIENCE,
                    check=False,
                )
        if "undescribed" in codes(hermes):
            hermes.until(lambda: "undescribed" not in codes(hermes), "the next heartbeat")
        done = hermes.run("gateway", "restart")
    assert done.returncode == 0, (status["problems"], done.stderr, log(hermes))
    if name == "logs" and not path.is_dir():  # it is watched below
        path.unlink(missing_ok=True)
        path.mkdir()
    hermes.gone(before.identity)
    assert hermes.ready().ready

    stopped = hermes.run("gateway", "stop")
    assert hermes.run("gateway", "status").returncode == 3, stopped
    assert "Traceback" not in log(hermes) + stopped.stderr


def test_these_are_the_files_that_hermes_writes(hermes: Installation) -> None:
    shutil.rmtree(hermes.home / "state" / "python", ignore_errors=True)
    known = {*FILES, *FOLDERS, "state", "state/restart-intents", "state/supervisor", "config.toml"}
    seen = {general(str(one.relative_to(hermes.home))) for one in hermes.home.rglob("*")}
    assert {one for one in seen if not one.endswith(".new")} <= known
