"""The embedded supervisor's policy after an exit, as a table."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_cli.services.embedded.after_exit import (
    CRASH_LIMIT,
    CRASH_WINDOW,
    LONGEST_PAUSE,
    Rest,
    StartAgain,
    after_exit,
    counts_as_crash,
)

CODES = st.sampled_from([0, 1, 2, 75, 78, -9, -15, -11, 127, 255])


@given(CODES, st.floats(0, 1e6), st.integers(0, 20))
def test_after_a_stop_it_always_rests(code, uptime, crashes):
    found = after_exit(code, uptime, crashes, "stopped")
    assert isinstance(found, Rest)
    assert found.gives_up is None  # whoever keeps it alive is not to start it again


@given(st.floats(0, 1e6), st.integers(0, 20))
def test_a_restart_comes_back_at_once_however_often_it_crashed(uptime, crashes):
    found = after_exit(75, uptime, crashes, "running")
    assert isinstance(found, StartAgain)
    assert found.pause == 0


@given(st.floats(0, 1e6), st.integers(0, 20))
def test_a_configuration_error_rests_and_says_so(uptime, crashes):
    found = after_exit(78, uptime, crashes, "running")
    assert isinstance(found, Rest)
    assert "configuration" in found.why
    assert found.gives_up == 78


@pytest.mark.parametrize("code", [0, 1, -9, -11])
def test_the_first_crash_costs_no_pause(code):
    assert after_exit(code, 0.1, 0, "running").pause == 0


@pytest.mark.parametrize(("crashes", "pause"), [(1, 1), (2, 2), (3, 4)])
def test_each_further_crash_doubles_the_pause(crashes, pause):
    assert after_exit(1, 0.1, crashes, "running").pause == pause


def test_a_crash_loop_rests_and_names_the_exit():
    found = after_exit(-signal.SIGSEGV, 0.1, CRASH_LIMIT - 1, "running")
    assert isinstance(found, Rest)
    assert "crash loop" in found.why
    assert found.gives_up == 1
    assert "SIGSEGV" in found.why


@given(CODES.filter(lambda code: code != 78), st.floats(CRASH_WINDOW, 1e6), st.integers(0, 50))
def test_a_gateway_that_ran_long_enough_was_sound(code, uptime, crashes):
    assert isinstance(after_exit(code, uptime, crashes, "running"), StartAgain)
    assert not counts_as_crash(code, uptime)


@given(CODES, st.floats(0, 1e6), st.integers(0, 10**6))
def test_no_pause_is_longer_than_the_longest(code, uptime, crashes):
    found = after_exit(code, uptime, crashes, "running")
    assert found.why
    if isinstance(found, StartAgain):
        assert 0 <= found.pause <= LONGEST_PAUSE


@pytest.mark.parametrize("code", [0, 75, 78])
def test_an_exit_on_purpose_is_no_crash(code):
    assert not counts_as_crash(code, 0.1)


def test_a_gateway_that_crashes_at_once_every_time_is_started_a_bounded_number_of_times():
    crashes = starts = 0
    while isinstance(after_exit(1, 0.1, crashes, "running"), StartAgain):
        starts += 1
        crashes += counts_as_crash(1, 0.1)
        assert starts < 50
    assert starts == CRASH_LIMIT - 1
