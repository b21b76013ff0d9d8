"""The pure rules, case by case."""

import datetime as dt
import signal

import pytest
from launchd_emulator import calendar_times, holds, keepalive, render, throttle

EXIT_0, EXIT_75 = 0, 75 << 8
NOWHERE = {"/there"}.__contains__


@pytest.mark.parametrize(
    ("since", "interval", "wait"),
    [(0.0, 10, 10), (0.99, 10, 10), (1.0, 10, 9), (9.5, 10, 1), (10.0, 10, 0), (99.0, 10, 0), (0.0, 0, 0), (1.5, 3, 2)],
)
def test_the_throttle_counts_whole_seconds_from_the_previous_start(since: float, interval: float, wait: float) -> None:
    assert throttle.delay(100.0 + since, 100.0, interval) == wait


def test_the_first_spawn_waits_for_nothing() -> None:
    assert throttle.delay(100.0, None, 10) == 0


def test_a_clock_that_was_moved_by_the_whole_interval_leaves_nothing_to_wait_for() -> None:
    for start in (number / 7 for number in range(1, 70)):
        assert throttle.delay(start + 0.1 * 3, start, 0.3) in {0, 0.3}
        assert throttle.delay(start + 10, start, 10) == 0


def test_two_starts_are_never_nearer_than_the_interval_and_less_than_a_second_more() -> None:
    for since in (number / 7 for number in range(70)):
        apart = since + throttle.delay(since, 0.0, 10)
        assert 10 <= apart < 11, since


@pytest.mark.parametrize(
    ("keep_alive", "status", "respawns"),
    [
        (True, EXIT_0, True),
        (True, signal.SIGKILL, True),
        (False, EXIT_75, False),
        ({"SuccessfulExit": False}, EXIT_0, False),
        ({"SuccessfulExit": False}, EXIT_75, True),
        ({"SuccessfulExit": False}, signal.SIGTERM, True),
        ({"SuccessfulExit": True}, EXIT_0, True),
        ({"SuccessfulExit": True}, EXIT_75, False),
        ({"SuccessfulExit": True}, signal.SIGKILL, False),
        ({"Crashed": True}, signal.SIGSEGV, True),
        ({"Crashed": True}, signal.SIGABRT, True),
        ({"Crashed": True}, signal.SIGABRT | 0x80, True),  # with a core
        ({"Crashed": True}, signal.SIGKILL, False),
        ({"Crashed": True}, signal.SIGTERM, False),
        ({"Crashed": True}, 1 << 8, False),
        ({"PathState": {"/there": True}}, EXIT_0, True),
        ({"PathState": {"/there": False}}, EXIT_0, False),
        ({"PathState": {"/elsewhere": False}}, EXIT_0, True),
        ({"Crashed": True, "SuccessfulExit": False}, EXIT_75, True),
        ({}, EXIT_75, False),
    ],
)
def test_keepalive_after_an_exit(keep_alive: keepalive.KeepAlive, status: int, respawns: bool) -> None:
    assert keepalive.wants_respawn(keep_alive, status, NOWHERE) is respawns


@pytest.mark.parametrize(
    ("keep_alive", "run_at_load", "starts"),
    [
        (False, False, False),
        (False, True, True),
        (True, False, True),
        ({"SuccessfulExit": False}, False, True),
        ({"Crashed": True}, False, False),
        ({"PathState": {"/there": True}}, False, True),
        ({"PathState": {"/elsewhere": True}}, False, False),
    ],
)
def test_what_starts_at_load(keep_alive: keepalive.KeepAlive, run_at_load: bool, starts: bool) -> None:
    assert keepalive.wants_start_at_load(keep_alive, run_at_load, NOWHERE) is starts


@pytest.mark.parametrize(
    ("cause", "keep_alive", "everything", "only_keepalive_and_load"),
    [
        ("run-at-load", True, "speculative", "speculative"),
        ("keepalive", True, "inefficient", "inefficient"),
        ("keepalive", {"SuccessfulExit": False}, "semaphore", "semaphore"),
        ("interval", False, "speculative", None),
        ("watch", False, "speculative", None),
        ("queue", False, "semaphore", None),
    ],
)
def test_what_on_demand_only_holds(
    cause: str, keep_alive: keepalive.KeepAlive, everything: str, only_keepalive_and_load: str | None
) -> None:
    assert holds.reason(cause, keep_alive, "all") == everything
    assert holds.reason(cause, keep_alive, "keepalive+load") == only_keepalive_and_load


@pytest.mark.parametrize(
    ("entry", "due"),
    [
        ({}, "2026-02-27 23:59"),
        ({"Minute": 0}, "2026-02-28 00:00"),
        ({"Hour": 4, "Minute": 30}, "2026-02-28 04:30"),
        ({"Day": 1}, "2026-03-01 00:00"),
        ({"Weekday": 0, "Hour": 1}, "2026-03-01 01:00"),
        ({"Weekday": 7, "Hour": 1}, "2026-03-01 01:00"),
        ({"Month": 2, "Day": 29, "Hour": 0, "Minute": 0}, "2028-02-29 00:00"),
        ({"Month": 2, "Day": 30}, None),
    ],
)
def test_the_next_minute_that_a_calendar_entry_names(entry: dict[str, int], due: str | None) -> None:
    friday_night = dt.datetime(2026, 2, 27, 23, 58, 30, tzinfo=dt.UTC)
    found = calendar_times.next_time([entry], friday_night)
    assert (found and found.strftime("%Y-%m-%d %H:%M")) == due


def test_of_several_calendar_entries_the_first_counts() -> None:
    now = dt.datetime(2026, 2, 27, 12, 0, tzinfo=dt.UTC)
    found = calendar_times.next_time([{"Hour": 18, "Minute": 0}, {"Hour": 13, "Minute": 0}], now)
    assert found is not None
    assert found.hour == 13


def test_noise_keeps_blocks_together() -> None:
    text = "x = {\n\ta = 1\n\tblock = {\n\t\tinner = {\n\t\t\tb = 2\n\t\t}\n\t}\n\n\tc = 3\n}\n"
    assert render.with_noise(text, "none") == text
    assert render.with_noise(text, "reordered") == (
        "x = {\n\tc = 3\n\tblock = {\n\t\tinner = {\n\t\t\tb = 2\n\t\t}\n\t}\n\ta = 1\n}\n"
    )
