"""Which lines of logs are shown: the last so many, those since a moment, those of a level. Pure but for the iterators."""

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from hermes_cli.system.log_reader import Line

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?)\S* (?:\[\d+\] ([A-Z]+) )?")
_LEVELS = {"info": 20, "warning": 30, "error": 40}
_OF_NAME = {b"DEBUG": 10, b"INFO": 20, b"WARNING": 30, b"ERROR": 40, b"CRITICAL": 50}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
Event = tuple[bytes, list[bytes]]  # its time, and its lines: the first bears the time, a traceback's others do not


def moment(text: str | None, now: float) -> bytes:
    """Return when `text` is, as the stamp of a line; "" sorts before all. Raises ValueError."""
    if text is None:
        return b""
    ago = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    if ago:
        at = datetime.fromtimestamp(max(0.0, now - int(ago[1]) * _UNITS[ago[2]]), UTC)
    else:
        at = datetime.fromisoformat(text)
        at = at.astimezone(UTC)  # without a zone it is local time
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23].encode()


@dataclass(frozen=True, slots=True)
class View:
    """What is asked for: lines from `since` on, of `level` or above."""

    since: bytes = b""
    level: str | None = None

    def last(self, logs: Iterable[Iterator[bytes]], count: int) -> Iterator[bytes]:
        """Yield the last `count` lines of all logs, in the order of their time. Each log comes backwards."""
        if count == 0:
            return
        kept = [self._last(log, count) for log in logs]
        merged = [line for _, lines in heapq.merge(*kept, key=lambda event: event[0]) for line in lines]
        yield from merged[-count:]

    def shown(self, lines: Iterable[Line]) -> Iterator[bytes]:
        """Yield those of the lines that are asked for. One without a stamp goes with the one before it in its log."""
        is_shown: dict[int, bool] = {}
        for log, line in lines:
            found = _STAMP.match(line)
            if found:
                is_shown[log] = self._admits(found[1], found[2])
            if is_shown.get(log, True):
                yield line

    def _last(self, backwards: Iterator[bytes], count: int) -> list[Event]:
        events: list[Event] = []
        after: list[bytes] = []
        lines = 0
        for line in backwards:
            after.append(line)
            found = _STAMP.match(line)
            if not found:
                if len(after) > count:
                    break
                continue
            if found[1] < self.since:
                after = []
                break
            if self._admits(found[1], found[2]):
                events.append((found[1], after[::-1]))
                lines += len(after)
            after = []
            if lines >= count:
                break
        if after and not self.since and self.level is None:  # the oldest lines of all have no stamp
            events.append((b"", after[::-1]))
        return events[::-1]

    def _admits(self, stamp: bytes, level: bytes | None) -> bool:
        if stamp < self.since:
            return False
        return self.level is None or _OF_NAME.get(level or b"INFO", 20) >= _LEVELS[self.level]
