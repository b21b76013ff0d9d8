"""gateway.json: believed while its process lives, read whatever release or accident wrote it."""

import json
import os
import time

import pytest
from support.values import replace

from hermes_cli.intents import desired
from hermes_cli.intents.instance import DrainState, Instance
from hermes_cli.programs import own
from hermes_cli.system import durable
from hermes_cli.system.process import Identity

ME = Identity.of(os.getpid())


@pytest.fixture
def me():
    return Instance(
        ME,
        "ready",
        "91ab77d",
        started_at=100.0,
        active_turns=2,
        handles_signal=True,
        drain=DrainState(1.0, 2.0, 3),
        version="0.1.0",
        heartbeat=200.0,
    )


def spoil(paths, data):
    with open(paths.instance, "wb") as file:
        file.write(data)


def test_what_is_written_is_read(paths, me):
    own.write(paths, me)
    assert own.read(paths) == own.read_alive(paths) == me


def test_a_new_instance_is_starting_and_alive():
    found = own.new(os.getpid(), "rev", "0.1.0", time.time())
    assert found.identity == ME
    assert found.state == "starting"
    assert not found.ready
    assert not found.handles_signal


def test_a_dead_instance_is_remembered_but_not_alive(paths, me):
    own.write(paths, replace(me, identity=replace(ME, pid=2**22 - 3), exit_code=75))
    assert own.read_alive(paths) is None
    assert own.read(paths).exit_code == 75


def test_an_instance_of_another_boot_is_not_alive(paths, me):
    own.write(paths, replace(me, identity=replace(ME, boot_id="another")))
    assert own.read_alive(paths) is None


def test_no_file_is_no_instance(paths):
    assert own.read(paths) is None


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff", b"\0" * 500, b"[" * 60000, b'{"pid": "x"}', b"{}"]
)
def test_a_corrupt_file_is_no_instance(paths, data):
    spoil(paths, data)
    assert own.read(paths) is None


def test_a_fifo_in_its_place_blocks_nobody(paths, in_time):
    os.mkfifo(paths.instance)
    assert in_time(own.read_alive, paths) is None


def test_unknown_fields_of_a_later_release_are_ignored(paths, me):
    spoil(paths, json.dumps({**own.document(me), "schema": 7, "colour": "green"}).encode())
    assert own.read_alive(paths) == me


def test_a_state_of_a_later_release_is_not_ready(paths, me):
    spoil(paths, json.dumps({**own.document(me), "state": "hibernating"}).encode())
    assert own.read_alive(paths).state == "starting"


@pytest.mark.parametrize(
    "name", ["state", "revision", "version", "started_at", "heartbeat", "active_turns", "signals", "drain", "exit_code"]
)
def test_a_missing_field_degrades(paths, me, name):
    document = own.document(me)
    del document[name]
    spoil(paths, json.dumps(document).encode())
    assert own.read_alive(paths).identity == ME


def test_an_instance_that_names_no_signals_handles_none(paths, me):
    document = own.document(me)
    del document["signals"]
    spoil(paths, json.dumps(document).encode())
    assert not own.read_alive(paths).handles_signal


NUMBERS = [
    float("nan"), float("inf"), float("-inf"), 10**400, -1, True, "x", [], {}, None
]  # fmt: skip  # one line of kinds, not ten lines


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: str(value)[:8])
@pytest.mark.parametrize("name", ["started_at", "heartbeat", "active_turns", "exit_code", "drain", "signals"])
def test_a_senseless_value_degrades(paths, me, name, value):
    spoil(paths, json.dumps({**own.document(me), name: value}).encode())
    found = own.read_alive(paths)
    assert found.identity == ME
    json.dumps(own.document(found), allow_nan=False)


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: str(value)[:8])
@pytest.mark.parametrize("name", ["since", "deadline", "turns"])
def test_a_senseless_drain_degrades(paths, me, name, value):
    spoil(paths, json.dumps({**own.document(me), "drain": {"since": 1, name: value}}).encode())
    assert own.read_alive(paths).identity == ME


@pytest.mark.parametrize("data", [None, b"", b"{", b"[]", b'{"state": "hibernating"}', b'{"state": null}'])
def test_unless_somebody_said_stop_the_gateway_is_to_run(paths, data):
    if data is not None:
        with open(paths.desired, "wb") as file:
            file.write(data)
    assert desired.read(paths.desired) == "running"


def test_stop_is_remembered_with_who_said_it(paths):
    desired.write(paths.desired, "stopped", "hermes gateway stop")
    assert desired.read(paths.desired) == "stopped"
    assert durable.read_json(paths.desired).items() >= {"by": "hermes gateway stop", "pid": os.getpid()}.items()
    desired.write(paths.desired, "running", "hermes gateway start")
    assert desired.read(paths.desired) == "running"
