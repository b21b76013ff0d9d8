"""Faults at named functions: what tests/faults does to a process, and where.

Code is named by the object, so that a function that was renamed is missed when the tests are collected:
`fault("kill", on_return(Driver._observe), program="hermes_cli.restarter")`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

Function = Callable[..., Any]
# Every driver imports it, and nobody else does: without it no driver runs, and gateways and whoever asks go on.
ONLY_A_DRIVER = Path("update", "none_under_way.py")


@dataclass(frozen=True, slots=True)
class Place:
    """Before or after each call of the function MODULE:NAME; made by hand only for code that is not in this environment."""

    when: str
    where: str

    def __str__(self) -> str:
        return f"{self.when} {self.where}"

    @property
    def __name__(self) -> str:  # pytest calls a parameter by it
        return str(self)


def on_call(function: Function, used_by: ModuleType | None = None) -> Place:
    """When it is called; `used_by`: only by this module, which imported it by name."""
    return Place("before", _name(function, used_by))


def on_return(function: Function, used_by: ModuleType | None = None) -> Place:
    """When it has returned."""
    return Place("after", _name(function, used_by))


def fault(action: str, place: Place | Function, once: Path | None = None, program: str = "") -> str:
    """One fault for processes with `program` in their command line; a function stands for the moment before its call."""
    at = place if isinstance(place, Place) else on_call(place)
    return json.dumps([[action, str(once) if once else None, at.when, at.where, program]])


def all_of(*faults: str) -> str:
    """Several faults as one."""
    return json.dumps([one for each in faults for one in json.loads(each)])


def _name(function: Function, used_by: ModuleType | None) -> str:
    if used_by is None:
        return f"{function.__module__}:{function.__qualname__}"
    assert getattr(used_by, function.__name__) is function
    return f"{used_by.__name__}:{function.__name__}"
