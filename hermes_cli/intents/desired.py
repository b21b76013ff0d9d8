"""What the user wants: running or stopped. `stop` and `uninstall` write it, and stop wins (rule 7)."""

import os
import time
from typing import Literal

from hermes_cli.system import durable

Desired = Literal["running", "stopped"]


def read(path: str) -> Desired:
    """Return the desired state in the file `path`; nothing written, or nonsense, means running: nobody said stop.

    Raises OSError when that cannot be told: a start must not be built on it.
    """
    document = durable.read_json(path, strict=True)
    return "stopped" if document is not None and document.get("state") == "stopped" else "running"


def seen(path: str) -> Desired | None:
    """Return what `read` returns, or None when it cannot be told now: for whoever only reports, or looks again."""
    try:
        return read(path)
    except OSError:
        return None


def is_nonsense(path: str) -> bool:
    """Say whether a file is there that can be read and says neither running nor stopped."""
    try:
        document = durable.read_json(path, strict=True)
    except OSError:
        return False
    return os.path.isfile(path) and (document is None or document.get("state") not in {"running", "stopped"})


def write(path: str, state: Desired, by: str) -> None:
    """Make the desired state durable. Raises OSError."""
    document = {"schema": 1, "state": state, "by": by, "pid": os.getpid(), "at": time.time()}
    durable.publish(path, document)
