"""What the user wants: running or stopped. `stop` and `uninstall` write it, and stop wins (rule 7)."""

import os
import time
from typing import Literal, NamedTuple

from hermes_cli.system import durable

Desired = Literal["running", "stopped"]


def read(path: str) -> Desired:
    """Return the desired state in the file `path`; nothing written, or nonsense, means running: nobody said stop.

    Raises OSError when that cannot be told: a start must not be built on it.
    """
    document = durable.read_json(path, strict=True)
    return "stopped" if document is not None and document.get("state") == "stopped" else "running"


class Look(NamedTuple):
    """One reading. `state`: None when it cannot be told now, for `error`; `is_nonsense`: a file says neither of the two."""

    state: Desired | None
    error: OSError | None = None
    is_nonsense: bool = False


def look(path: str) -> Look:
    """Read the file once, for whoever only reports."""
    try:
        document = durable.read_json(path, strict=True)
    except OSError as error:
        return Look(None, error)
    said = document.get("state") if document is not None else None
    if said in {"running", "stopped"}:
        return Look("stopped" if said == "stopped" else "running")
    return Look("running", is_nonsense=os.path.isfile(path))


def seen(path: str) -> Desired | None:
    """Return what `read` returns, or None when it cannot be told now: for whoever only reports, or looks again."""
    try:
        return read(path)
    except OSError:
        return None


def write(path: str, state: Desired, by: str) -> None:
    """Make the desired state durable. Raises OSError."""
    document = {"schema": 1, "state": state, "by": by, "pid": os.getpid(), "at": time.time()}
    durable.publish(path, document)
