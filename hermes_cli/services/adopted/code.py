"""Whether what an adopted program's definition runs is there: uninstalled under it, no start of it would help."""

import os
import re

from hermes_cli.environment import scrubbed
from hermes_cli.programs.adoption import Adoption, installation
from hermes_cli.system import durable
from hermes_cli.system.command import run

_ASK = 10.0  # seconds for an interpreter to say whether it has a module
_IS_THERE = (
    "import importlib.util as u, sys\ntry: sys.exit(u.find_spec(sys.argv[1]) is None)\nexcept ImportError: sys.exit(1)"
)


def missing(adoption: Adoption) -> str | None:
    """Return what of it is not there, to be read behind "its definition"; its interpreter is asked for the module."""
    if _names_nothing(adoption):
        return f"names no program to run: {adoption.manager} would not start it again"
    python, module = installation(adoption.definition).get("python"), _module(adoption.definition)
    if python is None:
        return None
    if not os.path.exists(python):
        return f"runs {python}, which is not there"
    if module is not None and run([python, "-P", "-c", _IS_THERE, module], _ASK, environment=scrubbed()).code == 1:
        return f"runs {module}, and {python} has no such module"
    return None


def _names_nothing(adoption: Adoption) -> bool:
    """Say whether the definition is there and cannot be understood, as after an editor's mistake."""
    text = durable.read_text(adoption.definition)
    if not text or text.startswith("bplist"):  # that is no text, and launchd reads it
        return False
    if adoption.manager == "systemd":
        return re.search(r"^\s*ExecStart\s*=\s*\S", text, re.MULTILINE) is None
    from hermes_cli.services.launchd import plists

    return not plists.said(text).argv


def _module(definition: str) -> str | None:
    """Return what `-m` names in a plist or a unit."""
    found = re.search(r"(?:<string>-m</string>\s*<string>|\s-m\s+)([\w.]+)", durable.read_text(definition) or "")
    return found[1] if found else None
