"""Settings as the documents show them: each page typed from its top into a new config.toml."""

import json
import re
import shlex

import pytest
from support import TESTS

from hermes_cli import config
from hermes_cli.cli.line import run
from hermes_cli.paths import resolve

DOCS = TESTS.parent / "docs"
_SHOWN = re.compile(r"(?:^ *\$ |`)(?:hermes|hermesctl) (config (?:set|unset) [^`\n]+)", re.MULTILINE)
PAGES = {
    str(page.relative_to(DOCS)): found for page in DOCS.rglob("*.md") if (found := _SHOWN.findall(page.read_text()))
}
KINDS = {int: "7", float: "7.5", bool: "true", str: "words", tuple: '["1"]'}


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    return resolve().config


@pytest.mark.parametrize("page", [name for name in PAGES if PAGES[name] != ["config set SECTION.NAME VALUE"]])
def test_every_setting_is_written_in_the_order_of_its_page(page, path, capsys):
    for words in PAGES[page]:
        if not re.search(r"[|…]|NAME", words):
            assert run(shlex.split(words, comments=True)) == 0, (words, capsys.readouterr().err)
    config.load(path)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_value_of_every_kind_is_what_it_was_typed_as(kind, path, capsys):
    """The name of the first setting of that kind is looked up, so that one stays when another is renamed."""
    default = config.Config()
    section, name = next(
        (section, name)
        for section in default._fields
        for name, value in getattr(default, section)._asdict().items()
        if type(value) is kind and (section, name) not in {("model", "base_url"), ("telegram", "api")}
    )
    assert run(["config", "set", f"{section}.{name}", KINDS[kind]]) == 0, capsys.readouterr().err
    assert run(["config", "get", "--json", f"{section}.{name}"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == json.loads(
        KINDS[kind] if kind is not str else '"words"'
    )
