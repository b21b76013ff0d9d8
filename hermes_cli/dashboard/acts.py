"""What the page may do: the same as the command line, by the command line itself."""

import re
import sys
from typing import Any

from hermes_cli.environment import scrubbed
from hermes_cli.errors import UsageError
from hermes_cli.intents.record import is_id
from hermes_cli.paths import Paths, profiles
from hermes_cli.system.command import run

ACTS = {
    "start": ("gateway", "start"),
    "stop": ("gateway", "stop"),
    "restart": ("gateway", "restart", "--no-wait"),
    "update": ("update",),
    "cancel": ("gateway", "intents", "cancel"),
}
_TIMEOUT = 900.0  # seconds; an update fetches and installs
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def argv(paths: Paths, asked: Any) -> list[str]:
    """Return the command line of what was asked for. Raises UsageError for anything but the acts that there are."""
    if not isinstance(asked, dict):
        raise UsageError("not an act")
    profile, act, identifier = asked.get("profile"), asked.get("act"), asked.get("id")
    if act not in ACTS or asked.get("confirmed") is not True:
        raise UsageError("not an act, or not confirmed")
    if not isinstance(profile, str) or profile not in profiles(paths) or not _NAME.fullmatch(profile):
        raise UsageError("no such profile")
    words = [*ACTS[act]]
    if act == "cancel":
        if not isinstance(identifier, str) or not is_id(identifier):
            raise UsageError("no such intent")
        words.append(identifier)
    return [sys.executable, "-P", "-m", "hermes_cli", "-p", profile, *words]


def carry_out(paths: Paths, asked: Any) -> dict[str, Any]:
    """Do it, and return what the command said. Raises UsageError, OSError."""
    done = run(argv(paths, asked), _TIMEOUT, environment=scrubbed())
    said = "\n".join(part.strip() for part in (done.out, done.err) if part.strip())
    return {"code": done.code, "said": said or done.why}
