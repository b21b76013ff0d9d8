"""Which events are still to be told. An event is told when its mark is on the disk, and that is written after the fact.

notify/begun.json      when notifying was switched on: what is older is not told
notify/done/ID         told, or given up
notify/tries/ID.json   how often it failed, and when

The same below hooks/.
"""

import contextlib
import os
from dataclasses import dataclass

from hermes_cli.notify.events import Event
from hermes_cli.paths import Paths
from hermes_cli.system import durable
from hermes_cli.system.printable import printable

TRIES = 5
_PAUSE = 10.0  # seconds after the first failure; doubles
_KEPT = 1000  # marks; more than all the records that events are read from


@dataclass(frozen=True, slots=True)
class Tried:
    """What was tried before. `at`: epoch seconds of the last time."""

    count: int = 0
    at: float = 0.0

    def is_due(self, now: float) -> bool:
        """Say whether it may be tried again; a time in the future is no reason to wait."""
        return self.count == 0 or not 0 <= now - self.at < _PAUSE * 2 ** (self.count - 1)


class Outbox:
    """The marks of one profile."""

    def __init__(self, paths: Paths, name: str = "notify", tries: int = TRIES) -> None:
        """Write nothing yet. `tries`: after so many it is given up."""
        self.folder = f"{paths.state}/{name}"
        self.tries = tries
        self._config = paths.config

    @property
    def lock(self) -> str:
        """One process at a time tells."""
        return f"{self.folder}/lock"

    def begin(self, now: float) -> float:
        """Return when notifying was switched on; the first call remembers it. Raises OSError."""
        path = f"{self.folder}/begun.json"
        found = durable.finite((durable.read_json(path) or {}).get("at"))
        if found is not None:
            return found
        try:
            switched_on = min(os.stat(self._config).st_mtime, now)  # somebody wrote the setting before we came by
        except OSError:
            switched_on = now
        durable.make_private_directory(self.folder)
        durable.publish(path, {"at": switched_on})
        return switched_on

    def end(self) -> None:
        """Forget it: nobody is to be told any more, and who is from now on wants no old news. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.folder}/begun.json")

    def undone(self, events: list[Event], now: float) -> list[Event]:
        """Return those of the events that nobody was told. Raises OSError."""
        since = self.begin(now)
        return [one for one in events if one.at >= since and not self.is_done(one.id)]

    def tried(self, identifier: str) -> Tried:
        """Return what was tried before; what cannot be read counts as nothing."""
        found = durable.read_json(self._tries(identifier)) or {}
        count, at = found.get("count"), durable.finite(found.get("at"))
        return Tried(count, at or 0.0) if type(count) is int else Tried()

    def failed(self, identifier: str, tried: Tried, now: float) -> Tried:
        """Remember a failure, and give up after the last try. Raises OSError."""
        found = Tried(tried.count + 1, now)
        durable.make_private_directory(f"{self.folder}/tries")
        durable.publish(self._tries(identifier), {"count": found.count, "at": found.at})
        if found.count >= self.tries:
            self.done(identifier)
        return found

    def is_done(self, identifier: str) -> bool:
        """Say whether the event has its mark."""
        return os.path.lexists(self._done(identifier))

    def why(self, identifier: str) -> str | None:
        """Return what its mark says was wrong, or None."""
        found = (durable.read_json(self._done(identifier)) or {}).get("why")
        return printable(found) if isinstance(found, str) else None

    def newest(self) -> str | None:
        """Return the event that was marked last, or None."""
        try:
            with os.scandir(f"{self.folder}/done") as found:
                marks = [(one.stat(follow_symlinks=False).st_mtime_ns, one.name) for one in found]
        except OSError:
            return None
        return max(marks)[1] if marks else None

    def done(self, identifier: str, why: str | None = None) -> None:
        """Mark an event as told, or as over with what was wrong. Raises OSError."""
        durable.make_private_directory(f"{self.folder}/done")
        durable.publish(self._done(identifier), {} if why is None else {"why": why})
        for stale in (self._tries(identifier),):
            if os.path.lexists(stale):
                os.unlink(stale)
        self._tidy()

    def _tidy(self) -> None:
        names = os.listdir(f"{self.folder}/done")
        if len(names) > _KEPT:
            places = sorted(
                (f"{self.folder}/done/{name}" for name in names), key=lambda place: os.lstat(place).st_mtime
            )
            for place in places[: len(names) - _KEPT]:
                os.unlink(place)

    def _done(self, identifier: str) -> str:
        return f"{self.folder}/done/{identifier}"

    def _tries(self, identifier: str) -> str:
        return f"{self.folder}/tries/{identifier}.json"
