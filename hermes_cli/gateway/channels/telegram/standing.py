"""How the bot stands with Telegram, for status, doctor and the log: kept in memory and in a file beside gateway.json."""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from hermes_cli.system import durable

NAME = "telegram.json"
_log = logging.getLogger("hermes.telegram")


class Standing:
    """The channel's state. `problem` is a line with what to do, "" while all is well."""

    def __init__(self, path: str, counts: Callable[[], dict[str, Any]]) -> None:
        """Write the file at `path`; `counts` adds what changes by itself."""
        self._path = path
        self._counts = counts
        self._state = "starting"
        self._problem = ""
        self._since = time.time()
        self._last_poll: float | None = None
        self._username: str | None = None
        self._account: str | None = None
        self.recovered: Callable[[], None] = lambda: None

    def is_bot(self, account: str, username: str | None = None) -> None:
        """Note which bot it is."""
        self._account, self._username = account, username or self._username
        self.write()

    def polled(self) -> None:
        """Note a poll that was answered."""
        self._last_poll = time.time()
        self.now("polling")
        self.recovered()

    def now(self, state: str, problem: str = "") -> None:
        """Note how it stands; said in the log when it changes."""
        if (state, problem) != (self._state, self._problem):
            _log.log(logging.WARNING if problem else logging.INFO, "%s", problem or f"{state} as @{self._username}")
            self._state, self._problem, self._since = state, problem, time.time()
            self.write()

    def document(self) -> dict[str, Any]:
        """Describe it as JSON."""
        return {
            "pid": os.getpid(),
            "bot": self._account,
            "username": self._username,
            "state": self._state,
            "since": self._since,
            "last_poll": self._last_poll,
            "problem": self._problem or None,
            **self._counts(),
        }

    def write(self) -> None:
        """Write the file; a full disk is no reason to end."""
        try:
            durable.replace_volatile(self._path, self.document())
        except OSError as error:
            _log.error("%s cannot be written: %s", self._path, error.strerror)
