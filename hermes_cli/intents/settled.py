"""An intent with its final outcome, and what the history of them says."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from hermes_cli.intents.record import Intent, time_of
from hermes_cli.intents.request import elapsed
from hermes_cli.system.durable import finite
from hermes_cli.system.printable import printable

_LIMIT = 64  # letters of a word


class Settled(NamedTuple):
    """An intent with its final outcome. `took` in seconds since the request; `instance` is the fresh one."""

    intent: Intent
    outcome: str
    detail: str
    settled_at: float
    trigger: str
    took: float
    attempts: int
    instance: dict[str, Any] | None

    @property
    def ago(self) -> float:
        """Seconds since it was settled, now."""
        asked = self.intent.boot_time
        return elapsed(self.settled_at, self.intent.boot_id, None if asked is None else asked + self.took)


def settled_of(intent: Intent) -> Settled:
    """Return what a settled record says beside its intent. Missing fields degrade."""
    document = intent.document
    attempts, instance = document.get("attempts"), document.get("instance")
    took, at = finite(document.get("took")) or 0.0, time_of(document.get("settled_at"))
    return Settled(
        intent=intent,
        outcome=printable(document.get("outcome"), _LIMIT),
        detail=printable(document.get("detail") or ""),
        settled_at=at if at is not None else intent.requested_at + took,
        trigger=printable(document.get("trigger") or "unknown", _LIMIT),
        took=took,
        attempts=attempts if type(attempts) is int else 0,
        instance=instance if isinstance(instance, dict) else None,
    )


def restart_times(history: Iterable[Settled]) -> tuple[float, ...]:
    """Return when each restart was seen; intents that one restart has satisfied count once."""
    seen = {str(settled.instance): settled.settled_at for settled in history if settled.outcome == "restarted"}
    return tuple(sorted(seen.values()))
