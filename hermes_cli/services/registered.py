"""service.json, written at install: which manager is responsible for this profile, and where.

`auto` means this manager if there is one: nobody must ask systemd for a gateway that launchd runs.
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
    """The facts that one manager has written there. False while another manager, or none, has this profile."""

    def __init__(self, paths: "Paths", manager: str) -> None:
        self._paths = paths
        self._manager = manager
        found = read(paths)
        self._facts = found if found.get("manager") == manager else {}

    def __bool__(self) -> bool:
        return bool(self._facts)

    def get(self, fact: str) -> "Any":
        """Return one fact, or None."""
        return self._facts.get(fact)

    def keep(self, **facts: "Any") -> None:
        """Write these facts down as well. Raises HermesError."""
        self._facts = {**self._facts, "manager": self._manager, **facts}
        write(self._paths, **self._facts)

    def forget(self) -> None:
        """Remove the registration."""
        self._facts = {}
        forget(self._paths)


def path_of(paths: "Paths") -> str:
    """Return the path of service.json."""
    return f"{paths.state}/service.json"


def read(paths: "Paths") -> "dict[str, Any]":
    """Return the facts of service.json; none when nothing is installed.

    Raises CannotTellError: another manager must not be taken for the responsible one.
    """
    try:
        return durable.read_json(path_of(paths), strict=True) or {}
    except OSError as error:
        from hermes_cli.errors import CannotTellError

        text = f"{path_of(paths)} cannot be read ({error.strerror}), so nobody can tell which service manager has the gateway"
        from hermes_cli.system import refusal

        raise CannotTellError(f"{text}: {refusal.mend(path_of(paths), error.errno or 0)[0]}") from error


def wanted(paths: "Paths", manager: str, **facts: "Any") -> Definition:
    """Return service.json as it should be with these facts."""
    return Definition(path_of(paths), json.dumps({"schema": 1, "manager": manager, **facts}, indent=2) + "\n")


def write(paths: "Paths", manager: str, **facts: "Any") -> None:
    """Write service.json, unless it holds just these facts already. Raises HermesError."""
    one = wanted(paths, manager, **facts)
    if not one.is_there:
        definition.write(one, mode=0o600)


def forget(paths: "Paths") -> None:
    """Remove service.json."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path_of(paths))
