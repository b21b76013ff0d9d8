"""What an update says: plain lines on stdout, and the same in update.log with the time."""

import contextlib
import os
import time

from hermes_cli import durable
from hermes_cli.intents.request import timestamp
from hermes_cli.paths import Paths


class Report:
    """Says and keeps. Neither a full disk nor a reader that has gone away stops an update half-way."""

    def __init__(self, paths: Paths) -> None:
        """Nothing is opened yet."""
        self._path = f"{paths.logs}/update.log"

    def say(self, line: str) -> None:
        """Print a line, and keep it."""
        with contextlib.suppress(OSError):
            print(line, flush=True)
        self.keep(line)

    def keep(self, line: str) -> None:
        """Only keep it."""
        with contextlib.suppress(OSError):
            durable.make_private_directory(os.path.dirname(self._path))
            with open(self._path, "a", encoding="utf-8", errors="replace") as file:
                file.write(f"{timestamp(time.time())} {os.getpid()} {line}\n")
