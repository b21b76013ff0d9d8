"""A hook in the program's own documented form: when the program ends, it demand-starts our resident restarter.

The resident sees that end by itself. The hook is for the moment when the resident has died and its manager holds it
back: a demand start from inside the program's exit is admitted. It is the one thing of ours in the program's home.
"""

import os
import shutil

from hermes_cli.errors import HermesError
from hermes_cli.programs.adoption import Adoption
from hermes_cli.programs.program_file import ProgramFile
from hermes_cli.system import durable

_MANIFEST = """\
name: hermesctl
description: starts the restarter of hermesctl when the gateway exits (hermesctl gateway release removes this)
events:
  - gateway:startup
"""
_HANDLER = """\
# Written by hermesctl gateway adopt. When this gateway exits, its restarter is started; nothing else happens here.
import atexit
import subprocess

COMMAND = {command!r}


def _start():
    try:
        subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        pass


async def handle(event_type, context):
    if event_type == "gateway:startup":
        atexit.unregister(_start)
        atexit.register(_start)
"""


def folder(adoption: Adoption, program: ProgramFile) -> str | None:
    """Return where the hook goes, or None for a program that has none."""
    found = program.get("hook", "folder")
    return adoption.fill(found) if found is not None and program.get("hook", "kind") == "hermes-agent" else None


def files(adoption: Adoption, program: ProgramFile, start: list[str]) -> dict[str, str]:
    """Return the hook's files, by path. `start` is the manager's demand start of the resident."""
    place = folder(adoption, program)
    if place is None or not adoption.hook:
        return {}
    return {f"{place}/HOOK.yaml": _MANIFEST, f"{place}/handler.py": _HANDLER.format(command=start)}


def install(adoption: Adoption, program: ProgramFile, start: list[str]) -> list[str]:
    """Write the hook. Return the paths that were written. Raises HermesError."""
    written = []
    for path, text in files(adoption, program, start).items():
        if durable.read_text(path) == text:
            continue
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            durable.publish_text(path, text, 0o644)
        except OSError as error:
            raise HermesError(f"{path} cannot be written ({error.strerror}): mend it, or use --no-hook") from None
        written.append(path)
    return written


def is_newer(adoption: Adoption, program: ProgramFile, started_at: float) -> bool:
    """Say whether there is a hook that a gateway which began then has not loaded."""
    place = folder(adoption, program) if adoption.hook else None
    try:
        return place is not None and os.stat(f"{place}/handler.py").st_mtime > started_at
    except OSError:
        return False


def remove(adoption: Adoption, program: ProgramFile) -> None:
    """Remove the hook. Raises HermesError."""
    place = folder(adoption, program)
    if place is None or not os.path.isdir(place):
        return
    try:
        shutil.rmtree(place)
    except OSError as error:
        raise HermesError(f"{place} cannot be removed ({error.strerror}): remove it by hand") from None
