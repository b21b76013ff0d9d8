"""The manual pages say what the commands say of themselves, and roff has nothing against them."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import man_pages
import pytest
from support import PATIENCE


def test_the_pages_are_what_the_commands_say() -> None:
    written = {path.name: path.read_text(encoding="ascii") for path in man_pages.FOLDER.iterdir()}
    assert written == man_pages.pages(), "python tests/man_pages.py writes them"


def test_a_wheel_takes_every_page_along() -> None:
    project = tomllib.loads(Path(man_pages.FOLDER.parent.parent, "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {f"docs/man/{name}": f"share/man/man1/{name}" for name in man_pages.pages()}


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff here")
def test_roff_understands_them() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", str(man_pages.FOLDER / "hermes.1")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == ""
