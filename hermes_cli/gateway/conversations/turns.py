"""All turns of an instance: one at a time within a session, sessions side by side, and commands beside them."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hermes_cli.config import LimitsConfig
from hermes_cli.gateway.conversations.forms import Form
from hermes_cli.gateway.conversations.message import Ended, Message, Reply, is_update
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.conversations.turn import Turn

_log = logging.getLogger("hermes.turns")
_Kept = TypeVar("_Kept")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds between two tries to keep something on a disk without room
_BESIDE = 32  # commands that are answered beside the turns at once; more of them wait in their sessions' queues


class Turns:
    """All turns of this instance. Everything happens on the event loop's thread."""

    def __init__(
        self,
        store: Store,
        answer: Callable[[Turn], Coroutine[Any, Any, str]],
        instance: str,
        *,
        publish: Callable[[Message], None],
        stream: Callable[[Message, int, str, Form | None], None],
        changed: Callable[[], None],
        restart_of: Callable[[Message], str | None],
        limits: LimitsConfig,
    ) -> None:
        """Prepare to answer messages, from `open` on, with the agent's `answer`.

        `changed` is called when a turn has begun or ended; `restart_of` names the intent that a message's turn made.
        """
        self.active: dict[int, Turn] = {}  # by the message's seq
        self._store = store
        self._answer = answer
        self._instance = instance
        self._publish = publish
        self._stream = stream
        self._changed = changed
        self._restart_of = restart_of
        self._output = limits.output
        self._seats = asyncio.Semaphore(limits.turns)
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._besides: set[asyncio.Task[None]] = set()
        self._open = False
        self._closed = asyncio.Event()

    def open(self) -> None:
        """Start turns from now on, first of all for the messages that earlier instances left queued."""
        self._open = True
        for session in self._store.queued_sessions():
            self.wake(session)

    def close(self) -> None:
        """Start no turn any more. Those that run go on."""
        self._open = False
        self._closed.set()

    def wake(self, session: str) -> None:
        """Start the next turn of a session in which a message is queued, unless one runs already."""
        if self._open and session not in self._workers:
            self._workers[session] = asyncio.create_task(self._serve(session), name=f"session {session}")

    def beside(self, message: Message) -> bool:
        """Answer a queued message now, whatever runs in its session. Return False to leave it in the queue."""
        if sum(turn.beside for turn in self.active.values()) >= _BESIDE:
            return False
        self._store.begin(message, self._instance)
        turn = self._begun(message, beside=True)
        task = asyncio.create_task(self._end(turn), name=f"beside {message.id}")
        self._besides.add(task)
        task.add_done_callback(self._besides.discard)
        return True

    def of(self, session: str) -> Turn | None:
        """Return the session's own turn that runs, None if it is idle."""
        found = (turn for turn in self.active.values() if turn.message.session == session and not turn.beside)
        return next(found, None)

    async def _serve(self, session: str) -> None:
        try:
            while self._open and self._store.next_queued(session) is not None:
                async with self._seats:
                    begun = await self._kept(lambda: self._begin(session))
                    if begun is not None:
                        await self._end(begun)
        except Exception:  # noqa: BLE001  logged
            # The message keeps its state: queued, for the next message's worker or the next instance to begin with, or
            # running, and then the next instance says that it was cut off.
            _log.exception("a session's turn could not be kept on disk")
        finally:
            del self._workers[session]

    def _begin(self, session: str) -> Turn | None:
        message = self._store.next_queued(session) if self._open else None
        if message is None:
            return None
        self._store.begin(message, self._instance)
        return self._begun(message, beside=False)

    async def _kept(self, keep: Callable[[], _Kept]) -> _Kept:
        """Keep something on the disk, when there is room again if there is none; without a pause once turns are closed."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return keep()
            except (OSError, sqlite3.OperationalError) as error:
                if self._closed.is_set():
                    raise
                if pause == _FIRST_PAUSE:
                    _log.error("a turn cannot be kept on disk, it is tried until it can: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _begun(self, message: Message, *, beside: bool) -> Turn:
        loop = asyncio.get_running_loop()
        turn = Turn(message, loop.time(), self._stream, self._output, beside=beside)
        turn.task = loop.create_task(self._answer(turn), name=f"turn {message.id}")
        self.active[message.seq] = turn
        self._changed()
        return turn

    async def _end(self, turn: Turn) -> None:
        assert turn.task is not None
        try:
            await asyncio.wait({turn.task})
            await self._finish(turn, turn.task)
        except (OSError, sqlite3.Error):
            if not turn.beside:
                raise
            _log.exception("the answer to a command could not be kept on disk")
        finally:
            del self.active[turn.message.seq]
            self._changed()

    async def _finish(self, turn: Turn, task: asyncio.Task[str]) -> None:
        interrupted = task.cancelled()
        error = None if interrupted else task.exception()
        if interrupted:
            reply = turn.cut_reply()
        elif error is not None:
            _log.error("turn %s failed", turn.message.id, exc_info=error)
            reply = turn.reply(f"[the turn failed: {type(error).__name__}: {error}]")
        else:
            reply = turn.reply(task.result())
        reply = reply._replace(restart=self._restart_of(turn.message))
        ended: Ended = "interrupted" if interrupted else "answered"
        stored = await self._kept(lambda: self._store.finish(turn.message, reply, ended))
        if stored is not None:
            self._publish(stored)


def interrupt_left_behind(store: Store, restart_of: Callable[[Message], str | None]) -> int:
    """Answer the messages whose instance died in their turn, and run none of them again. Return how many there were."""
    left = store.running()
    for message in left:
        text = "cut off: the gateway ended while this ran, and nothing of its output was kept. It is not run again."
        if is_update(message):
            text = "the gateway ended while this ran. An update that had begun goes on, and what it says follows here."
        store.finish(message, Reply(text, restart=restart_of(message)), "interrupted")
    return len(left)
