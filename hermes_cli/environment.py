"""Variables that mark what runs inside the gateway, and their removal from what a service manager starts.

The terminal tool sets them for its children. A service started from there must not carry them on: it would look
in-tree for ever, and its requests would be answered in a chat that never asked.
"""

import os

MARKER = "HERMES_GATEWAY_INSTANCE"
SESSION_PREFIX = "HERMES_SESSION_"


def scrubbed() -> dict[str, str]:
    """The caller's environment without the marker and without session variables."""
    return {name: value for name, value in os.environ.items() if name != MARKER and not name.startswith(SESSION_PREFIX)}


def marker(state: str, pid: int, start_ticks: int | None) -> str:
    """The marker's value for one instance of the profile whose state directory is `state`."""
    return f"{pid}:{start_ticks if start_ticks is not None else ''}:{state}"
