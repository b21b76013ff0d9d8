"""Progress: a note that may be lost or spoilt at any time, at no cost but time."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermes_cli.intents import progress
from hermes_cli.intents.progress import Progress

ID = "20261123T160511.123456Z-4321-9f3a"


def spoil(paths, text):
    with open(f"{paths.queue.progress}/{ID}.json", "w", encoding="utf-8") as file:
        file.write(text)


def test_what_is_written_is_read(paths):
    written = Progress(1.5, 2, 4242, 3.5, 4, 5.5, "drain: 1 turn")
    paths.queue.note(ID, written)
    assert paths.queue.progress_of(ID) == written


def test_no_note_is_a_fresh_start(paths):
    assert paths.queue.progress_of(ID) == Progress()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "NaN", "[" * 9000, '"x"'])
def test_a_spoilt_note_is_a_fresh_start(paths, text):
    spoil(paths, text)
    assert paths.queue.progress_of(ID) == Progress()


def test_unknown_fields_are_ignored_and_missing_ones_are_fresh(paths):
    spoil(paths, json.dumps({"attempts": 3, "colour": "green"}))
    assert paths.queue.progress_of(ID) == Progress(attempts=3)


@pytest.mark.parametrize("value", ["x", None, True, -1, float("nan"), float("inf"), 10**400, [], {}])
@pytest.mark.parametrize("name", ["since", "signals", "signalled_at", "attempts", "attempted_at"])
def test_a_senseless_value_is_a_fresh_one(paths, name, value):
    spoil(paths, json.dumps({name: value}))
    assert paths.queue.progress_of(ID) == Progress()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=100))
def test_no_bytes_keep_it_from_being_read(paths, data):
    with open(f"{paths.queue.progress}/{ID}.json", "wb") as file:
        file.write(data)
    assert isinstance(paths.queue.progress_of(ID), Progress)


def test_a_fifo_in_its_place_blocks_nobody(paths, in_time):
    os.mkfifo(f"{paths.queue.progress}/{ID}.json")
    assert in_time(progress.read, paths, ID) == Progress()


def test_a_time_in_the_future_becomes_now_whichever_it_is():
    for name in ("since", "signalled_at", "attempted_at", "ready_since"):
        assert getattr(Progress(**{name: 5.0}).not_ahead_of(2.0), name) == 2.0
        assert getattr(Progress(**{name: 1.0}).not_ahead_of(2.0), name) == 1.0


@pytest.mark.parametrize(("value", "understood"), [(0.5, 0.5), (1e12 - 1, 1e12 - 1), (1e12, 0.0), (-1, 0.0)])
def test_a_time_is_what_a_clock_could_have_said(paths, value, understood):
    spoil(paths, json.dumps({"ready_since": value}))
    assert paths.queue.progress_of(ID).ready_since == understood
