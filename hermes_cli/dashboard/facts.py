"""What the page shows, as JSON: every profile as `list` sees it, and the history of one."""

import time
from typing import Any

from hermes_cli.installation.revision import installed_revision
from hermes_cli.intents.request import timestamp
from hermes_cli.intents.settled import Settled
from hermes_cli.intents.trace import Trace, live_trace, settled_trace
from hermes_cli.paths import Paths, own_home
from hermes_cli.programs import own, starts
from hermes_cli.status.document import problem_document
from hermes_cli.status.overview import Row, document_of, overview
from hermes_cli.status.problems import problems
from hermes_cli.update.history import lines

_SHOWN = 50  # of each history


def everything(paths: Paths) -> tuple[list[Row], dict[str, Any]]:
    """Return every profile as it is now, also as JSON with the phases of what is pending. Raises OSError."""
    revision = installed_revision()
    rows = overview(paths, lambda: revision)
    return rows, {"schema": 1, "profiles": [_profile(row, paths) for row in rows]}


def history(paths: Paths) -> dict[str, Any]:
    """Return the newest restarts, starts and updates of one profile."""
    running = own.read_alive(paths)
    runs = starts.read(paths, running.identity.pid if running is not None else None)
    return {
        "schema": 1,
        "restarts": [_restart(one) for one in paths.queue.history()[:_SHOWN]],
        "starts": [_start(one) for one in runs[::-1][:_SHOWN]],
        "updates": lines(paths)[:_SHOWN],
    }


def _profile(row: Row, paths: Paths) -> dict[str, Any]:
    from hermes_cli.paths import sibling

    found = document_of(row)
    found["phases"] = None
    if row.status is not None:  # as they can be pasted anywhere, for whoever looks has another shell
        found["problems"] = [problem_document(one) for one in problems(row.status, own_home())]
    if row.pending and row.status is not None:
        one = sibling(paths, row.profile)
        intent = next(iter(one.queue.unsettled()), None)
        if intent is not None:
            trace = live_trace(intent, one.queue.progress_of(intent.id), row.status.instance)
            found["phases"] = _phases(trace, time.time())
    return found


def _restart(one: Settled) -> dict[str, Any]:
    trace = settled_trace(one.intent, one.took, one.attempts)
    return {
        "id": one.intent.id,
        "reason": one.intent.reason,
        "requester": str(one.intent.requester),
        "outcome": one.outcome,
        "detail": one.detail,
        "at": timestamp(one.settled_at),
        "took": one.took,
        "phases": _phases(trace, one.settled_at),
    }


def _start(one: starts.Run) -> dict[str, Any]:
    return {
        "at": timestamp(one.at),
        "why": one.why or "unknown",
        "pid": one.pid or None,
        "end": one.end if one.ended_at is not None else None,
        "crashed": one.crashed,
        "ran": round(one.lasted(time.time()), 1),
    }


def _phases(trace: Trace, now: float) -> list[dict[str, Any]]:
    return [
        {
            "phase": one.name,
            "at": timestamp(one.at),
            "lasted": round(max(0.0, now - one.at) if one.lasted is None else one.lasted, 3),
            "turns": trace.turns if one.name == "draining" else 0,
        }
        for one in trace.phases
    ]
