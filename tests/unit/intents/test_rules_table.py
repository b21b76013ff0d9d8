"""The documents' table of decisions is printed from the rules themselves."""

import os
from pathlib import Path

from hermes_cli.intents.decide import RULES

PAGE = Path(__file__).parents[3] / "docs" / "contributing" / "decisions.md"
HEAD = """\
# What the driver decides

The first rule that applies decides what happens next with one intent. `hermes gateway status --json` and
`hermes gateway intents show ID` name the rule that an intent waits by.

Written by `WRITE_DOCS=1 python -m pytest tests/unit/intents/test_rules_table.py`.

| rule | does |
| --- | --- |
"""


def table() -> str:
    return HEAD + "".join(f"| `{rule.__name__}` | {(rule.__doc__ or '').splitlines()[0]} |\n" for rule in RULES)


def test_the_page_is_the_rules():
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(table(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == table()


def test_every_rule_has_a_name_and_a_line_of_its_own():
    assert len({rule.__name__ for rule in RULES}) == len({rule.__doc__ for rule in RULES}) == len(RULES)
