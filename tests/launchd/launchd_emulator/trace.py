"""The trace: one JSON line per event, in CLOCK_MONOTONIC and in launchd's own time."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_OWN_FIELDS = ("t", "clock", "event", "label", "pid", "cause")


@dataclass(frozen=True)
class Event:
    """One line of the trace. Fields that only some events have are in `more`, and are attributes, too."""

    t: float
    clock: float  # launchd's seconds since its daemon came up
    event: str
    label: str | None
    pid: int | None
    cause: str | None
    more: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["more"][name]
        except KeyError:
            raise AttributeError(name) from None

    def matches(self, event: str | None, label: str | None, fields: dict[str, Any]) -> bool:
        """Return whether the event is of that kind and label and has all these fields with these values."""
        everything = {"t": self.t, "clock": self.clock, "pid": self.pid, "cause": self.cause, **self.more}
        return (
            event in {None, self.event}
            and label in {None, self.label}
            and all(name in everything and everything[name] == value for name, value in fields.items())
        )


class Trace:
    """The file that events are appended to. Each line is there for every reader before `add` returns."""

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self._descriptor).st_size
        self.on_growth: Callable[[], None] = lambda: None

    def add(
        self, event: str, label: str | None = None, *, pid: int | None = None, cause: str | None = None, **more: Any
    ) -> None:
        """Write one event, as of now."""
        now = {"t": time.monotonic(), "clock": self._clock()}
        record = {**now, "event": event, "label": label, "pid": pid, "cause": cause, **more}
        self.size += os.write(self._descriptor, (json.dumps(record) + "\n").encode())
        self.on_growth()


def read(path: str) -> Iterator[Event]:
    """Return every whole line of a trace so far."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            record = json.loads(line)
            own = {name: record.pop(name) for name in _OWN_FIELDS}
            yield Event(**own, more=record)
