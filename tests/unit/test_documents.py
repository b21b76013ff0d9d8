"""The documents: what they link to is there, and no setting, option or folder of tests is missing."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from hermes_cli import __version__
from hermes_cli.cli.main import hermes
from hermes_cli.config import Config

REPOSITORY = Path(__file__).parent.parent.parent
DOCS = REPOSITORY / "docs"
PAGES = [*REPOSITORY.glob("*.md"), REPOSITORY / "tests" / "README.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, text: str) -> Iterator[str]:
    """Yield the links of a page that lead nowhere."""
    for path, anchor in LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            yield f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken(page, page.read_text(encoding="utf-8"))) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = "[one](index.md) [two](gone.md) [three](index.md#gone) [four](https://example.com/gone)"
    assert list(broken(DOCS / "concepts.md", text)) == ["gone.md#", "index.md#gone"]


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    linked = {(DOCS / path).resolve() for path, _ in LINK.findall(index)}
    pages = {page for page in DOCS.rglob("*.md") if page.parent != DOCS / "commands"} - {DOCS / "index.md"}
    assert pages - linked == set()


def settings() -> Iterator[tuple[str, str, object]]:
    for section in fields(Config):
        values = getattr(Config(), section.name)
        yield from ((section.name, entry.name, getattr(values, entry.name)) for entry in fields(values))


def as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return "[]" if value == () else f"{value:.9g}"


def test_every_setting_is_described_with_its_default() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### `\[(\w+)\]`\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL))
    described = {
        (section, *row)
        for section, body in sections.items()
        for row in re.findall(r"^\| `(\w+)` \| [^|]* \| `([^`]*)` \|", body, re.MULTILINE)
    }
    assert described == {(section, name, as_toml(value)) for section, name, value in settings()}


def commands(group: click.Group, path: str = "hermes") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, f"{path} {name}")
        else:
            yield f"{path} {name}", found


def page_of(command: str) -> Path:
    """Return the page that the table of commands names for a command."""
    index = (DOCS / "commands" / "index.md").read_text(encoding="utf-8")
    for names, page in re.findall(r"^\| (.*?) \| \[[^]]*\]\((\w+\.md)\) \|$", index, re.MULTILINE):
        for name in re.findall(r"`([^`]*)`", names):
            full = name if name.startswith("hermes") else f"hermes gateway {name}"
            if f"{command} ".startswith(f"{full.removesuffix(' …')} "):
                return DOCS / "commands" / page
    return pytest.fail(f"no page of docs/commands has {command}")


@pytest.mark.parametrize(("path", "command"), [pytest.param(*found, id=found[0]) for found in commands(hermes)])
def test_every_option_of_every_command_is_on_its_page(path: str, command: click.Command) -> None:
    text = page_of(path).read_text(encoding="utf-8")
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    missing = [name for option in options for name in option.opts if f"`{name}" not in text and f"[{name}" not in text]
    assert [name for name in missing if name not in {"-h", "--help"}] == []
    assert path.rpartition(" ")[2] in text


def test_every_folder_of_tests_has_its_row() -> None:
    text = (REPOSITORY / "tests" / "README.md").read_text(encoding="utf-8")
    tests = REPOSITORY / "tests"
    folders = [
        one.name
        for one in (*tests.iterdir(), *(tests / "support").iterdir())
        if one.is_dir() and one.name[0] not in "._"
    ]
    assert [name for name in folders if f"| `{name}/` |" not in text] == []


def architecture() -> str:
    return (DOCS / "contributing" / "architecture.md").read_text(encoding="utf-8")


def test_every_room_of_the_code_is_on_the_map() -> None:
    rooms = architecture().split("```")[1]
    package = REPOSITORY / "hermes_cli"
    folders = [f"{one.parent.name}/" for one in package.rglob("__init__.py") if one.parent != package]
    contracts = {"__init__", "__main__", "restarter", "coalition"}
    files = [one.stem for one in package.glob("*.py") if one.stem not in contracts]
    in_a_line = {"local", "telegram", "model", "git", "wheel"}  # without a line of their own
    assert [name for name in (*folders, *files) if name not in rooms and name.rstrip("/") not in in_a_line] == []
    assert [name for name in in_a_line if not re.search(rf"\b{name}\b", rooms)] == []


def test_every_place_that_a_change_is_said_to_open_is_there() -> None:
    table = architecture().partition("| to … |")[2].partition("\nBelow `hermes_cli/`")[0]
    named = [name for name in re.findall(r"`([^` ]*)`", table) if "/" in name.rstrip("/") or name.endswith(".py")]
    places = [REPOSITORY / name if name.startswith("tests/") else REPOSITORY / "hermes_cli" / name for name in named]
    assert len(places) > 20
    assert [name for name, place in zip(named, places, strict=True) if not place.exists()] == []


def test_every_bound_names_its_tests() -> None:
    """A line of the table of bounds says where it is tested; each name is part of a test's name in that file."""
    text = (DOCS / "reliability.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## Bounds")
    letters = dict(re.findall(r"`(tests/[^`]*)` \((\w)\)", section))
    places = {letter: path for path, letter in letters.items()}
    rows = re.findall(r"^\|.*\| ([^|]*) \|$", section.partition("## Not")[0], re.MULTILINE)[2:]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"(?:^|, )(?:([A-Z]) |`(tests/[^`]*)` )?`(\w+)`", row)
        assert named, row
        path = ""
        for letter, file, name in named:
            path = places[letter] if letter else file or path
            tests = re.findall(r"def (test_\w+)", (DOCS.parent / path).read_text(encoding="utf-8"))
            assert any(name in test for test in tests), f"{path} has no test {name}"


def test_every_bound_names_where_its_figure_stands() -> None:
    text = (DOCS / "reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+)\.(_?[A-Z][A-Z_]+)`", text))
    assert len(named) > 25
    sources = {path: path.read_text(encoding="utf-8") for path in (REPOSITORY / "hermes_cli").rglob("*.py")}
    missing = [
        f"{module}.{name}"
        for module, name in sorted(named)
        if not any(
            path.with_suffix("").as_posix().endswith(f"/{module}")
            and re.search(rf"^[\w, ]*\b{name}\b.* = ", source, re.MULTILINE)
            for path, source in sources.items()
        )
    ]
    assert missing == []


def test_the_program_and_the_distribution_have_one_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
