"""The command line against everything that can be wrong around it: one line that says so, never a traceback."""

import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from hermes_cli.intents.record import LIMIT
from hermes_cli.intents.request import compose, make_directories, submit
from hermes_cli.system import durable
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Identity

pytestmark = pytest.mark.e2e
ID = "20261123T160511.123456Z-4321-9f3a"
READ_ONLY = [
    ("gateway", "status"),
    ("gateway", "status", "--json"),
    ("gateway", "intents", "list"),
    ("gateway", "intents", "list", "--json"),
]
HARMLESS = [*READ_ONLY, ("--version",), ("--help",)]


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
    from hermes_cli.system import locks

    lock = locks.take(queued.queue.driver_lock)
    yield queued
    lock.release()


# What is typed.


@pytest.mark.parametrize(
    "arguments",
    [
        ("--colour",),
        ("gateway", "--colour"),
        ("gateway", "status", "--colour"),
        ("frobnicate",),
        ("gateway", "frobnicate"),
        ("gateway", "intents", "frobnicate"),
        ("gateway", "intents", "show"),
        ("gateway", "intents", "show", "x", "y"),
        ("gateway", "intents", "show", "../../gateway"),
        ("gateway", "intents", "cancel", ID),
        ("gateway", "intents", "retry", "x"),
        ("gateway", "intents", "drive", "--trigger", "boredom"),
        ("gateway", "restart", "--timeout", "soon"),
        ("gateway", "restart", "--timeout", "-1"),
        ("gateway", "install", "--manager", "runit"),
        ("gateway", "logs", "-n", "-1"),
        ("-p",),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error_in_one_line(hermes, arguments):
    assert_one_line(hermes(*arguments), 2)


@pytest.mark.parametrize("profile", ["a/b", "..", "", "/", "a b", "a\nb", "x" * 65, "-x"])
def test_a_profile_that_is_no_name_is_a_usage_error_in_one_line(hermes, profile):
    done = hermes("-p", profile, "gateway", "status")
    assert_one_line(done, 2)


def test_an_unknown_service_manager_in_the_environment_is_a_usage_error(hermes):
    assert_one_line(hermes("gateway", "status", environment={"HERMES_SERVICE_MANAGER": "runit"}), 2)


HELP = [
    (),
    ("gateway",),
    *(
        ("gateway", name)
        for name in ["run", "install", "uninstall", "start", "stop", "restart", "status", "intents", "logs"]
    ),
    *(("gateway", "intents", name) for name in ["list", "show", "cancel", "retry", "drive"]),
    ("update",),
    ("chat",),
]


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_every_command_explains_itself(hermes, command):
    done = hermes(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: hermes{' ' if command else ''}{' '.join(command)}")
    assert done.stderr == ""


# Where it is pointed at.


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


@pytest.mark.parametrize("kind", ["a file", "below a file", "writable by everyone"])
@pytest.mark.parametrize("command", ["status", "restart", "stop", "run"])
def test_a_home_that_cannot_be_right_is_a_usage_error_in_one_line(hermes, odd_home, kind, command):
    assert_one_line(hermes("gateway", command, environment={"HERMES_HOME": odd_home[kind]}), 2)


@pytest.mark.parametrize("kind", ["below a link to nowhere", "a place where nothing can be made"])
@pytest.mark.parametrize("command", ["stop", "install", "run"])
def test_a_home_that_cannot_be_made_is_reported_in_one_line(hermes, odd_home, kind, command):
    assert_one_line(hermes("gateway", command, environment={"HERMES_HOME": odd_home[kind]}))


@pytest.mark.parametrize("command", READ_ONLY, ids=" ".join)
def test_looking_at_a_home_that_is_not_there_yet_makes_nothing(hermes, tmp_path, command):
    done = hermes(*command, environment={"HERMES_HOME": f"{tmp_path}/not/yet"})
    assert_sound(done)
    assert done.stderr == ""
    assert not os.path.exists(f"{tmp_path}/not")


def test_restarting_what_was_never_installed_says_how_to_install(hermes):
    done = hermes("gateway", "restart")
    assert_one_line(done, 4)
    assert "hermes gateway install" in done.stderr


# The configuration.


@pytest.fixture
def broken_config(home):
    with open(f"{home}/config.toml", "w", encoding="ascii") as file:
        file.write("[gateway")


def test_with_a_corrupt_config_the_gateway_exits_78_in_one_line(hermes, broken_config):
    assert_one_line(hermes("gateway", "run"), 78)
    assert_one_line(hermes("gateway", "run", "--check"), 78)


def test_with_a_corrupt_config_status_works_and_shows_the_problem(hermes, broken_config):
    found = json.loads(hermes("gateway", "status", "--json").stdout)
    assert "config" in [problem["code"] for problem in found["problems"]]
    assert "config.toml" in hermes("gateway", "status").stdout


def test_with_a_corrupt_config_the_gateway_can_be_stopped(hermes, broken_config):
    assert hermes("gateway", "stop").returncode == 0


# The queue.


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


def test_whatever_lies_in_pending_every_command_works_and_the_driver_sets_it_aside(driven, hermes, stopped, new_record):
    names = obstacles(driven, new_record)
    for command in HARMLESS:
        done = hermes(*command)
        assert_sound(done)
        assert "\x1b" not in done.stdout + done.stderr
    listed = json.loads(hermes("gateway", "intents", "list", "--json").stdout)["intents"]
    assert {row["state"] for row in listed} == {"rejected"}
    assert sorted(os.listdir(driven.pending)) == names


def test_the_driver_sets_aside_what_is_no_intent_and_the_list_says_why(queued, hermes, stopped, new_record):
    names = obstacles(queued, new_record)
    done = hermes("gateway", "intents", "drive")
    assert done.returncode == 0, done.stderr
    assert os.listdir(queued.pending) == []
    listed = json.loads(hermes("gateway", "intents", "list", "--json").stdout)["intents"]
    assert sorted(row["id"] + ".json" for row in listed) == names
    for row in listed:
        assert row["state"] == row["outcome"] == "rejected"
        assert row["detail"]
    text = hermes("gateway", "intents", "list").stdout
    assert "newer" in text
    assert "not a regular file" in text


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({"reason": "\ud800"}, id="lone surrogate"),
        pytest.param({"reason": {"a": 1}}, id="reason is an object"),
        pytest.param({"reason": ["a"]}, id="reason is a list"),
        pytest.param({"reason": "\x1b[2J\n"}, id="control characters"),
        pytest.param({"action": []}, id="action is a list"),
        pytest.param({"drain_timeout": 10**400}, id="long number"),
        pytest.param({"target": {"pid": 10**300}}, id="long pid"),
        pytest.param({"target": {"pid": 1, "create_time": 10**400}}, id="long start"),
        pytest.param({"extra": json.loads("[" * 900 + "]" * 900)}, id="deep"),
        pytest.param({"requested_at": "9999-12-31T23:59:59-14:00"}, id="from the end of time"),
        pytest.param({"requested_at": "0001-01-01T00:00:00+14:00"}, id="from its beginning"),
    ],
)
def test_no_record_however_strange_disturbs_a_command_and_a_driver_ends_it(
    driven, hermes, stopped, new_record, strange
):
    made = new_record(**strange)
    durable.write_new(f"{driven.pending}/{made['id']}.json", json.dumps(made).encode())
    for command in (*READ_ONLY, ("gateway", "intents", "show", made["id"])):
        done = hermes(*command)
        assert_sound(done)
        assert "\x1b" not in done.stdout
    # What `intents drive` does, in this process, which holds the driver's lock.
    code = hermes("gateway", "intents", "cancel", made["id"])
    assert "Traceback" not in code.stderr


@pytest.mark.parametrize("name", [b"\xff\xfe.json", "再.json".encode()], ids=["no utf-8", "utf-8"])
@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_a_name_that_the_terminal_cannot_show_disturbs_nobody(driven, hermes, name, encoding):
    with open(os.fsencode(driven.pending) + b"/" + name, "wb") as file:
        file.write(b"{}")
    for command in READ_ONLY:
        assert_sound(hermes(*command, environment={"PYTHONIOENCODING": encoding}))


def test_a_queue_that_is_a_file_is_reported_in_one_line(hermes, at_home):
    durable.make_private_directory(at_home.state)
    with open(at_home.intents, "w", encoding="ascii"):
        pass
    assert_one_line(hermes("gateway", "restart", "--no-wait", environment={}), 4)
    durable.replace_volatile(f"{at_home.state}/service.json", {})
    assert_one_line(hermes("gateway", "restart", "--no-wait"), 1)


def test_a_full_disk_refuses_a_request_in_one_line_and_leaves_nothing(hermes, tiny_disk, fill_disk):
    where = {"HERMES_HOME": tiny_disk}
    hermes("gateway", "stop", environment=where)
    durable.replace_volatile(f"{tiny_disk}/state/service.json", {})
    durable.replace_volatile(f"{tiny_disk}/state/desired.json", {"state": "running"})
    os.makedirs(f"{tiny_disk}/state/restart-intents/pending", 0o700, exist_ok=True)
    os.makedirs(f"{tiny_disk}/state/restart-intents/staging", 0o700, exist_ok=True)
    fill_disk(tiny_disk)
    done = hermes("gateway", "restart", "--no-wait", environment=where)
    assert_one_line(done, 1)
    assert "no space left" in done.stderr
    assert os.listdir(f"{tiny_disk}/state/restart-intents/pending") == []


@pytest.mark.parametrize(
    "command", [("gateway", "stop"), ("gateway", "install"), ("gateway", "intents", "drive")], ids=" ".join
)
def test_a_full_disk_is_reported_in_one_line_by_every_command_that_writes(hermes, tiny_disk, fill_disk, command):
    where = {"HERMES_HOME": tiny_disk}
    intents = f"{tiny_disk}/state/restart-intents"
    for name in ("pending", "staging", "settled", "rejected", "progress", "holds"):
        os.makedirs(f"{intents}/{name}", 0o700)
    durable.replace_volatile(f"{tiny_disk}/state/desired.json", {"state": "stopped"})
    if command[1] == "intents":
        from hermes_cli.paths import Paths

        full = Paths("default", f"{tiny_disk}/state", tiny_disk, tiny_disk)
        submit(full.intents, compose(full.profile, reason="manual", command="x", target=None, in_tree=False))
    fill_disk(tiny_disk)
    done = hermes(*command, environment=where)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or done.stderr.splitlines()[-1].startswith("hermes: ")


@pytest.mark.parametrize(
    "short", [("-p", "work"), ("-pwork",), ("--profile", "work"), ("--profile=work",)], ids=" ".join
)
def test_every_command_looks_at_the_pending_intents_of_the_profile_it_was_given(hermes, home, short):
    from hermes_cli.paths import Paths

    work = Paths("work", f"{home}/state", home, f"{home}/logs")
    durable.make_private_directory(work.state)
    durable.replace_volatile(work.desired, {"state": "stopped"})  # the driver that the look starts has nothing to start
    identifier = submit(work.intents, compose(work.profile, reason="manual", command="x", target=None, in_tree=False))
    done = hermes(*short, "gateway", "logs")
    assert "a restart is pending" in done.stderr
    deadline = time.monotonic() + 15
    with DirectoryWatch(work.queue.settled, work.pending) as watch:
        while os.listdir(work.pending) and time.monotonic() < deadline:
            watch.wait(1.0)
    assert os.path.exists(f"{work.queue.settled}/{identifier}.json")


# gateway.json and the socket.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 60000,
        b"\xff",
        b'{"pid": "x"}',
        b'{"pid": 1' + b"0" * 300 + b"}",
        b"PID create_time-is-text",
        b"PID numbers",
        b"PID signals-is-a-number",
        b"PID drain",
    ],
    ids=lambda data: data[:24].decode("ascii", "replace"),
)
@pytest.mark.parametrize("command", [*READ_ONLY, ("gateway", "restart", "--no-wait")], ids=" ".join)
def test_a_corrupt_gateway_json_disturbs_no_command(hermes, driven, children, data, command):
    variants = {
        b"PID create_time-is-text": {"create_time": "yesterday"},
        b"PID numbers": {"started_at": float("inf"), "heartbeat": float("nan"), "active_turns": float("inf")},
        b"PID signals-is-a-number": {"signals": 7},
        b"PID drain": {"drain": {"turns": float("nan")}},
    }
    if data in variants:
        child = children("-c", "import sys; print('up', flush=True); sys.stdin.read()")
        assert child.stdout.readline() == "up\n"
        who = Identity.of(child.pid).document()
        if data == b"PID create_time-is-text":
            del who["start_ticks"]
        data = json.dumps({**who, "state": "ready", **variants[data]}).encode()
    with open(driven.instance, "wb") as file:
        file.write(data)
    done = hermes(*command)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in {0, 3, 4}


