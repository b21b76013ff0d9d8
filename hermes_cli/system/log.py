"""One line per event, with UTC time, pid and level; no message texts, no secrets.

`2026-11-23T16:05:11.123Z [4242] WARNING hermes.local: a client that does not read was dropped`
"""

import contextlib
import io
import logging
import os
import sys
import time
from typing import Any

from hermes_cli.system.log_file import Bounds, LogFile, is_output
from hermes_cli.system.printable import printable

__all__ = ["Bounds", "bound", "configure", "configure_by_output", "is_output", "leads_nowhere", "tend"]

LINE_LIMIT = 16 * 1024  # characters of one event; the rest is cut
BURST, WINDOW = 500, 10.0  # lines of one place in the code within so many seconds; what is more is counted


class _Line(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        return printable(super().formatMessage(record), LINE_LIMIT + 1)

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's name
        return "\n".join(printable(line) for line in super().formatException(ei).split("\n"))

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if len(text) <= LINE_LIMIT else f"{text[:LINE_LIMIT]} [cut, {len(text) - LINE_LIMIT} more]"


class _Rate(logging.Filter):
    """Lets each place in the code write BURST lines in WINDOW seconds, and says how many it left out."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now = (record.pathname, record.lineno), time.monotonic()
        began, count = self._seen.get(place, (now, 0))
        if now - began >= WINDOW:
            if count > BURST:
                record.msg, record.args = f"{record.getMessage()} [{count - BURST} such lines left out before]", None
            began, count = now, 0
        self._seen[place] = (began, count + 1)
        return count < BURST


class _Handler(logging.Handler):
    """Writes each event into the log."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._file.write(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except Exception:  # noqa: BLE001  as every handler: a log that cannot be written must not end its program
            self.handleError(record)


class _Output(io.TextIOBase):
    """Standard output and error as Python prints to them: whole lines go into the log as events do."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._begun = ""

    def fileno(self) -> int:
        return 2

    def write(self, text: str) -> int:
        whole, newline, rest = (self._begun + text).rpartition("\n")
        self._put(whole + newline)
        self._begun = rest
        if len(rest) > LINE_LIMIT:
            self.flush()
        return len(text)

    def flush(self) -> None:
        self._put(self._begun)
        self._begun = ""

    def _put(self, text: str) -> None:
        if text:
            with contextlib.suppress(OSError):
                self._file.write(text.encode("utf-8", "backslashreplace"))


_file: LogFile | None = None  # of this process


def configure(path: str | None = None, bounds: Bounds | None = None, *, outputs: bool = False) -> None:
    """Log from INFO on into the file `path`, or to stderr. Raises OSError.

    With `outputs` whatever this process prints goes there, too.
    """
    global _file  # noqa: PLW0603  as logging itself: one for each process
    _file = None if path is None else LogFile(path, bounds)
    if _file is not None and outputs:
        _file.lead_outputs()
        sys.stdout = sys.stderr = _Output(_file)
    _log_with(
        logging.StreamHandler(sys.stderr) if _file is None else _Handler(_file), None if _file is None else _journal()
    )


def _journal() -> logging.Handler | None:
    """Return what sends to systemd's journal, where a manager that has one started us; else None."""
    from hermes_cli.system import journal

    if not journal.is_connected(os.environ):
        return None
    with contextlib.suppress(OSError):
        handler = journal.Journal("hermes")
        handler.setFormatter(_Line("%(name)s: %(message)s"))
        return handler
    return None


def configure_by_output(path: str, bounds: Bounds | None = None, *, is_ours: bool = False) -> None:
    """Log into the file `path` if stderr leads there already, else to stderr, which somebody else reads or keeps.

    `is_ours`: stderr is known to lead there.
    """
    if is_ours or is_output(path):
        with contextlib.suppress(OSError):
            configure(path, bounds, outputs=True)
            return
    configure()


def bound(bounds: Bounds) -> None:
    """Change the bounds of this process's log."""
    if _file is not None:
        _file.bounds = bounds


def tend() -> bool:
    """Bound what went into the log past the logger, and follow a rotation of another process. Call it now and then.

    Return whether there is a log to tend.
    """
    if _file is not None:
        _file.tend()
    return _file is not None


def leads_nowhere() -> bool:
    """Say whether stderr is /dev/null."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(2), os.stat(os.devnull))
    return False


def _log_with(handler: logging.Handler, also: logging.Handler | None) -> None:
    logging.raiseExceptions = False  # a reader of stderr that went away must not matter
    handler.setFormatter(_Line(f"%(asctime)s [{os.getpid()}] %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_Rate())
    handlers = [handler] if also is None else [handler, also]
    for one in handlers[1:]:
        one.addFilter(_Rate())
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
