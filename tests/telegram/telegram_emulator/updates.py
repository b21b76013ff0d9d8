"""A bot's queue of updates, and who may read it: the rules of `getUpdates` (tdlib/telegram-bot-api, Client.cpp, TQueue).

An update is forgotten by the next poll whose offset is above its id, and by nothing else.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telegram_emulator.errors import ApiError

LONGEST_POLL = 50.0
LARGEST = 1 << 22  # bytes of one answer
_BEYOND = 10  # an offset further than this beyond the tail is ignored
_AGAIN = 3.0  # a poll of the same offset within this time waits at least so long; conflicts come no more often
_AT_ONCE = 0.5
_CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
_WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
_DAY = 86400.0


@dataclass(frozen=True)
class Update:
    """One entry of the queue."""

    id: int
    expires: float
    document: dict[str, Any]


class Updates:
    """The queue of one bot. Everything happens on the server's loop."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is the world's clock: epoch seconds."""
        self.webhook = ""
        self.given = 0  # updates handed out, the same one as often as it was
        self._now = now
        self._next = random.randint(2_000_000, 1 << 30)
        self._queue: list[Update] = []
        self._waiting: asyncio.Future[None] | None = None
        self._asked: tuple[int, float] = (0, float("-inf"))
        self._conflict = float("-inf")

    def add(self, kind: str, document: dict[str, Any], life: float = _DAY) -> int:
        """Append an update and wake who polls. Its id."""
        update = Update(self._next, self._now() + life, {"update_id": self._next, kind: document})
        self._next += 1
        self._queue.append(update)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        return update.id

    def pending(self) -> list[dict[str, Any]]:
        """What nobody has confirmed, oldest first."""
        self._queue = [update for update in self._queue if update.expires > self._now()]
        return [update.document for update in self._queue]

    async def poll(self, offset: int, limit: int, longest: float) -> list[dict[str, Any]]:
        """Answer one `getUpdates`. Raises ApiError."""
        if self.webhook:
            raise ApiError(409, _WEBHOOK)
        longest, limit = self._stretched(offset, min(longest, LONGEST_POLL), max(1, min(limit, 100)))
        self._confirm(offset)
        found = self._head(limit)
        if found or longest <= 0:
            return found
        await self._throw_out()
        self._waiting = waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(longest):
                await waiting
        except TimeoutError:
            pass
        finally:
            if self._waiting is waiting:
                self._waiting = None
        return self._head(limit)

    def forget_all(self) -> None:
        """`drop_pending_updates`."""
        self._queue.clear()

    def _stretched(self, offset: int, timeout: float, limit: int) -> tuple[float, int]:
        asked, at = self._asked
        now = asyncio.get_running_loop().time()
        self._asked = (offset, now)
        if asked != offset or now - at >= _AGAIN:
            return timeout, limit
        return max(timeout, _AGAIN), 1 if now - at < _AT_ONCE and timeout < _AGAIN else limit

    def _confirm(self, offset: int) -> None:
        self.pending()
        if offset < 0:
            self._queue = self._queue[offset:]
        elif 0 < offset <= self._next + _BEYOND:
            self._queue = [update for update in self._queue if update.id >= offset]

    def _head(self, limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        left = LARGEST
        for document in self.pending()[:limit]:
            left -= len(json.dumps(document))
            if found and left < 0:
                break
            found.append(document)
        self.given += len(found)
        return found

    async def _throw_out(self) -> None:
        """Have the poll that waits already fail: the newcomer wins."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        loop = asyncio.get_running_loop()
        late = max(0.0, self._conflict + _AGAIN - loop.time())
        self._conflict = loop.time() + late
        loop.call_later(late, lambda: None if waiting.done() else waiting.set_exception(ApiError(409, _CONFLICT)))
