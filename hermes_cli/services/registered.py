"""Which manager holds this profile, and where: service.json, written at install.

`auto` means this one wherever it is there: a gateway must not be asked of systemd while launchd runs it.
"""

import contextlib
import json
import os

from hermes_cli.services.job import definition
from hermes_cli.services.job.definition import Definition
from hermes_cli.system import durable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hermes_cli.paths import Paths


class Registration:
    """What one manager has written there of itself; false while it does not hold this profile."""

    def __init__(self, paths: "Paths", manager: str) -> None:
        self._paths = paths
        self._manager = manager
        found = read(paths)
        self._facts = found if found.get("manager") == manager else {}

    def __bool__(self) -> bool:
        return bool(self._facts)

    def get(self, fact: str) -> "Any":
        """One fact, or None."""
        return self._facts.get(fact)

    def keep(self, **facts: "Any") -> None:
        """Remember these, too. Raises HermesError."""
        self._facts = {**self._facts, "manager": self._manager, **facts}
        write(self._paths, **self._facts)

    def forget(self) -> None:
        """Hold this profile no longer."""
        self._facts = {}
        forget(self._paths)


def path_of(paths: "Paths") -> str:
    """The file."""
    return f"{paths.state}/service.json"


def read(paths: "Paths") -> "dict[str, Any]":
    """What is known; empty when nothing is installed."""
    return durable.read_json(path_of(paths)) or {}


def wanted(paths: "Paths", manager: str, **facts: "Any") -> Definition:
    """The file with these facts in it."""
    return Definition(path_of(paths), json.dumps({"schema": 1, "manager": manager, **facts}, indent=2) + "\n")


def write(paths: "Paths", manager: str, **facts: "Any") -> None:
    """Remember it. Raises HermesError."""
    one = wanted(paths, manager, **facts)
    if not one.is_there:
        definition.write(one, mode=0o600)


def forget(paths: "Paths") -> None:
    """Remove it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path_of(paths))
