"""A virtual environment of its own for an installation: what a job with a bare environment starts finds the package.

Made by hand in milliseconds: a .pth file names the code and the libraries of the running tests.
"""

import json
import site
import venv
from pathlib import Path

from support import TESTS

FAULTS = TESTS / "faults"


class Python:
    """The `python` of a virtual environment. Faults are in a file of its own: a job has no variable that could tell it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        # sitecustomize reads it; see tests/faults.
        self._faults = folder / "faults.json"

    @property
    def site(self) -> Path:
        """Where packages lie."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def strike(self, faults: str | None) -> None:
        """What strikes every process that starts from now on; None: nothing."""
        if faults is None:
            self._faults.unlink(missing_ok=True)
        else:
            json.loads(faults)
            self._faults.write_text(faults)

    def look_also_in(self, *places: Path | str) -> None:
        """Where packages are looked for besides; `FAULTS` has the sitecustomize that strikes."""
        (self.site / "installation.pth").write_text("".join(f"{place}\n" for place in places))

    def write_script(self) -> None:
        """What the package's console script is in a real installation; a shebang could not hold a space."""
        script = self.folder / "bin" / "hermes"
        script.write_text('#!/bin/sh\nexec "$(dirname -- "$0")/python" -P -m hermes_cli "$@"\n')
        script.chmod(0o755)


class Interpreter(Python):
    """One that finds the package in `code`."""

    def __init__(self, folder: Path, code: Path) -> None:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
        super().__init__(folder)
        self.look_also_in(code, *site.getsitepackages(), FAULTS)
        self.write_script()
