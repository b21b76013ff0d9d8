"""What an update asks of the place that the code comes from: a checkout, wheels in an environment, a command."""

from typing import Any, Protocol, Self

from hermes_cli.update.candidate import Candidate, LineSink, Selection
from hermes_cli.update.journal import Journal


class Source(Protocol):
    """The code of one installation. Every method may raise HermesError and OSError, unless it says otherwise."""

    kind: str
    place: str

    def document(self) -> dict[str, Any]:
        """Return what `sources.of` needs to find this very place again, for the journal."""

    def keeping(self, descriptor: int) -> Self:
        """Return the same source with one more lock, which every command that changes something inherits."""

    def candidate(self, selection: Selection, say: LineSink) -> Candidate:
        """Return what is new; change nothing."""

    def way_back(self, receipt: Journal, selection: Selection, say: LineSink) -> Candidate:
        """Return what taking a finished update back would bring; change nothing."""

    def refuse(self, candidate: Candidate, selection: Selection) -> None:
        """Raise HermesError if the candidate would touch what is not the update's own."""

    def begin(self, journal: Journal, selection: Selection) -> None:
        """Keep what the way back needs, and note it in the journal, which is not written yet."""

    def change(self, journal: Journal, say: LineSink) -> None:
        """Bring in the new code. This may be cut off anywhere."""

    def complete(self, journal: Journal, say: LineSink) -> None:
        """Do what is left once the new code is there; this may be repeated."""

    def failure(self, profile: str) -> str | None:
        """Return why the code that is there does not start, or None if it does."""

    def moved_on(self, journal: Journal) -> bool:
        """Return whether somebody else has changed the code since; then nothing is to be undone."""

    def is_whole(self, journal: Journal) -> bool:
        """Return whether all of the new code is there."""

    def put_back(self, journal: Journal, say: LineSink) -> None:
        """Bring back exactly the old code, however far the change came; this may be repeated."""

    def end(self, journal: Journal) -> None:
        """Forget what was kept. Never raises."""
