"""How the bot stands with Telegram, for status, doctor and the log: kept in memory and in a file beside gateway.json."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from hermes_cli.system import durable

_log = logging.getLogger("hermes.telegram")
_EVERY = 10.0  # seconds between two writes that only tell that polls go on
_SOON = 0.5  # seconds in which changes of the counts are gathered


class Standing:
    """The channel's state: a word, what is wrong, and the mend."""

    def __init__(self, path: str, counts: Callable[[], dict[str, Any]]) -> None:
        """Write the file at `path`; `counts` adds what changes by itself."""
        self._path = path
        self._counts = counts
        self._state = "starting"
        self._problem: tuple[str, str] | None = None
        self._since = time.time()
        self._last_poll: float | None = None
        self._written = 0.0
        self._soon: asyncio.TimerHandle | None = None
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
        if self._last_poll - self._written > _EVERY:
            self.write()

    def now(self, state: str, text: str = "", mend: str = "") -> None:
        """Note how it stands: what is wrong, if anything, and the mend. Said in the log when it changes."""
        problem = (text, mend) if text else None
        if (state, problem) != (self._state, self._problem):
            _log.log(logging.WARNING if text else logging.INFO, "%s", text or f"{state} as @{self._username}")
            self._state, self._problem, self._since = state, problem, time.time()
            self.write()

    def touch(self) -> None:
        """Write the file soon: counts have changed."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(_SOON, self.write)

    def document(self) -> dict[str, Any]:
        """Describe it as JSON."""
        return {
            "pid": os.getpid(),
            "bot": self._account,
            "username": self._username,
            "state": self._state,
            "since": self._since,
            "last_poll": self._last_poll,
            "problem": None if self._problem is None else list(self._problem),
            **self._counts(),
        }

    def write(self) -> None:
        """Write the file; a full disk is no reason to end."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._written = time.time()
        try:
            durable.replace_volatile(self._path, self.document())
        except OSError as error:
            _log.error("%s cannot be written: %s", self._path, error.strerror)
