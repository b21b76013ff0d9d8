"""Which lines of logs are shown, and how: the last so many, those since a moment, of a level. Pure but for the iterators."""

import heapq
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from hermes_cli.system.log_reader import Line

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?)\S* (?:\[\d+\] ([A-Z]+) )?")
_LEVELS = {"info": 20, "warning": 30, "error": 40}
_OF_NAME = {b"DEBUG": 10, b"INFO": 20, b"WARNING": 30, b"ERROR": 40, b"CRITICAL": 50}
_PARTS = re.compile(r"(\S+) \[(\d+)\] ([A-Z]+) (?:(\S+): )?(.*)", re.DOTALL)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# Its time, its log, and its lines: the first bears the time, a traceback's others do not.
Event = tuple[bytes, int, list[bytes]]


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


def local(line: bytes) -> bytes:
    """Return the line with its time as the clock on the wall shows it."""
    found = _STAMP.match(line)
    if not found:
        return line
    stamp, _, rest = line.partition(b" ")
    try:
        at = datetime.fromisoformat(stamp.decode("ascii")).astimezone()
    except ValueError:
        return line
    milliseconds = f".{at.microsecond // 1000:03d}" if b"." in stamp else ""
    return f"{at:%Y-%m-%d %H:%M:%S}{milliseconds} ".encode() + rest


def as_json(line: bytes, log: str) -> bytes:
    """Return a line as one JSON object; a line of a traceback has no time, and goes with the one before it."""
    text = line.decode("utf-8", "replace").rstrip("\n")
    found = _PARTS.fullmatch(text) if _STAMP.match(line) else None
    at, pid, level, logger, message = found.groups() if found else (None, None, None, None, text)
    if found is None and _STAMP.match(line):
        at, _, message = text.partition(" ")
    document = {"at": at, "log": log, "pid": int(pid) if pid else None, "level": level, "logger": logger}
    return json.dumps({**document, "message": message}).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class View:
    """What is asked for: lines from `since` on, of `level` or above."""

    since: bytes = b""
    level: str | None = None

    def last(self, logs: Iterable[Iterator[bytes]], count: int) -> Iterator[Line]:
        """Yield the last `count` lines of all logs, in the order of their time. Each log comes backwards."""
        if count == 0:
            return
        kept = [self._last(number, log, count) for number, log in enumerate(logs)]
        merged = [(log, line) for _, log, lines in heapq.merge(*kept, key=lambda event: event[0]) for line in lines]
        yield from merged[-count:]

    def shown(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield those of the lines that are asked for. One without a stamp goes with the one before it in its log."""
        is_shown: dict[int, bool] = {}
        for log, line in lines:
            found = _STAMP.match(line)
            if found:
                is_shown[log] = self._admits(found[1], found[2])
            if is_shown.get(log, True):
                yield log, line

    def _last(self, log: int, backwards: Iterator[bytes], count: int) -> list[Event]:
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
                events.append((found[1], log, after[::-1]))
                lines += len(after)
            after = []
            if lines >= count:
                break
        if after and not self.since and self.level is None:  # the oldest lines of all have no stamp
            events.append((b"", log, after[::-1]))
        return events[::-1]

    def _admits(self, stamp: bytes, level: bytes | None) -> bool:
        if stamp < self.since:
            return False
        return self.level is None or _OF_NAME.get(level or b"INFO", 20) >= _LEVELS[self.level]
