"""Turns: one at a time within a session, sessions side by side. A turn is one message, one execution, one reply."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from hermes_cli.gateway.conversations.store import Message, Reply, Store

_log = logging.getLogger("hermes.turns")
KEPT = 64 * 1024  # characters of a turn's output that its stored reply holds: the last ones


class Turn:
    """One execution under way. `emit` streams output to whoever follows the session."""

    def __init__(self, message: Message, since: float, publish: Callable[["Turn", int, str], None]) -> None:
        """`since` in event loop seconds; `publish` gets the number of characters before the text, and the text."""
        self.message = message
        self.since = since
        self.cut_at: float | None = None
        self.task: asyncio.Task[str] | None = None
        self.streamed = 0
        self._why = ""
        self._kept = ""
        self._publish = publish

    @property
    def output(self) -> str:
        """What was emitted so far, the last 64 Ki characters of it."""
        return self._kept[-KEPT:]

    def emit(self, text: str) -> None:
        """Stream output. A turn that was cut off may still do so while its commands end."""
        offset = self.streamed
        self.streamed += len(text)
        self._kept += text
        if len(self._kept) > 2 * KEPT:  # not at every chunk: that would copy 64 Ki for each line
            self._kept = self._kept[-KEPT:]
        self._publish(self, offset, text)

    def cut_off(self, why: str, now: float) -> None:
        """End it: `why` is "restart" or "stop"."""
        if self.cut_at is None and self.task is not None:
            self.cut_at = now
            self._why = why
            self.task.cancel()

    def reply(self, closing: str) -> Reply:
        """The reply of a turn that ran to its end, with its closing line."""
        if closing and self.streamed and not self.output.endswith("\n"):
            closing = f"\n{closing}"
        return Reply(f"{self._omitted()}{self.output}{closing}".removesuffix("\n"), self.streamed, closing)

    def cut_reply(self) -> Reply:
        """The reply of a turn that was cut off."""
        after = (self.cut_at or self.since) - self.since
        what = f"cut off by the {self._why or 'gateway'} after {after:.1f} s"
        if not self.streamed:
            return Reply(f"{what}; it had printed nothing. It is not run again.")
        rest = f"[{what}; it is not run again]"
        text = f"{what}; it is not run again. What it printed so far:\n{self._omitted()}{self.output}"
        return Reply(text.removesuffix("\n"), self.streamed, rest if self.output.endswith("\n") else f"\n{rest}")

    def _omitted(self) -> str:
        missing = self.streamed - len(self.output)
        return f"[the first {missing} characters are not kept]\n" if missing else ""


class Agent(Protocol):
    """What answers a message."""

    async def answer(self, turn: Turn) -> str:
        """The reply, or what follows the output that was streamed with `turn.emit`."""


class Turns:
    """All turns of this instance. Everything happens on the event loop's thread."""

    def __init__(
        self,
        store: Store,
        agent: Agent,
        instance: str,
        *,
        publish: Callable[[Message], None],
        stream: Callable[[Turn, int, str], None],
        changed: Callable[[], None],
        restart_of: Callable[[Message], str | None],
    ) -> None:
        """`changed` is called when a turn began or ended; `restart_of` names the intent that a message's turn made."""
        self.active: dict[str, Turn] = {}
        self._store = store
        self._agent = agent
        self._instance = instance
        self._publish = publish
        self._stream = stream
        self._changed = changed
        self._restart_of = restart_of
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._open = False

    def open(self) -> None:
        """Start turns from now on, first of all for what earlier instances left queued."""
        self._open = True
        for session in self._store.queued_sessions():
            self.wake(session)

    def close(self) -> None:
        """Start none any more; what runs goes on."""
        self._open = False

    def wake(self, session: str) -> None:
        """A message is queued in `session`."""
        if self._open and session not in self._workers:
            self._workers[session] = asyncio.create_task(self._serve(session), name=f"session {session}")

    async def _serve(self, session: str) -> None:
        try:
            while self._open and (message := self._store.next_queued(session)) is not None:
                await self._run(message)
        except Exception:  # noqa: BLE001  logged
            # A full disk, most likely. The message keeps its state: queued, for the next message's worker to begin with,
            # or running, and then the next instance says that it was cut off.
            _log.exception("a session's turn could not be kept on disk")
        finally:
            del self._workers[session]

    async def _run(self, message: Message) -> None:
        self._store.begin(message, self._instance)
        loop = asyncio.get_running_loop()
        turn = Turn(message, loop.time(), self._stream)
        turn.task = loop.create_task(self._agent.answer(turn), name=f"turn {message.id}")
        self.active[message.id] = turn
        self._changed()
        try:
            await asyncio.wait({turn.task})
            self._finish(turn, turn.task)
        finally:
            del self.active[message.id]
            self._changed()

    def _finish(self, turn: Turn, task: asyncio.Task[str]) -> None:
        interrupted = task.cancelled()
        error = None if interrupted else task.exception()
        if interrupted:
            reply = turn.cut_reply()
        elif error is not None:
            _log.error("turn %s failed", turn.message.id, exc_info=error)
            reply = turn.reply(f"[the turn failed: {type(error).__name__}: {error}]")
        else:
            reply = turn.reply(task.result())
        reply = Reply(reply.text, reply.streamed, reply.rest, self._restart_of(turn.message))
        stored = self._store.finish(turn.message, reply, "interrupted" if interrupted else "answered")
        if stored is not None:
            self._publish(stored)


def interrupt_left_behind(store: Store, restart_of: Callable[[Message], str | None]) -> int:
    """Answer the messages whose instance died in their turn; they are not run again. How many there were."""
    left = store.running()
    for message in left:
        text = "cut off: the gateway ended while this ran, and nothing of its output was kept. It is not run again."
        store.finish(message, Reply(text, restart=restart_of(message)), "interrupted")
    return len(left)
