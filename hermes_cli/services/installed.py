"""Which manager holds this profile, and where: service.json, written at install.

`auto` means this one wherever it is there: a gateway must not be asked of systemd while launchd runs it.
"""

import contextlib
import os

from hermes_cli import durable
from hermes_cli.errors import HermesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hermes_cli.paths import Paths


def path_of(paths: "Paths") -> str:
    """The file."""
    return f"{paths.state}/service.json"


def read(paths: "Paths") -> "dict[str, Any]":
    """What is known; empty when nothing is installed."""
    return durable.read_json(path_of(paths)) or {}


def write(paths: "Paths", manager: str, **facts: "Any") -> None:
    """Remember it. Raises HermesError."""
    document = {"schema": 1, "manager": manager, **facts}
    if read(paths) == document:
        return
    try:
        durable.make_private_directory(paths.state)
        durable.replace(path_of(paths), document, durable=True, indent=2)
    except OSError as error:
        raise HermesError(f"{path_of(paths)} cannot be written ({error.strerror}): mend it and repeat") from None


def forget(paths: "Paths") -> None:
    """Remove it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path_of(paths))
