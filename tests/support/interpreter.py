"""A virtual environment of its own for an installation: what a job with a bare environment starts finds the package.

Made by hand in milliseconds: a .pth file names the code and the libraries of the running tests.
"""

import json
import site
import venv
from pathlib import Path

FAULTS = Path(__file__).parent.parent / "faults"


class Interpreter:
    """`python` finds the package in `code`, and faults in a file of its own: a job has no variable that could tell it."""

    def __init__(self, folder: Path, code: Path) -> None:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
        self.folder = folder
        self.python = folder / "bin" / "python"
        (library,) = (folder / "lib").glob("python*/site-packages")
        places = [str(code), *site.getsitepackages(), str(FAULTS)]
        (library / "installation.pth").write_text("".join(f"{place}\n" for place in places))
        # What the package's console script is in a real installation; a shebang could not hold a space.
        script = folder / "bin" / "hermes"
        script.write_text('#!/bin/sh\nexec "$(dirname -- "$0")/python" -P -m hermes_cli "$@"\n')
        script.chmod(0o755)
        # sitecustomize reads it; see tests/faults.
        self._faults = folder / "faults.json"

    def strike(self, faults: str | None) -> None:
        """What strikes every process that starts from now on; None: nothing."""
        if faults is None:
            self._faults.unlink(missing_ok=True)
        else:
            json.loads(faults)
            self._faults.write_text(faults)
