"""The command line as a real process, against what can be wrong around it: one of each family of tests/unit/cli.

Also what only processes can show: a gateway or a driver that runs, a full disk, what the interpreter does with output.
"""

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from support.commands.bad_input import ODD_GATEWAYS, READ_ONLY, SHAPE, assert_one_line, assert_sound, obstacles

from hermes_cli.intents.request import compose, submit
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import durable
from hermes_cli.system.directory_watch import DirectoryWatch

# What is typed.


def test_what_cannot_be_meant_is_a_usage_error_in_one_line(hermes):
    assert_one_line(hermes("gateway", "intents", "frobnicate"), 2)
    assert_one_line(hermes("-p", "a/b", "gateway", "status"), 2)


def test_a_command_explains_itself(hermes):
    done = hermes("gateway", "restart", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: hermes gateway restart")
    assert done.stderr == ""


# Where it is pointed at.


@pytest.mark.parametrize("kind", ["a file", "below a file", "writable by everyone"])
def test_a_gateway_does_not_run_in_a_home_that_cannot_be_right(hermes, odd_home, kind):
    assert_one_line(hermes("gateway", "run", environment={"HERMES_HOME": odd_home[kind]}), 2)


@pytest.mark.parametrize("kind", ["below a link to nowhere", "a place where nothing can be made"])
def test_a_gateway_does_not_run_in_a_home_that_cannot_be_made(hermes, odd_home, kind):
    assert_one_line(hermes("gateway", "run", environment={"HERMES_HOME": odd_home[kind]}))


def test_looking_at_a_home_that_is_not_there_yet_makes_nothing(hermes, tmp_path):
    done = hermes("gateway", "status", environment={"HERMES_HOME": f"{tmp_path}/not/yet"})
    assert_sound(done)
    assert done.stderr == ""
    assert not os.path.exists(f"{tmp_path}/not")


# The configuration.


def test_with_a_corrupt_config_the_gateway_exits_78_in_one_line(hermes, broken_config):
    assert_one_line(hermes("gateway", "run"), 78)
    assert_one_line(hermes("gateway", "run", "--check"), 78)


# The queue.


def test_a_strange_record_disturbs_no_command(driven, hermes, stopped, new_record):
    made = new_record(reason="\ud800\x1b[2J", extra=json.loads("[" * 900 + "]" * 900))
    durable.write_new(f"{driven.pending}/{made['id']}.json", json.dumps(made).encode())
    for command in (("gateway", "status"), ("gateway", "intents", "show", made["id"])):
        done = hermes(*command)
        assert_sound(done)
        assert "\x1b" not in done.stdout


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_a_name_that_the_terminal_cannot_show_disturbs_nobody(driven, hermes, encoding):
    for name in (b"\xff\xfe.json", "再.json".encode()):
        with open(os.fsencode(driven.pending) + b"/" + name, "wb") as file:
            file.write(b"{}")
    for command in READ_ONLY:
        assert_sound(hermes(*command, environment={"PYTHONIOENCODING": encoding}))


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


@pytest.mark.parametrize("is_aside", [True, False])
def test_what_was_rejected_can_be_dismissed(driven, hermes, is_aside):
    place = Path(driven.queue.rejected if is_aside else driven.pending)
    place.mkdir(0o700, parents=True, exist_ok=True)
    (place / "notes.json").write_text("{}")
    (place / "theirs.json").mkdir(0o700)
    (place / "theirs.json" / "data").write_text("kept")
    done = hermes("gateway", "intents", "cancel", "notes")
    assert (done.returncode, done.stdout[:34]) == (0, "removed notes, which was no intent"), done.stderr
    assert_one_line(hermes("gateway", "intents", "cancel", "theirs"), 1)
    assert (Path(driven.queue.rejected) / "theirs.json" / "data").read_text() == "kept"
    rows = json.loads(hermes("gateway", "intents", "list", "--json").stdout)["intents"]
    assert [row["id"] for row in rows] == ["theirs"]


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
    assert "free some space" in done.stderr
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


def test_what_is_no_request_is_not_called_a_pending_restart(hermes, home):
    found = Paths("default", f"{home}/state", home, f"{home}/logs")
    durable.make_private_directory(found.state)
    durable.replace_volatile(found.desired, {"state": "stopped"})
    os.makedirs(found.pending, 0o700)
    with open(f"{found.pending}/garbage", "w", encoding="utf-8"):
        pass
    said = hermes("gateway", "logs").stderr
    assert "something in the queue is no request, " in said
    assert "a restart is pending" not in said


# A gateway.


@pytest.fixture
def gateway(children, home, at_home):
    """A real gateway in the foreground, ready."""
    durable.make_private_directory(at_home.state)

    def start():
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


def test_a_corrupt_gateway_json_disturbs_nobody(hermes, driven):
    with open(driven.instance, "wb") as file:
        file.write(b"[" * 60000)
    assert_sound(hermes("gateway", "status"))
    assert_sound(hermes("gateway", "restart", "--no-wait"))


@pytest.mark.parametrize("odd", ODD_GATEWAYS)
def test_an_odd_gateway_json_of_a_living_process_keeps_nobody_from_asking(hermes, odd_gateway, odd):
    odd_gateway(odd)
    assert_sound(hermes("gateway", "restart", "--no-wait"))  # where this asks, a driver is started


# Status.


def test_status_tells_by_its_exit_code_what_is_the_matter(hermes, gateway, at_home):
    assert hermes("gateway", "status").returncode == 4
    durable.make_private_directory(at_home.state)
    durable.replace_volatile(f"{at_home.state}/service.json", {})
    assert hermes("gateway", "status").returncode == 3
    gateway()
    assert hermes("gateway", "status").returncode == 0


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
