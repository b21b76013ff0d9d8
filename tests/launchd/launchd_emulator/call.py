"""A request to launchctl, and the domains and labels that its arguments name."""

from collections.abc import Callable
from dataclasses import dataclass

from launchd_emulator.core import Core
from launchd_emulator.domain import Domain
from launchd_emulator.server import Reply


@dataclass(frozen=True)
class Call:
    """A request to launchctl. Its handler calls `answer` once, at once or later."""

    core: Core
    arguments: list[str]
    terminal: bool
    directory: str
    answer: Callable[[Reply], None]


class UsageError(Exception):
    """The arguments make no request."""


def domain_of(call: Call, target: str) -> Domain:
    """Return the domain that a target names. The domain of another user is one that is absent."""
    kind, _, number = target.partition("/")
    is_number = number.isascii() and number.isdigit()
    if target != "system" and not (kind in {"user", "gui"} and is_number):
        raise UsageError
    found = call.core.domains.get(target)
    if found is None:
        found = Domain(call.core.host, call.core.overrides, kind, int(number))
        found.state = "absent"
    return found


def service_of(call: Call, target: str) -> tuple[Domain, str]:
    """Return the domain and the label that a target names."""
    parts = target.split("/")
    cut = 1 if parts[0] == "system" else 2
    label = "/".join(parts[cut:])
    if not label:
        raise UsageError
    return domain_of(call, "/".join(parts[:cut])), label


def options(rest: list[str], known: str) -> tuple[set[str], list[str]]:
    """Split the leading single-letter options from the rest."""
    found: set[str] = set()
    while rest and rest[0].startswith("-") and rest[0] != "-":
        letters = set(rest[0][1:])
        if not letters or letters - set(known):
            raise UsageError
        found |= letters
        rest = rest[1:]
    return found, rest


def exactly(rest: list[str], count: int) -> list[str]:
    """Return the arguments if there are `count` of them. Raises UsageError."""
    if len(rest) != count:
        raise UsageError
    return rest
