"""What is read of a definition that another program wrote: the interpreter that it runs, and the folder around it."""

from pathlib import Path

import pytest

from hermes_cli.programs.adoption import installation

PLIST = "<key>Label</key><string>x</string><array><string>{0}</string><string>-m</string></array>"


@pytest.mark.parametrize(
    ("text", "python"),
    [
        (PLIST.format("/Users/a b/agent/venv/bin/python"), "/Users/a b/agent/venv/bin/python"),
        (PLIST.format("/x/venv/bin/python3.11"), "/x/venv/bin/python3.11"),
        ('[Service]\nExecStart="/x y/venv/bin/python" -m a gateway run\n', "/x y/venv/bin/python"),
        ("[Service]\nExecStart=/x/venv/bin/python -m a\nEnvironment=VIRTUAL_ENV=/x/venv\n", "/x/venv/bin/python"),
        ("[Service]\nEnvironment=PYTHONPATH=/x/python-libs\nExecStart=/usr/bin/node a\n", None),
        (PLIST.format("/bin/sh"), None),
    ],
)
def test_the_interpreter_of_a_definition(tmp_path: Path, text: str, python: str | None) -> None:
    definition = tmp_path / "definition"
    definition.write_text(text)
    assert installation(str(definition)).get("python") == python


def test_a_definition_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert installation(str(tmp_path / "definition")) == {}