@pytest.fixture
def gateway(children, home, at_home):
    """A real gateway in the foreground, ready."""
    durable.make_private_directory(at_home.state)

    def start():
        from hermes_cli.programs import own

        child = children(
            "-m",
            "hermes_cli",
            "gateway",
            "run",
            environment={"HERMES_HOME": home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        with DirectoryWatch(at_home.state) as watch:
            while not ((found := own.read_alive(at_home)) and found.ready and found.identity.pid == child.pid):
                assert time.monotonic() < deadline
                watch.wait(1.0)
        return child

    return start


def test_a_second_gateway_is_refused_in_one_line(hermes, gateway):
    first = gateway()
    assert_one_line(hermes("gateway", "run"), 1)
    assert first.poll() is None


def test_what_a_dead_gateway_left_behind_is_no_obstacle(hermes, gateway, at_home):
    first = gateway()
    first.kill()
    first.wait(10)
    assert stat.S_ISSOCK(os.lstat(at_home.socket).st_mode)
    assert hermes("gateway", "status").returncode in {3, 4}
    assert_one_line(hermes("chat", "hello"))
    second = gateway()
    assert hermes("gateway", "status").returncode == 0
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0


def test_a_socket_of_nobody_is_no_gateway(hermes, at_home):
    durable.make_private_directory(at_home.state)
    here = os.getcwd()
    os.chdir(at_home.state)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("gateway.sock")
    finally:
        os.chdir(here)
    assert_one_line(hermes("chat", "hello"))
    assert hermes("gateway", "status").returncode == 4


# Status.


def test_status_tells_by_its_exit_code_what_is_the_matter(hermes, gateway, at_home):
    assert hermes("gateway", "status").returncode == 4
    durable.make_private_directory(at_home.state)
    durable.replace_volatile(f"{at_home.state}/service.json", {})
    assert hermes("gateway", "status").returncode == 3
    gateway()
    assert hermes("gateway", "status").returncode == 0


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


def assert_shape(found, shape, where="status"):
    if isinstance(shape, dict):
        assert isinstance(found, dict), where
        for name, inner in shape.items():
            assert name in found, f"{where}.{name}"
            assert_shape(found[name], inner, f"{where}.{name}")
    elif isinstance(shape, list):
        assert isinstance(found, list), where
        assert found, where
        for one in found:
            assert_shape(one, shape[0], f"{where}[]")
    else:
        assert isinstance(found, shape), f"{where} is {found!r}"
        assert shape is bool or not isinstance(found, bool), where


def test_status_json_has_every_documented_field_of_the_right_type(hermes, gateway, driven, new_record):

    gateway()
    submit(driven.intents, new_record())
    driven.queue.settle(driven.queue.scan().intents[0], "failed", "a test", trigger="cli")
    submit(driven.intents, new_record())
    found = json.loads(hermes("gateway", "status", "--json").stdout)
    assert_shape(found, SHAPE)
    assert found["schema"] == 1
    assert found["manager"] == "embedded"
    assert found["instance"]["state"] in {"starting", "ready", "draining", "exited"}


def test_status_json_without_anything_has_the_same_fields(hermes):
    found = json.loads(hermes("gateway", "status", "--json").stdout)
    assert set(found) >= set(SHAPE)
    assert found["instance"] is found["last"] is None
    assert found["pending"] == []
    assert found["service"]["state"] == "stopped"


def test_intents_list_json_has_every_documented_field_newest_first(hermes, driven, new_record):

    submit(driven.intents, new_record())
    driven.queue.settle(driven.queue.scan().intents[0], "restarted", "a test", trigger="cli")
    submit(driven.intents, new_record())
    durable.write_new(f"{driven.pending}/x.json", b"{}")
    rows = json.loads(hermes("gateway", "intents", "list", "--json").stdout)
    assert rows["schema"] == 1
    for row in rows["intents"]:
        assert set(row) >= {"id", "state", "outcome", "settled_at", "attempts"}
    assert {row["state"]: row["outcome"] for row in rows["intents"]} == {
        "pending": None,
        "settled": "restarted",
        "rejected": "rejected",
    }
    dated = [row["id"] for row in rows["intents"] if row["state"] != "rejected"]
    assert dated == sorted(dated, reverse=True)
