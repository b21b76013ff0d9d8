"""The drawing of a restart's phases: it fits, and says when and how long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_cli.intents.trace import PHASES, Phase, Trace
from hermes_cli.restart.timeline import lines

T = 1795449911.134
WHOLE = Trace(
    tuple(Phase(name, T + index, 1.0 if index < 7 else None) for index, name in enumerate(PHASES)), turns=1, attempts=2
)


def test_without_columns_there_is_a_time_and_a_length_and_no_bar():
    found = lines(WHOLE, T + 7)
    assert [re.sub(r"\d\d:\d\d:", "", line) for line in found[:3]] == [
        "requested         11.134    1.000 s",
        "signalled         12.134    1.000 s",
        "draining, 1 turn  13.134    1.000 s",
    ]
    assert found[4].startswith("demand start 2 ")
    assert re.fullmatch(r"settled +[0-9:.]+", found[-1])


def test_the_phase_that_goes_on_grows():
    waiting = Trace((Phase("requested", T, 1.0), Phase("draining", T + 1, None)), turns=1)
    assert [lines(waiting, T + now)[1].split()[-2] for now in (2, 3)] == ["1.000", "2.000"]


@pytest.mark.parametrize("plain", [True, False])
@given(st.lists(st.floats(0.0, 1e5), min_size=8, max_size=8), st.integers(58, 200))
def test_it_fits_and_every_phase_has_a_bar(plain, lengths, columns):
    at, phases = T, []
    for name, length in zip(PHASES, lengths, strict=True):
        phases.append(Phase(name, at, length))
        at += length
    found = lines(Trace(tuple(phases)), at, columns, plain=plain)
    assert max(map(len, found)) <= columns
    assert all(line.isascii() for line in found) or not plain
    if sum(lengths[:-1]) > 0:
        assert all(line.endswith("#") for line in found[:-1]) or not plain
