"""`hermes update --rollback`: an update back to where the newest update of this installation began.

A release that was rolled back is not taken again until somebody names it: an update that cron runs must not bring it
back.
"""

import heapq
from typing import NamedTuple

from hermes_cli.errors import HermesError, TryAgainError
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.update import journal
from hermes_cli.update.journal import DONE, Journal

TYPE_CHECKING = False
if TYPE_CHECKING:  # `hermes gateway status` reads receipts, and needs no sources
    from collections.abc import Iterator

    from hermes_cli.update.candidate import Candidate, LineSink, Selection
    from hermes_cli.update.sources.base import Source

CRASHES = 3  # after so many the gateway asks for a rollback itself; see hermes_cli.update.crashes


class Rollback(NamedTuple):
    """What was asked for. `command`: who asked, for the history. `of`: only if this update is the newest; "": any."""

    command: str = "hermes update --rollback"
    of: str = ""


def receipts(paths: Paths) -> "Iterator[Journal]":
    """Yield the ended updates of all profiles that had something to bring, newest first."""
    each = (journal.receipts(sibling(paths, name)) for name in profiles(paths))
    merged = heapq.merge(*each, key=lambda one: one.intent, reverse=True)  # an id begins with the time
    return (one for one in merged if one.new != one.old)


def newest(paths: Paths) -> Journal | None:
    """Return the newest update that was made, which has brought what is installed as far as hermes knows."""
    return next((one for one in receipts(paths) if one.outcome in DONE), None)


def find(paths: Paths, asked: Rollback) -> Journal:
    """Return the receipt of the update that is to be taken back. The caller has the update lock. Raises HermesError."""
    for name in profiles(paths):
        for one in journal.under_way(sibling(paths, name)):
            raise TryAgainError(f"the update to {one.new_shown} is under way: try again when it has ended")
    # A rollback that was not made has left what it began with, so it is passed over.
    real = (one for one in receipts(paths) if one.outcome in DONE or not (one.rolls_back or asked.of))
    found = next(real, None)
    if found is None:
        raise HermesError("nothing to roll back, no update is on record: hermes update --to REF")
    if asked.of and found.intent != asked.of:
        raise HermesError(f"nothing to roll back, {found.new_shown} came in meanwhile: hermes update --history")
    if found.rolls_back:
        raise HermesError(
            f"the newest update was a rollback itself, from {found.old_shown} to {found.new_shown}: "
            "hermes update --to REF goes anywhere"
        )
    if found.outcome not in DONE:
        raise HermesError(
            f"nothing to roll back, the newest update, to {found.new_shown}, was not made ({found.outcome}): "
            "hermes update --history"
        )
    return found


def candidate(source: "Source", receipt: Journal, selection: "Selection", say: "LineSink") -> "Candidate":
    """Return the way back, if exactly what that update has brought is installed. Raises HermesError."""
    here = source.document()
    if any(here.get(name) != receipt.source.get(name) for name in ("kind", "root", "site")):
        raise HermesError("the newest update was of another installation than this one: hermes update --to REF")
    found = source.way_back(receipt, selection, say)
    if found.old != receipt.new:
        raise HermesError(
            f"{found.old_shown} is installed, not {receipt.new_shown} that the newest update has brought: "
            "hermes update --to REF"
        )
    return found


def refusal(paths: Paths, found: "Candidate", selection: "Selection") -> str | None:
    """Return why this candidate is only brought in by name: it was rolled back before. None if it was not."""
    if selection.to is not None:
        return None
    for one in receipts(paths):
        if one.outcome not in DONE:
            continue
        if one.rolls_back and one.old == found.new:
            name = found.notes.get("new_ref") or found.new_shown
            return f"{found.new_shown} was rolled back ({one.command}): hermes update --to {name} installs it anyway"
        if one.new == found.new:  # since then, by somebody who named it
            return None
    return None
