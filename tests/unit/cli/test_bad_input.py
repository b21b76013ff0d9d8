"""The command line against everything that can be wrong around it: one line that says so, never a traceback.

In this process, since it is about what is said; tests/processes/cli has one real process of each family.
"""

import json
import os
import socket

import pytest
from support.commands.bad_input import (
    HARMLESS,
    ID,
    ODD_GATEWAYS,
    READ_ONLY,
    SHAPE,
    assert_one_line,
    assert_sound,
    obstacles,
)

from hermes_cli.intents.request import submit
from hermes_cli.system import durable

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


def test_the_choices_of_an_argument_are_named_in_that_line(hermes):
    assert "Choose from: live, ready: see " in hermes("gateway", "probe").stderr


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


@pytest.mark.parametrize("kind", ["a file", "below a file", "writable by everyone"])
@pytest.mark.parametrize("command", ["status", "restart", "stop"])
def test_a_home_that_cannot_be_right_is_a_usage_error_in_one_line(hermes, odd_home, kind, command):
    assert_one_line(hermes("gateway", command, environment={"HERMES_HOME": odd_home[kind]}), 2)


@pytest.mark.parametrize("kind", ["below a link to nowhere", "a place where nothing can be made"])
@pytest.mark.parametrize("command", ["stop", "install"])
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


def test_with_a_corrupt_config_status_works_and_shows_the_problem(hermes, broken_config):
    found = json.loads(hermes("gateway", "status", "--json").stdout)
    assert "config" in [problem["code"] for problem in found["problems"]]
    assert "config.toml" in hermes("gateway", "status").stdout


def test_with_a_corrupt_config_the_gateway_can_be_stopped(hermes, broken_config):
    assert hermes("gateway", "stop").returncode == 0


# The queue.


def test_whatever_lies_in_pending_every_command_works(driven, hermes, stopped, new_record):
    names = obstacles(driven, new_record)
    for command in HARMLESS:
        done = hermes(*command)
        assert_sound(done)
        assert "\x1b" not in done.stdout + done.stderr
    listed = json.loads(hermes("gateway", "intents", "list", "--json").stdout)["intents"]
    assert {row["state"] for row in listed} == {"rejected"}
    assert sorted(os.listdir(driven.pending)) == names


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
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_the_terminal_cannot_show_disturbs_nobody(driven, hermes, name, encoding):
    with open(os.fsencode(driven.pending) + b"/" + name, "wb") as file:
        file.write(b"{}")
    for command in READ_ONLY:
        assert_sound(hermes(*command, encoding=encoding))


def test_a_queue_that_is_a_file_is_reported_in_one_line(hermes, at_home):
    durable.make_private_directory(at_home.state)
    with open(at_home.intents, "w", encoding="ascii"):
        pass
    assert_one_line(hermes("gateway", "restart", "--no-wait", environment={}), 4)
    durable.replace_volatile(f"{at_home.state}/service.json", {})
    assert_one_line(hermes("gateway", "restart", "--no-wait"), 1)


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
    ],
    ids=lambda data: data[:24].decode("ascii", "replace"),
)
@pytest.mark.parametrize("command", [*READ_ONLY, ("gateway", "restart", "--no-wait")], ids=" ".join)
def test_a_corrupt_gateway_json_disturbs_no_command(hermes, driven, data, command):
    with open(driven.instance, "wb") as file:
        file.write(data)
    assert_sound(hermes(*command))


@pytest.mark.parametrize("odd", ODD_GATEWAYS)
@pytest.mark.parametrize("command", READ_ONLY, ids=" ".join)
def test_an_odd_gateway_json_of_a_living_process_disturbs_no_look(hermes, odd_gateway, odd, command):
    odd_gateway(odd)
    assert_sound(hermes(*command))


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
