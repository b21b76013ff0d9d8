"""What an update asks of the place that the code comes from: a checkout, wheels in an environment, a command."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from hermes_cli.update.journal import Journal

LineSink = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Selection:
    """What was typed. `to` None: whatever is newest."""

    to: str | None = None
    pre: bool = False
    stash: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """What an update would bring. `old` and `new` are what the source calls them; `shown` is for a person."""

    old: str
    new: str
    old_shown: str
    new_shown: str
    is_new: bool
    headline: str = ""
    details: tuple[str, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)  # what the source wants to have in the journal


class Source(Protocol):
    """The code of one installation. Everything raises HermesError with one line at worst, and OSError."""

    kind: str
    place: str

    def document(self) -> dict[str, Any]:
        """What a journal needs to find this very place again, by `sources.of`."""

    def keeping(self, descriptor: int) -> Self:
        """The same, with one more lock that every changing command inherits."""

    def candidate(self, selection: Selection, say: LineSink) -> Candidate:
        """Look what is new; changes nothing."""

    def way_back(self, receipt: Journal, selection: Selection, say: LineSink) -> Candidate:
        """What it would bring to take a finished update back; changes nothing."""

    def refuse(self, candidate: Candidate, selection: Selection) -> None:
        """Raise HermesError when bringing it in would touch what is not the update's own."""

    def begin(self, journal: Journal, selection: Selection) -> None:
        """Keep what the way back needs, and note it in the journal, which is not written yet."""

    def change(self, journal: Journal, say: LineSink) -> None:
        """Bring in the new code. May be cut off anywhere."""

    def complete(self, journal: Journal, say: LineSink) -> None:
        """What is left to do once the new code is there; may be repeated."""

    def failure(self, profile: str) -> str | None:
        """Why the code that is there does not start; None when it does."""

    def moved_on(self, journal: Journal) -> bool:
        """Whether somebody else has changed the code since: then nothing is to be undone."""

    def is_whole(self, journal: Journal) -> bool:
        """Whether the new code is there, all of it."""

    def put_back(self, journal: Journal, say: LineSink) -> None:
        """The old code, exactly, out of any half-change; may be repeated."""

    def end(self, journal: Journal) -> None:
        """Forget what was kept. Never raises."""
