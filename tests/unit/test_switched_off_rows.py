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


def test_what_held_is_not_run_again_and_a_mended_row_is(tmp_path):
    first, second, third = switched_off.ROWS[:3]
    keep = tmp_path / "kept"
    said = [(first, "fails"), (second, "PASSES"), (third, "fails")]
    keep.write_text("".join(f'{{"row": "{switched_off.digest(row)}", "said": "{word}"}}\n' for row, word in said))
    assert switched_off.kept(keep) == {switched_off.digest(first), switched_off.digest(third)}
    assert switched_off.digest(first._replace(new="another")) not in switched_off.kept(keep)
    assert switched_off.kept(tmp_path / "none") == set()
