"""The lines of an update: plain on stdout, with the time in update.log, and signs of life while one step takes long."""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Self

from hermes_cli.config import load_or_defaults
from hermes_cli.intents.request import timestamp
from hermes_cli.paths import Paths
from hermes_cli.system import threads
from hermes_cli.system.log_file import LogFile
from hermes_cli.system.printable import printable
from hermes_cli.update.output import LOGGER

_LIVE, _PLAIN = 0.5, 30.0  # seconds between signs of life on a terminal, and where lines are kept


class Report:
    """Prints lines and keeps them. Neither a full disk nor a closed pipe stops an update half-way."""

    def __init__(self, paths: Paths) -> None:
        """Open nothing yet."""
        self._path, self._bounds = paths.update_log, load_or_defaults(paths.config).log.bounds
        self._file: LogFile | None = None
        self._lock = threading.Lock()
        self._doing, self._since = "", 0.0
        self._live = sys.stderr.isatty()
        self._over = threading.Event()
        self._output = _Output(self.keep)
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def say(self, line: str) -> None:
        """Print a line, and keep it. Call it before what takes long, not after it."""
        line = printable(line)
        with self._lock:
            self._doing, self._since = line, time.monotonic()
            self._print(line)
        self.keep(line)

    def keep(self, line: str) -> None:
        """Write a line into update.log only."""
        line = printable(line)
        with contextlib.suppress(OSError):
            self._file = self._file or LogFile(self._path, self._bounds)
            self._file.write(f"{timestamp(time.time())} {os.getpid()} {line}\n".encode(errors="replace"))

    def rest(self) -> None:
        """End the signs of life: somebody else shows the progress of what follows."""
        self._over.set()
        with self._lock:
            self._clear()

    @property
    def where_more_is(self) -> str:
        """The end of a line about a failure: where all is that was printed, if that is more than the line says."""
        return f"; what was printed is in {self._path}" if self._output.is_used else ""

    def __enter__(self) -> Self:
        log = logging.getLogger(LOGGER)
        log.setLevel(logging.INFO)
        log.addHandler(self._output)
        threads.start(self._thread)  # without it there are only no signs of life
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger(LOGGER).removeHandler(self._output)
        self.rest()

    def _tick(self) -> None:
        while not self._over.wait(_LIVE if self._live else _PLAIN):
            with self._lock:
                passed = time.monotonic() - self._since
                if not self._doing or self._over.is_set():
                    continue
                if self._live and passed >= 1.0:
                    with contextlib.suppress(OSError, ValueError):
                        sys.stderr.write(f"\r\x1b[K  {passed:.0f} s")
                        sys.stderr.flush()
                elif not self._live and passed >= _PLAIN:
                    self._print(f"still at it after {passed:.0f} s: {self._doing}")

    def _print(self, line: str) -> None:
        self._clear()
        with contextlib.suppress(OSError, ValueError):
            print(line, flush=True)

    def _clear(self) -> None:
        if self._live:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()


class _Output(logging.Handler):
    """Keeps what commands print when they fail."""

    def __init__(self, keep: Callable[[str], None]) -> None:
        super().__init__()
        self._keep = keep
        self.is_used = False

    def emit(self, record: logging.LogRecord) -> None:
        self.is_used = True
        self._keep(record.getMessage())
