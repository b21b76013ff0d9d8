"""The loop that fetches messages: what is stored, offset and all, is confirmed by the next poll and by nothing else."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Protocol

from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.channels.telegram.outcomes import Done, NotSent, Outcome, Refused, Unknown
from hermes_cli.gateway.channels.telegram.standing import Standing
from hermes_cli.gateway.conversations.store import Store

AT_ONCE = 100  # updates in one answer, the most that the server gives
_FULL = 1.0  # seconds between two looks for room in the queue
_OFFLINE, _CONFLICT = (0.5, 30.0), (3.0, 30.0)  # seconds between two tries: the first pause, and the longest
_TOKEN = 60.0  # seconds between two tries with a token that was refused
_log = logging.getLogger("hermes.telegram")


class Polls(Protocol):
    """What polling needs of the API."""

    async def poll(self, offset: int, limit: int) -> Outcome:
        """Wait for updates."""

    async def call(self, method: str, patience: float = ...) -> Outcome:
        """Make a call without arguments."""


class Poller:
    """Polls for ever. `take` is given each answer: it stores it and returns, or raises sqlite3.Error."""

    def __init__(
        self,
        api: Polls,
        ledger: Ledger,
        store: Store,
        *,
        standing: Standing,
        take: Callable[[list[object]], None],
        named: Callable[[str], None],
    ) -> None:
        """`named` is told what the bot is called, before anything is taken: in groups it is called by its name."""
        self._api = api
        self._ledger = ledger
        self._store = store
        self._standing = standing
        self._take = take
        self._named = named
        self._is_named = False
        self._pause = 0.0

    async def run(self) -> None:
        """Poll until this is cancelled. Nothing that the server says ends it."""
        while True:
            try:
                room, offset = self._store.room(), self._ledger.next()
            except sqlite3.Error as error:
                await asyncio.sleep(self._unstored(error))  # a disk tells nobody that it can be read again
                continue
            if not room:
                self._standing.now(
                    "full",
                    "the queue of messages is full: no more are fetched",
                    "nothing: it empties as turns end; /stop all drops what waits",
                )
                await asyncio.sleep(_FULL)  # the queue tells nobody that a turn has made room
                continue
            if self._is_named:
                outcome = await self._api.poll(offset, min(AT_ONCE, room))
            else:
                outcome = await self._api.call("getMe")
            if isinstance(outcome, Done):
                pause = self._done(outcome.result)
            elif isinstance(outcome, Refused):
                pause = await self._refused(outcome)
            else:
                pause = self._offline(outcome)
            if pause:
                await asyncio.sleep(pause)  # as long as the server or the network is given

    def _done(self, result: object) -> float:
        if self._is_named and isinstance(result, list):
            return self._taken(result)
        if not self._is_named and isinstance(result, dict):
            return self._met(result)
        return self._offline(Unknown("an answer of another form"))

    def _met(self, me: dict[str, object]) -> float:
        self._is_named = True
        self._named(str(me.get("username", "")))
        self._standing.now("polling")
        return 0.0

    def _taken(self, updates: list[object]) -> float:
        try:
            self._take(updates)
        except sqlite3.Error as error:
            return self._unstored(error)
        self._pause = 0.0
        self._standing.polled()
        return 0.0

    def _unstored(self, error: sqlite3.Error) -> float:
        _log.error("messages could not be stored, so they are not confirmed: %s", error)
        self._standing.now("disk", f"messages cannot be stored ({error})", "make room on the disk")
        return self._longer(_OFFLINE)

    async def _refused(self, refused: Refused) -> float:
        if refused.code == 409:
            return await self._conflict(refused)
        if refused.code in {401, 404}:
            self._standing.now(
                "refused", "the bot's token is refused", "get another one from BotFather, then hermes gateway restart"
            )
            return _TOKEN
        self._standing.now("refused", f"Telegram refuses to be polled: {refused.description}", "hermes gateway logs")
        return refused.retry_after or self._longer(_OFFLINE)

    async def _conflict(self, refused: Refused) -> float:
        """Wait for the other poller to go, for ever. A webhook that is set is taken away: we are the one who polls."""
        if "webhook" in refused.description.lower():
            found = await self._api.call("getWebhookInfo")
            if isinstance(found, Done) and found.result.get("url"):
                _log.warning("the bot had a webhook, which keeps it from being polled: it is removed")
                await self._api.call("deleteWebhook")
        self._standing.now(
            "conflict", "another program polls this bot", "end it, or give this gateway a bot of its own"
        )
        return self._longer(_CONFLICT)

    def _offline(self, outcome: NotSent | Unknown) -> float:
        self._standing.now("offline", f"Telegram cannot be reached ({outcome.why})", "nothing: it is tried again")
        return self._longer(_OFFLINE)

    def _longer(self, bounds: tuple[float, float]) -> float:
        self._pause = min(max(bounds[0], 2 * self._pause), bounds[1])
        return self._pause
