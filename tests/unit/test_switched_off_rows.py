"""The rows of tests/switched_off.py are of this code: running them takes half an hour, this finds a stale one at once."""

import importlib.util
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
_spec = importlib.util.spec_from_file_location("switched_off", TESTS / "switched_off.py")
switched_off = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(switched_off)


@pytest.mark.parametrize("row", switched_off.ROWS, ids=lambda row: row.mechanism)
def test_what_a_row_takes_away_is_there_and_so_is_its_test(row):
    file, text = row.rewritten(row.new)
    assert text != (switched_off.PACKAGE / file).read_text()
    file, _, name = row.test.partition("::")
    assert f"def {name.split(' and ')[0]}" in (TESTS / file).read_text()
