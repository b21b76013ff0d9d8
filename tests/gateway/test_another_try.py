"""What the machine has no room for, a start or an answer, is tried until there is, unasked."""

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import fault
from support.machines.installation import Installation

from hermes_cli.errors import ConfigError
from hermes_cli.gateway.another_try import may_pass
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.run import Gateway
from hermes_cli.system import sockets


@pytest.fixture
def barrier(tmp_path: Path) -> Path:
    return tmp_path / "no-room"


def without_room(hermes: Installation, kind: str, barrier: Path) -> None:
    """A gateway that was killed, and its successor, which has no room to start."""
    before = hermes.install(fault=fault(f"{kind}:{barrier}", Gateway._open))
    barrier.touch()
    os.kill(before.identity.pid, signal.SIGKILL)
    hermes.until(lambda: "the gateway cannot start" in hermes.log(), "a start without room")


@pytest.mark.parametrize("kind", ["full", "threads"])
def test_a_start_without_room_is_tried_until_there_is(
    make_installation: Callable[..., Installation], tmp_path: Path, barrier: Path, kind: str
) -> None:
    hermes = make_installation(tmp_path / "home")
    without_room(hermes, kind, barrier)
    shown = hermes.run("gateway", "status")
    assert "the gateway cannot start" in shown.stdout  # the log's last lines say why
    barrier.unlink()
    hermes.ready()
    assert hermes.log().count("started the gateway") == 2  # nobody started it a third time
    assert hermes.chat("still here")


def test_a_stop_ends_the_tries(make_installation: Callable[..., Installation], tmp_path: Path, barrier: Path) -> None:
    hermes = make_installation(tmp_path / "home")
    without_room(hermes, "full", barrier)
    assert hermes.run("gateway", "stop").returncode == 0
    barrier.unlink()
    assert hermes.run("gateway", "status").returncode == 3
    assert hermes.log().count("started the gateway") == 2


def test_by_hand_it_is_said_at_once(
    make_installation: Callable[..., Installation], tmp_path: Path, barrier: Path
) -> None:
    hermes = make_installation(tmp_path / "home")
    barrier.touch()
    done = hermes.run("gateway", "run", fault=fault(f"full:{barrier}", Gateway._open))
    assert done.returncode == 1
    assert "the gateway cannot start ([Errno 28]" in done.stderr


def of_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("of SQLite")
    error.sqlite_errorcode = code
    return error


def unread(cause: BaseException | None) -> ConfigError:
    error = ConfigError("config.toml")
    error.__cause__ = cause
    return error


def test_only_what_passes_by_itself_is_waited_for() -> None:
    for error in (
        of_sqlite(sqlite3.SQLITE_FULL),
        of_sqlite(sqlite3.SQLITE_IOERR_SHMMAP),
        of_sqlite(sqlite3.SQLITE_CANTOPEN),
        MemoryError(),
        OSError(errno.EIO, "EIO"),
        RuntimeError("can't start new thread"),
        ImportError("_x.so: cannot open shared object file: Too many open files"),
        unread(OSError(errno.EMFILE, "EMFILE")),
    ):
        assert may_pass(error), error
    for error in (
        PermissionError(errno.EACCES, "no"),
        OSError(errno.EROFS, "a person has to look at a disk that has turned read-only"),
        of_sqlite(sqlite3.SQLITE_CORRUPT),
        sqlite3.DatabaseError("malformed"),
        RuntimeError("bug"),
        ImportError("No module named 'httpx'"),
        unread(None),
        unread(PermissionError(errno.EACCES, "no")),
    ):
        assert not may_pass(error), error


def test_the_deadline_of_a_drain_needs_neither_a_thread_nor_a_descriptor() -> None:
    code = (
        "import faulthandler, time, resource\n"
        "from hermes_cli.gateway.exit import Backstop\n"
        "def refused(*_, **__): raise RuntimeError('unable to start watchdog thread')\n"
        "faulthandler.dump_traceback_later = refused\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "first = Backstop(); first.arm(0.05); first.disarm(); time.sleep(0.2)\n"
        "print('goes on', flush=True); Backstop().arm(0.05); time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == ("goes on\n", -signal.SIGALRM), done.stderr


@pytest.mark.parametrize("at", [Store.begin, Store.finish], ids=["begin", "finish"])
def test_an_accepted_message_is_answered_when_there_is_room_again_unasked(
    make_installation: Callable[..., Installation], tmp_path: Path, barrier: Path, at: Callable[..., object]
) -> None:
    hermes = make_installation(tmp_path / "home")
    before = hermes.install(fault=fault(f"full:{barrier}", at))
    barrier.touch()
    with sockets.connect(hermes.paths.socket, 30.0) as client, client.makefile("rb") as answers:
        client.sendall(json.dumps({"op": "send", "session": "s", "id": "m", "text": "hello"}).encode() + b"\n")
        assert json.loads(answers.readline())["event"] == "accepted"
    hermes.until(lambda: "cannot be kept on disk" in hermes.log(), "a turn without room")
    barrier.unlink()

    def is_answered() -> bool:
        with sockets.connect(hermes.paths.socket, 30.0) as client, client.makefile("rb") as answers:
            client.sendall(json.dumps({"op": "history", "session": "s", "limit": 9}).encode() + b"\n")
            return [one["reply_to"] for one in json.loads(answers.readline())["messages"]].count("m") == 1

    hermes.until(is_answered, "the answer")
    assert hermes.ready().identity == before.identity
    barrier.touch()
    assert hermes.run("gateway", "stop").returncode == 0  # no turn waits for room in a drain
