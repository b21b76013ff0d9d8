"""What the tests of the command line against bad input share: commands, what one may say, and what lies in the way.

The conftest of tests/unit/cli and that of tests/processes/cli import the fixtures by name.
"""

import json
import os

import pytest

from hermes_cli.intents.record import LIMIT
from hermes_cli.intents.request import compose, make_directories
from hermes_cli.system import durable, locks
from hermes_cli.system.process import Identity

ID = "20261123T160511.123456Z-4321-9f3a"
READ_ONLY = [
    ("gateway", "status"),
    ("gateway", "status", "--json"),
    ("gateway", "intents", "list"),
    ("gateway", "intents", "list", "--json"),
]
HARMLESS = [*READ_ONLY, ("--version",), ("--help",)]
# What gateway.json may say, wrongly, of a process that lives; None takes something away.
ODD_GATEWAYS = {
    "create_time is text": {"create_time": "yesterday", "start_ticks": None},
    "numbers": {"started_at": float("inf"), "heartbeat": float("nan"), "active_turns": float("inf")},
    "signals is a number": {"signals": 7},
    "drain": {"drain": {"turns": float("nan")}},
}
NUMBER = (int, float)
TEXT = str
SHAPE = {
    "schema": int,
    "profile": TEXT,
    "manager": TEXT,
    "desired": TEXT,
    "service": {"label": TEXT, "domain": (str, type(None)), "state": TEXT, "pid": (int, type(None)), "detail": TEXT},
    "instance": {
        "pid": int,
        "create_time": NUMBER,
        "state": TEXT,
        "ready": bool,
        "revision": (str, type(None)),
        "uptime": NUMBER,
        "active_turns": int,
    },
    "restarter": {"state": TEXT, "detail": TEXT},
    "pending": [
        {
            "id": TEXT,
            "action": TEXT,
            "reason": TEXT,
            "age": NUMBER,
            "requester": TEXT,
            "waiting_for": TEXT,
            "attempts": int,
        }
    ],
    "last": {"id": TEXT, "outcome": TEXT, "at": TEXT, "took": NUMBER, "trigger": TEXT},
    "problems": [{"code": TEXT, "text": TEXT, "mend": TEXT}],
}


def assert_one_line(done, code=None):
    assert "Traceback" not in done.stderr + done.stdout
    if code is not None:
        assert done.returncode == code, done.stderr
    else:
        assert done.returncode != 0
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("hermes: ")


def assert_sound(done):
    """Exit 0, or one that means something, and no traceback."""
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert done.returncode in {0, 3, 4}, done.stderr


def obstacles(paths, record):
    """Everything that should not be in pending/, one of each; names and bytes as anybody could leave them."""
    pending = paths.pending
    os.mkfifo(f"{pending}/fifo.json")
    os.symlink("/etc/passwd", f"{pending}/link.json")
    os.makedirs(f"{pending}/directory.json/inside")
    whole = {
        "corrupt": b'{"schema": 1, "id":',
        "foreign": b'{"hello": "world"}',
        "empty": b"",
        "huge": b" " * (LIMIT + 1),
        "deep": b"[" * 60000,
        "no utf-8": b"\xff\xfe\x00",
    }
    for name, data in whole.items():
        durable.write_new(f"{pending}/{name}.json", data)
    future = record(schema=2)
    durable.write_new(f"{pending}/{future['id']}.json", json.dumps(future).encode())
    durable.write_new(f"{pending}/a\nb\x1b[31m.json", b"{}")
    return sorted(os.listdir(pending))


@pytest.fixture
def queued(at_home):
    """The queue's directories, there before the first request."""
    make_directories(at_home.intents)
    return at_home


@pytest.fixture
def stopped(hermes):
    """The user said stop, so that a driver settles everything at once and starts nothing."""
    assert hermes("gateway", "stop").returncode == 0


@pytest.fixture
def new_record(at_home):
    return lambda **changes: {
        **compose(at_home.profile, reason="manual", command="hermes gateway restart", target=None, in_tree=False),
        **changes,
    }


@pytest.fixture
def driven(queued):
    """The driver's lock is taken, so that no command starts a driver of its own behind the test's back."""
    lock = locks.take(queued.queue.driver_lock)
    yield queued
    lock.release()


@pytest.fixture
def odd_gateway(driven, children):
    """Describe a child of this test as one of ODD_GATEWAYS."""

    def describe(odd):
        child = children("-c", "import sys; print('up', flush=True); sys.stdin.read()")
        assert child.stdout.readline() == "up\n"
        said = {**Identity.of(child.pid).document(), "state": "ready", **ODD_GATEWAYS[odd]}
        with open(driven.instance, "w", encoding="ascii") as file:
            json.dump({name: value for name, value in said.items() if value is not None}, file)

    return describe


@pytest.fixture
def odd_home(tmp_path):
    """Homes that cannot be right."""
    (tmp_path / "file").write_text("")
    os.mkdir(f"{tmp_path}/open")
    os.chmod(f"{tmp_path}/open", 0o777)
    os.symlink(f"{tmp_path}/unmounted", f"{tmp_path}/volume")
    return {
        "a file": f"{tmp_path}/file",
        "below a file": f"{tmp_path}/file/home",
        "writable by everyone": f"{tmp_path}/open",
        "below a link to nowhere": f"{tmp_path}/volume/home",
        "a place where nothing can be made": "/proc/hermes",
    }


@pytest.fixture
def broken_config(home):
    with open(f"{home}/config.toml", "w", encoding="ascii") as file:
        file.write("[gateway")
