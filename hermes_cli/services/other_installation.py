"""Which installation the service runs, where that is not the one whose command was typed (rule 11).

Two can share a home: an update of the one that nobody runs changes nothing for the gateway.
"""

import json
import os
import re
import sys
from itertools import pairwise

from hermes_cli.errors import Advice, HermesError, Problem
from hermes_cli.installation import origin
from hermes_cli.services.job import definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from hermes_cli.paths import Paths
    from hermes_cli.programs.description import Description
    from hermes_cli.services.base import ServiceManager
    from hermes_cli.services.job.definition import Definition

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Other:
    """Another installation. `program`: how it is called on a command line."""

    __slots__ = ("place", "program")

    def __init__(self, place: str, program: str) -> None:
        self.place = place
        self.program = program

    def says(self, paths: "Paths") -> str:
        """Return a line about it, without a mend."""
        return f"the service of profile {paths.profile} runs the installation in {self.place}, this one is {_here()}"

    def command(self, paths: "Paths", *words: str) -> str:
        """Return the command line that does the same with that installation."""
        profile = [] if paths.profile == "default" else ["-p", paths.profile]
        return " ".join([self.program, *profile, *words])


def find(manager: "ServiceManager", running: "Description | None") -> Other | None:
    """Return what `among` does, of what this manager would write."""
    try:
        return among(manager.definitions(), running)
    except HermesError:
        return among((), running)


def among(definitions: "Iterable[Definition]", running: "Description | None", here: str | None = None) -> Other | None:
    """Return the installation that the service runs, if it is known and not this one.

    By the definition, which says what the next start runs; without one, by what the `running` gateway says. `here`:
    the package of this one, where that is known.
    """
    python = next((found for one in definitions if (found := python_in(definition.read(one.path)))), None)
    if python is not None:
        is_ours = python == sys.executable or _prefix(python) == _prefix(sys.executable)
        return None if is_ours else Other(_prefix(python), _program(python))
    package = running.text("package") if running is not None else None
    if running is None or package is None or package == (here or origin.package()):
        return None
    import psutil

    try:
        words = psutil.Process(running.pid).cmdline()
    except psutil.Error:
        return None
    return Other(os.path.dirname(package), _program(words[0])) if words else None


def problem(paths: "Paths", other: Other) -> Problem:
    """Return what `status` and the doctor say of it."""
    return Problem(
        "installation",
        other.says(paths),
        Advice(f"{other.command(paths, 'gateway status')}, or hermes gateway install"),
    )


def python_in(text: str | None) -> str | None:
    """Return the interpreter that a definition starts, whichever manager it is of; None if it does not say."""
    words = _words(text or "")
    return next((word for word, after in pairwise(words) if after == "-P"), None)


def _words(text: str) -> list[str]:
    if text.startswith("{"):
        try:
            program = json.loads(text).get("program")
        except ValueError:
            return []
        return [str(word) for word in program] if isinstance(program, list) else []
    if text.lstrip().startswith("<?xml"):
        import plistlib
        from xml.parsers.expat import ExpatError

        try:
            return [str(word) for word in plistlib.loads(text.encode()).get("ProgramArguments", ())]
        except (plistlib.InvalidFileException, ExpatError, ValueError, AttributeError):
            return []
    line = next((line for line in text.splitlines() if line.startswith("ExecStart=")), "")
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in _QUOTED.findall(line)]


def _prefix(python: str) -> str:
    """Return the environment of an interpreter, which is a link in every virtual one."""
    return os.path.realpath(os.path.dirname(os.path.dirname(os.path.abspath(python))))


def _program(python: str) -> str:
    import shlex

    script = os.path.join(os.path.dirname(python), "hermes")
    return shlex.quote(script) if os.access(script, os.X_OK) else f"{shlex.quote(python)} -m hermes_cli"


def _here() -> str:
    return _prefix(sys.executable)
