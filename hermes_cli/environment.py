"""Variables that mark what runs inside the gateway, and their removal from what a service manager starts.

The terminal tool sets them for its children. A service started from there must not carry them on: it would look
in-tree for ever, and its requests would be answered in a chat that never asked. Nor must what the restarter's copy
starts be looked for in the copy.
"""

import os

from hermes_cli.installation import origin
from hermes_cli.system import process_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MARKER = "HERMES_GATEWAY_INSTANCE"
SESSION_PREFIX = "HERMES_SESSION_"
# What a command is told about the message that it works for, by the keys of a record's origin.
SESSION = {
    "channel": "HERMES_SESSION_PLATFORM",
    "chat": "HERMES_SESSION_CHAT_ID",
    "thread": "HERMES_SESSION_THREAD_ID",
    "message": "HERMES_SESSION_MESSAGE_ID",
    "session": "HERMES_SESSION_KEY",
}


def scrubbed(environment: "Mapping[str, str] | None" = None) -> dict[str, str]:
    """Return the caller's environment, or this one, without the marker, the session and the restarter's copy."""
    given = os.environ if environment is None else environment
    found = {name: value for name, value in given.items() if name != MARKER and not name.startswith(SESSION_PREFIX)}
    copy = origin.copy()
    if copy is not None:
        places = found.pop("PYTHONPATH", "").split(os.pathsep)
        if others := [place for place in places if place and os.path.realpath(place) != os.path.realpath(copy)]:
            found["PYTHONPATH"] = os.pathsep.join(others)
    return found


def untranslated() -> dict[str, str]:
    """Return the caller's environment, but for the language: what a program prints to be read must not be translated."""
    return {**os.environ, "LC_ALL": "C"}


def marker(state: str, pid: int, start_ticks: int | None) -> str:
    """Return the marker's value for one instance of the profile whose state directory is `state`."""
    return f"{process_table.mark(pid, start_ticks)}:{state}"
