"""The table of `hermes gateway list`: what a row says, and that it fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.values import replace

from hermes_cli.cli.list_now import lines
from hermes_cli.errors import Problem
from hermes_cli.status.overview import Row, exit_code_of

NOW = 1_000_000.0
READY = Row("default", "own", "ready", "systemd", 0, since=NOW - 7500, restarts=3, revision="9eb2b7f3b6fb")
DRAINING = Row(
    "work",
    "taken-over",
    "draining",
    "embedded",
    0,
    since=NOW - 61,
    restarts=1,
    revision="9eb2b7f3b6fb",
    is_skewed=True,
    pending=1,
    waiting_for="drain: 1 turn, 62 s of 180 s",
)
UNINSTALLED = Row("old", "own", "not installed", "embedded", 4)
DOWN = Row(
    "ops", "own", "down", "launchd", 3, worst=Problem("down", "the gateway is down: " + "x" * 90, "m"), problems=2
)


def test_a_line_for_each_profile_and_below_it_what_is_pending_and_what_is_wrong():
    assert lines([READY, DRAINING, DOWN], NOW, 80) == [
        "PROFILE  STATE     SINCE  RESTARTS  REVISION       MANAGER",
        "default  ready     2 h    3         9eb2b7f3b6fb   systemd",
        "work     draining  61 s   1         9eb2b7f3b6fb*  embedded, taken-over",
        "  a restart pending, waiting for drain: 1 turn, 62 s of 180 s",
        "ops      down      -      -         -              launchd",
        f"  down (and 1 more): the gateway is down: {'x' * 37}…",
    ]


def test_on_a_pipe_nothing_is_cut_off():
    assert lines([DOWN], NOW, None)[-1].endswith("x" * 90)


def test_the_colour_of_a_state_changes_no_letter():
    plain, coloured = (lines([READY, DRAINING, DOWN], NOW, 80, colour=colour) for colour in (False, True))
    assert "\x1b[32mready\x1b[0m" in coloured[1]
    assert [line.replace("\x1b[0m", "") for line in plain] == [
        "".join(part.partition("m")[2] if index else part for index, part in enumerate(line.split("\x1b[")))
        for line in coloured
    ]


@given(
    st.lists(
        st.builds(
            replace,
            st.sampled_from([READY, DRAINING, DOWN]),
            profile=st.integers(1, 64).map("p".__mul__),
            revision=st.sampled_from([None, "9eb2b7f3b6fb", "\x1b[2J\n" * 9]),
            waiting_for=st.sampled_from(["", "drain", "a\r\nb", "\u202e", "w" * 120]),
            since=st.none() | st.floats(-1e9, 2e9),
        ),
        max_size=4,
    )
)
def test_whatever_the_rows_hold_each_fits_80_columns_and_is_one_line(rows):
    for line in lines(rows, NOW, 80):
        assert len(line) <= 80
        assert line.isprintable()


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([READY, DOWN], 3),
        ([READY, DRAINING], 0),
        ([], 0),
        ([UNINSTALLED, READY], 0),
        ([UNINSTALLED, DOWN], 3),
        ([UNINSTALLED], 4),
    ],
)
def test_the_exit_code_is_the_worst_of_all_that_is_installed(rows, code):
    assert exit_code_of(rows) == code
