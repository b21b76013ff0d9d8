"""The phases of one restart, from the request to the outcome, and when each began. Pure.

    requested → signalled → draining → exited → demanded → starting → ready → settled

Gateways note in gateway.json when they took a step, drivers in `progress/`; nothing is written for the trace alone. A phase that
nobody noted is left out, and so is one that cannot be in this order: the manager had made a start by itself before it was
demanded. So the phases always add up to the time from the request to the outcome.
"""

from typing import Any, NamedTuple

from hermes_cli.intents.instance import Instance, Marks
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import Intent
from hermes_cli.intents.request import timestamp
from hermes_cli.system.durable import finite

PHASES = ("requested", "signalled", "draining", "exited", "demanded", "starting", "ready", "settled")


class Phase(NamedTuple):
    """One phase: `at`, in epoch seconds, it began; it `lasted` seconds until the next one began. None: it still goes on."""

    name: str
    at: float
    lasted: float | None


class Trace(NamedTuple):
    """How far a restart came, and when. `turns` were waited for; `attempts` starts were demanded."""

    phases: tuple[Phase, ...]
    turns: int = 0
    attempts: int = 0

    @property
    def took(self) -> float:
        """Seconds from the first phase to the last one."""
        return self.phases[-1].at - self.phases[0].at

    def document(self) -> list[dict[str, Any]]:
        """Return the phases as JSON."""
        return [
            {
                "phase": one.name,
                "at": timestamp(one.at),
                "lasted": None if one.lasted is None else round(one.lasted, 3),
            }
            for one in self.phases
        ]


def reached(intent: Intent, known: Progress, running: Instance | None) -> dict[str, float]:
    """Return when each phase began, of those that are known of a restart that is not settled, in seconds since the request.

    None is known once the clock has been set: they are noted by it, and nobody can tell which were noted before.
    """
    if intent.is_clock_set:
        return {}
    old, fresh = _old(intent, running), _fresh(intent, running)
    found = {
        "signalled": _first(old.signalled if old else 0.0, known.signalled_at),
        "draining": old.draining if old else 0.0,
        "exited": (old.exited if old else 0.0) or known.gone_at,
        "demanded": known.attempted_at,
        "starting": fresh.started_at if fresh is not None else 0.0,
        "ready": fresh.marks.ready if fresh is not None and fresh.marks is not None else 0.0,
    }
    return {name: at - intent.requested_at for name, at in found.items() if at > 0.0}


def live_trace(intent: Intent, known: Progress, running: Instance | None) -> Trace:
    """Return the trace of a restart that is under way."""
    offsets = reached(intent, known, running)
    return trace(intent, offsets, turns=turns_of(intent, running), attempts=known.attempts)


def turns_of(intent: Intent, running: Instance | None) -> int:
    """Return how many turns the instance that is to go waits, or waited, for."""
    old = _old(intent, running)
    return old.turns if old is not None else 0


def trace(intent: Intent, offsets: dict[str, float], *, turns: int = 0, attempts: int = 0) -> Trace:
    """Return the trace of these phases, given in seconds since the request; with "settled", it is over."""
    over = offsets.get("settled")
    kept = [("requested", 0.0)]
    ahead = _latest_first(offsets, over)
    for name in PHASES[1:]:
        at = offsets.get(name)
        if at is None or at > ahead[name]:
            continue
        began = max(at, 0.0)  # what began before the request was under way when it came
        if began >= kept[-1][1]:  # a demand bounds nothing that came before it
            kept.append((name, began))
    begun = intent.requested_at
    ends = [at for _, at in kept[1:]] + [None]
    return Trace(
        tuple(
            Phase(name, begun + at, None if end is None else end - at)
            for (name, at), end in zip(kept, ends, strict=True)
        ),
        turns,
        attempts,
    )


def settled_trace(intent: Intent, took: float, attempts: int) -> Trace:
    """Return the trace that a settled record holds; of an older release, when it was requested and settled."""
    found = intent.document.get("trace")
    known = found if isinstance(found, dict) else {}
    offsets = {name: at for name in PHASES[1:-1] if (at := finite(known.get(name))) is not None}
    turns = known.get("turns")
    return trace(intent, offsets | {"settled": took}, turns=turns if type(turns) is int else 0, attempts=attempts)


def _latest_first(offsets: dict[str, float], over: float | None) -> dict[str, float]:
    """Return for each phase the earliest time at which a later one began: it cannot have begun after that."""
    bound = over if over is not None else float("inf")
    found: dict[str, float] = {}
    for name in reversed(PHASES):
        found[name] = bound
        at = offsets.get(name)
        # A start may have been demanded in vain; what was started without it says more.
        if at is not None and at <= bound and name != "demanded":
            bound = at
    return found


def _old(intent: Intent, running: Instance | None) -> Marks | None:
    """Return the marks of the instance that the intent names: it runs still, or the running one has come after it."""
    if running is None or intent.target is None:
        return None
    if intent.target.is_same_as(running.identity):
        return running.marks
    before = running.before
    return before if before is not None and before.pid == intent.target.pid else None


def _fresh(intent: Intent, running: Instance | None) -> Instance | None:
    if running is None or (intent.target is not None and intent.target.is_same_as(running.identity)):
        return None
    return running


def _first(*times: float) -> float:
    return min((at for at in times if at > 0.0), default=0.0)
