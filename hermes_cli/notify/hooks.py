"""`[hooks]`: a command before a gateway is asked to leave for a restart, and one when that restart has its outcome.

hooks/done/ID-before-restart.json  it has run, and what was wrong with it, or null; the same for `after-restart`

A hook may fail, hang and be killed: the restart goes on. It runs once; a second time only if who ran it was killed.
"""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Sequence

from hermes_cli.config import HooksConfig
from hermes_cli.intents.record import Intent
from hermes_cli.intents.settled import Settled
from hermes_cli.notify.events import Event, of_intent
from hermes_cli.notify.outbox import Outbox
from hermes_cli.notify.run import run
from hermes_cli.paths import Paths

BEFORE, AFTER = "before-restart", "after-restart"
_RUNS = 2  # the second if the first one's driver was killed
_STALE = 3600.0  # seconds; a restart of that long ago is over, also for whoever wants to hear of it
_log = logging.getLogger("hermes.hooks")


def outbox_of(paths: Paths) -> Outbox:
    """Return the marks of this profile's hooks."""
    return Outbox(paths, "hooks", tries=_RUNS)


class Hooks:
    """What a driver runs before it has an instance leave."""

    def __init__(self, paths: Paths, settings: HooksConfig) -> None:
        """Read and write nothing yet."""
        self._paths = paths
        self._settings = settings
        self._outbox = outbox_of(paths)
        self._ran: set[str] = set()  # whatever the disk says: a full one must not have it run for ever

    @property
    def limit(self) -> float:
        """Seconds that `before` takes at most."""
        return self._settings.timeout

    def is_due(self, intents: Sequence[Intent]) -> bool:
        """Say whether the hook is still to run for one of those that the same signal serves."""
        return bool(self._settings.before_restart) and any(map(self._is_undone, intents))

    def before(self, intents: Sequence[Intent]) -> None:
        """Run the hook once for all of them. Never raises."""
        undone = [intent for intent in intents if self._is_undone(intent)]
        first = undone[0]
        self._ran.update(intent.id for intent in undone)
        key = _key(first.id, BEFORE)
        with contextlib.suppress(OSError):  # counted first: whoever kills this process is met twice at most
            self._outbox.failed(key, self._outbox.tried(key), time.time())
        event = Event(key, BEFORE, time.time(), f"a restart is due: {first.reason}", of_intent(first))
        why = run_hook("before_restart", self._settings.before_restart, event, self._paths.profile, self.limit)
        for intent in undone:
            with contextlib.suppress(OSError):
                self._outbox.done(_key(intent.id, BEFORE), why)

    def failure(self, intent: Intent) -> str | None:
        """Return what was wrong with the hook of this intent, or None. Never raises."""
        why = self._outbox.why(_key(intent.id, BEFORE)) if self._settings.before_restart else None
        return None if why is None else f"before_restart failed: {why}"

    def _is_undone(self, intent: Intent) -> bool:
        return intent.id not in self._ran and not self._outbox.is_done(_key(intent.id, BEFORE))


def run_hook(name: str, argv: tuple[str, ...], event: Event, profile: str, timeout: float) -> str | None:
    """Run one hook. Return why that failed, or None, and say it in the log. Never raises."""
    try:
        why = run(argv, event.document(profile), timeout)
    except OSError as error:  # no room for what it is given
        why = f"{argv[0]} was not run ({error.strerror})"
    if why is None:
        _log.info("%s ran, %s", name, event.id)
    else:
        _log.warning("%s failed, the restart goes on without it (%s): %s", name, event.id, why)
    return why


def last_failure(paths: Paths) -> str | None:
    """Return what was wrong with the hook that ran last, or None. Never raises."""
    outbox = outbox_of(paths)
    identifier = outbox.newest()
    why = None if identifier is None else outbox.why(identifier)
    return None if why is None else f"the hook of {identifier} failed: {why}"


def of_outcomes(paths: Paths, history: Iterable[Settled]) -> Iterator[Event]:
    """Yield each restart whose end is to be known: one for each fresh instance, and whatever `before_restart` ran for."""
    outbox, fresh = outbox_of(paths), set[str]()
    for one in sorted(history, key=lambda settled: -settled.ago):
        if one.ago > _STALE:
            continue
        if one.outcome not in {"restarted", "failed"} and not outbox.is_done(_key(one.intent.id, BEFORE)):
            continue
        instance = str(one.instance)
        if one.outcome == "restarted" and instance in fresh:
            continue
        fresh.add(instance)
        more = {**of_intent(one.intent), "outcome": one.outcome, "took": round(one.took, 3), "trigger": one.trigger}
        yield Event(_key(one.intent.id, AFTER), AFTER, one.settled_at, one.detail, more)


def _key(identifier: str, name: str) -> str:
    return f"{identifier}-{name}"
