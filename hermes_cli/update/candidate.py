"""Which version is asked for, and what an update to it would bring."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LineSink = Callable[[str], None]  # takes the lines that tell a person what happens: a report, or a log


@dataclass(frozen=True, slots=True)
class Selection:
    """Which version is asked for. `to` None: the newest. `stash`: take local changes along.

    `rewritten`: take a branch also if its history was rewritten upstream.
    """

    to: str | None = None
    pre: bool = False
    stash: bool = False
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """What an update would bring. `old` and `new` are the source's own names; the `_shown` ones are for people."""

    old: str
    new: str
    old_shown: str
    new_shown: str
    is_new: bool
    headline: str = ""
    details: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)  # what the source wants to have in the journal
