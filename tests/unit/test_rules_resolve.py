"""What the code refers to as a rule or a failure mode is written down in docs/contributing/rules.md."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hermes_cli

PACKAGE = Path(hermes_cli.__file__).parent
RULES = Path(__file__).parent.parent.parent / "docs" / "contributing" / "rules.md"
RULE = re.compile(r"\brules? (\d+)(?: and (\d+))?")
MODE = re.compile(r"failure modes? ([A-E]\d+)|\(([A-E]\d+(?:(?:-|, | and )[A-E]\d+)*)\)")
LAW = re.compile(r"\(law: ([^)]*)\)")
ELSEWHERE = re.compile(r"\bdesign \d")


def written(text: str) -> set[str]:
    """Return what a reference may name: `rule 5`, `A2`, `law imports before the swap`."""
    rules = {f"rule {number}" for number in re.findall(r"^### (\d+)\. ", text, re.MULTILINE)}
    laws = {f"law {name.lower()}" for name in re.findall(r"^### ([A-Z][a-z][^\n]*)$", text, re.MULTILINE)}
    return rules | laws | set(re.findall(r"^\| ([A-E]\d+) \|", text, re.MULTILINE))


def references(text: str) -> Iterator[str]:
    """Yield what a text refers to. What is given as a range yields its two ends."""
    for found in RULE.finditer(text):
        yield from (f"rule {number}" for number in found.groups() if number)
    for found in MODE.finditer(text):
        yield from re.findall(r"[A-E]\d+", found.group())
    yield from (f"law {found.group(1)}" for found in LAW.finditer(text))
    yield from (found.group() for found in ELSEWHERE.finditer(text))


def unresolved(text: str) -> list[str]:
    return sorted(set(references(text)) - written(RULES.read_text(encoding="utf-8")))


def test_every_reference_of_the_code_resolves() -> None:
    files = [path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".sh"}]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    missing = {str(path.relative_to(PACKAGE)): unresolved(text) for path, text in texts.items()}
    assert {path: found for path, found in missing.items() if found} == {}
    assert sum(len(list(references(text))) for text in texts.values()) > 20, "the patterns find nothing any more"


def test_every_reference_of_the_page_itself_resolves() -> None:
    assert unresolved(RULES.read_text(encoding="utf-8")) == []


def test_the_fourteen_rules_are_numbered_without_a_gap() -> None:
    numbers = [int(number) for number in re.findall(r"^### (\d+)\. ", RULES.read_text(encoding="utf-8"), re.MULTILINE)]
    assert numbers == list(range(1, 15))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("looked at last (rule 15)", ["rule 15"]),
        ("see rules 7 and 16", ["rule 16"]),
        ("refused (failure mode B4)", ["B4"]),
        ("repeated (A2-A13)", ["A13"]),
        ("both (A99, C1)", ["A99"]),
        ("as said there (law: haste makes waste)", ["law haste makes waste"]),
        ("where files lie (design 5)", ["design 5"]),
        ("a page of A4, and rule 5, and (A2-A5)", []),
    ],
)
def test_what_resolves_nowhere_is_found(text: str, found: list[str]) -> None:
    assert unresolved(text) == found
