"""Bring the code from one revision to another, and back. The caller holds the update lock and has a journal."""

from hermes_cli.errors import HermesError
from hermes_cli.update.candidate import LineSink
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources.base import Source


def apply(source: Source, journal: Journal, profile: str, say: LineSink) -> None:
    """Bring in the new revision and prove that it starts. Raises HermesError with what went wrong, OSError."""
    with journal.timed("change"):
        source.change(journal, say)
    complete(source, journal, profile, say)


def complete(source: Source, journal: Journal, profile: str, say: LineSink) -> None:
    """Finish the installation of the new code, and prove that it starts. Raises HermesError, OSError."""
    with journal.timed("complete"):
        source.complete(journal, say)
    say(f"proving that {journal.new_shown} starts")
    with journal.timed("prove"):
        why = source.failure(profile)
    if why is not None:
        raise HermesError(f"{journal.new_shown} does not start ({why})")
    journal.note(step="proven")


def put_back(source: Source, journal: Journal, say: LineSink, why: str = "") -> None:
    """Bring back exactly the old code, however far the change came; may be repeated. Raises HermesError, OSError."""
    journal.note(step="undoing", why=why or journal.why)
    with journal.timed("put back"):
        source.put_back(journal, say)
    source.end(journal)
    if journal.tried:
        journal.note(step="undone")
    else:
        journal.end("undone")


def finish(source: Source, journal: Journal, profile: str, say: LineSink) -> None:
    """Make the code of an update that was cut off whole: new if it is complete and starts, else old.

    Raises HermesError, OSError.
    """
    if source.moved_on(journal):
        say(f"{journal.intent}: {source.place} has moved on since, nothing is undone")
        journal.end("left", f"{source.place} has moved on since")
        return
    if journal.step == "begun" and source.is_whole(journal):
        try:
            complete(source, journal, profile, say)
        except HermesError as error:
            say(f"{journal.intent}: {error}")
            journal.why = str(error)
        else:
            say(f"{journal.intent}: the update to {journal.new_shown} was complete")
            return
    put_back(source, journal, say, journal.why or "it was cut off")
    say(f"{journal.intent}: {journal.old_shown} is in place")
