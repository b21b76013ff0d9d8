"""What became of a call: without the client, so that whoever judges it imports none."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """It was carried out."""

    result: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not carried out. `retry_after`: seconds in which this chat must be left alone."""

    code: int
    description: str
    retry_after: float = 0.0
    migrate_to: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """It cannot have been carried out: there was no connection."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been carried out: the answer did not come, or was none."""

    why: str


Outcome = Done | Refused | NotSent | Unknown
