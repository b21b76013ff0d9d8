"""What a nightly run of the benchmarks calls a regression."""

import json
import sys

import pytest
from support import TESTS

sys.path.append(str(TESTS / "benchmarks"))
import kept
from measure import TIMES, Figure, Limits, Row, Samples


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (1.15, []),
        (0.5, []),
        (1.16, [f"a line: 1.16{TIMES} its floor, and 1.00{TIMES} in figures.json"]),
        (3.0, [f"a line: 3.00{TIMES} its floor, and 1.00{TIMES} in figures.json"]),
    ],
)
def test_a_line_that_is_dearer_by_more_than_it_may_be_is_said_with_both_numbers(now, lines):
    assert (
        kept.dearer({"a line": now, "a new line": 9.0}, {"a line": 1.0, "a line that was not measured": 1.0}) == lines
    )


def test_a_line_without_a_floor_has_no_ratio():
    two, one = Samples((2.0, 2.0)), Samples((1.0,))
    found = [
        Row("row", "its floor", one, two, Limits()),
        Figure("  figure", two, "ms", 1e3, floor=one),
        Figure("alone", two, "MB", 1),
    ]
    assert kept.ratios(found) == {"row": 2.0, "figure": 2.0}


def test_what_is_kept_is_a_number_for_each_line():
    found = kept.read()
    assert found == json.loads(kept.FIGURES.read_text(encoding="utf-8"))
    assert all(type(one) is float and 0 < one < 20 for one in found.values())
