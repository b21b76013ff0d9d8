"""What the releases of tests change is in the code as it is, and what they make of it can be parsed.

A release that does not parse is put back for that, and its test never sees what it is about.
"""

from pathlib import Path

import pytest
from support.releases import changes

PACKAGE = Path(__file__).parent.parent.parent
CHANGES = {name: value for name, value in vars(changes).items() if name.isupper() and type(value) is tuple}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_has_its_place_in_the_code_and_parses(name: str) -> None:
    path, old, new = CHANGES[name]
    text = (PACKAGE / path).read_text(encoding="utf-8")
    assert text.count(old) == 1
    compile(text.replace(old, new), path, "exec")


def test_the_changes_are_found() -> None:
    assert len(CHANGES) >= 8
