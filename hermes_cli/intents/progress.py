"""How far an intent has come: a mutable note beside an immutable record. Losing it costs time, never the intent."""

from typing import Any, NamedTuple

from hermes_cli.system import durable


class Progress(NamedTuple):
    """Times in epoch seconds, 0 for never."""

    since: float = 0.0  # when a driver first took it up
    signals: int = 0  # instances signalled or killed
    signalled_pid: int = 0
    signalled_at: float = 0.0
    attempts: int = 0  # demand starts
    attempted_at: float = 0.0
    waiting_for: str = ""
    rule: str = ""  # which rule of `decide` waits
    repeats: int = 0  # of the last signal
    ready_pid: int = 0  # the fresh instance that was seen ready, and since when
    ready_since: float = 0.0
    lost: int = 0  # fresh instances that were ready and ended by themselves
    start_pid: int = 0  # the start that the last look found at work
    gone_at: float = 0.0  # when the named instance was first seen to be gone
    died: int = 0  # starts that ended between two looks, the second of which found another one at work

    def not_ahead_of(self, now: float) -> "Progress":
        """Return the same with no time in the future: after the clock was stepped back, nobody waits for it to catch up."""
        if max(self.since, self.signalled_at, self.attempted_at, self.ready_since, self.gone_at) <= now:
            return self
        return self._replace(
            since=min(self.since, now),
            signalled_at=min(self.signalled_at, now),
            attempted_at=min(self.attempted_at, now),
            ready_since=min(self.ready_since, now),
            gone_at=min(self.gone_at, now),
        )


def read(directory: str, identifier: str) -> Progress:
    """Return the progress so far; a fresh one when there is none, or when it cannot be read."""
    document = durable.read_json(_path(directory, identifier)) or {}
    kinds: dict[str, Any] = {name: type(default) for name, default in Progress._field_defaults.items()}
    return Progress(**{name: kind(document[name]) for name, kind in kinds.items() if _fits(document.get(name), kind)})


def write(directory: str, identifier: str, progress: Progress) -> None:
    """Replace the note. Raises OSError."""
    durable.replace_volatile(_path(directory, identifier), progress._asdict())


def _path(directory: str, identifier: str) -> str:
    return f"{directory}/{identifier}.json"


def _fits(value: Any, kind: type) -> bool:
    if kind is str:
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
