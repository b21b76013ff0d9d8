"""What there is to be told. Nothing is written for it: each event is read from a record that is durable already.

So nobody can be killed between an outcome and its event, and an event that is looked at again has the same id.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hermes_cli.intents.record import Intent
from hermes_cli.intents.request import timestamp
from hermes_cli.intents.settled import Settled
from hermes_cli.paths import Paths
from hermes_cli.programs import own, starts
from hermes_cli.system import durable
from hermes_cli.system.process import signal_name
from hermes_cli.update.journal import Journal

LOOP = 3  # crashes soon after a start, one after the other
_SPOOL = 50  # files


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, at `at` in epoch seconds; `more` is what only its kind has."""

    id: str
    name: str
    at: float
    text: str
    more: dict[str, Any] = field(default_factory=dict)

    def document(self, profile: str) -> dict[str, Any]:
        """Return it as the command reads it."""
        known = {"schema": 1, "id": self.id, "event": self.name, "profile": profile, "at": timestamp(self.at)}
        return {**known, "text": self.text, **self.more}


def find(paths: Paths) -> list[Event]:
    """Return every event that is on the disk, the oldest first. Raises OSError."""
    from hermes_cli.update import journal

    running = own.read_alive(paths)
    runs = starts.read(paths, running.identity.pid if running is not None else None)
    found = [*of_intents(paths.queue.history()), *of_runs(runs), *of_spool(paths)]
    if os.path.isdir(paths.updates):
        found += of_updates(journal.receipts(paths))
    return sorted(found, key=lambda event: (event.at, event.id))


def of_intents(history: Iterable[Settled]) -> Iterator[Event]:
    """Yield restarts that happened, and those that did not."""
    for one in history:
        if one.outcome in {"restarted", "failed"}:
            more = {**of_intent(one.intent), "took": round(one.took, 3), "trigger": one.trigger}
            yield Event(f"{one.intent.id}-{one.outcome}", one.outcome, one.settled_at, one.detail, more)


def of_intent(intent: Intent) -> dict[str, Any]:
    """Return what an event says of the request that it comes from."""
    return {"intent": intent.id, "reason": intent.reason, "requester": str(intent.requester)}


def of_runs(runs: Sequence[starts.Run]) -> Iterator[Event]:
    """Yield crashes, and once for each row of them that it is a loop."""
    row: list[starts.Run] = []
    for run in runs:
        if run.ended_at is None:
            continue
        if not run.crashed:
            row = []
            continue
        more = {
            "pid": run.pid or None,
            "exit_code": run.code if run.code is not None and run.code >= 0 else None,
            "signal": signal_name(-run.code) if run.code is not None and run.code < 0 else None,
            "ran": round(run.lasted(run.ended_at), 3),
        }
        # By the start: when somebody was killed is only known to the second look.
        yield Event(f"crashed-{run.pid}-{run.at:.0f}", "crashed", run.ended_at, f"pid {run.pid}: {run.end}", more)
        row = [*row, run] if run.was_short else []
        if len(row) == LOOP:
            text = f"{LOOP} crashes soon after a start, one after the other; the last one: {run.end}"
            name = f"crash-loop-{row[0].pid}-{row[0].at:.0f}"
            yield Event(name, "crash-loop", run.ended_at, text, {"crashes": LOOP})


def of_updates(receipts: Iterable[Journal]) -> Iterator[Event]:
    """Yield releases that were taken back."""
    for one in receipts:
        if one.rolls_back and one.outcome in {"restarted", "updated"}:
            text = f"{one.old_shown} was rolled back to {one.new_shown} ({one.command})"
            yield Event(f"{one.intent}-rolled-back", "rolled-back", one.ended_at, text, {"intent": one.intent})


def of_spool(paths: Paths) -> Iterator[Event]:
    """Yield what only who saw it has written down."""
    folder = spool_of(paths)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        found = durable.read_json(f"{folder}/{name}") if name.endswith(".json") else None
        at = durable.finite(found.get("at")) if found is not None else None
        if found is None or at is None:
            continue
        text, revision = str(found.get("text", "")), str(found.get("revision", ""))
        yield Event(name.removesuffix(".json"), "update-available", at, text, {"revision": revision})


def note_update(paths: Paths, revision: str, text: str, now: float) -> None:
    """Write down that there is an update, once for each revision. Raises OSError."""
    import hashlib

    folder = spool_of(paths)
    durable.make_private_directory(folder)
    digest = hashlib.sha256(revision.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    path = f"{folder}/update-available-{digest}.json"
    if os.path.lexists(path):
        return
    for old in sorted(os.listdir(folder), key=lambda name: os.stat(f"{folder}/{name}").st_mtime)[: -_SPOOL + 1]:
        os.unlink(f"{folder}/{old}")
    durable.publish(path, {"at": now, "revision": revision, "text": text})


def spool_of(paths: Paths) -> str:
    """Return the directory of what was written down."""
    return f"{paths.state}/notify/spool"
