"""The drain: until when each turn may run, as pure functions, and the wait for the turns, by events alone.

The turn that asked for the restart never blocks it: while it runs a command, which may be waiting for this very restart,
it gets the requester's grace and no more. Without one it waits for its agent's words, for which a model takes longer.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hermes_cli.gateway.conversations.message import Message, asked_by
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.gateway.conversations.turns import Turns
from hermes_cli.intents.clocks import ANSWER_GRACE, Clocks
from hermes_cli.intents.instance import DrainState
from hermes_cli.intents.record import Intent
from hermes_cli.paths import Paths
from hermes_cli.programs.own import RESTART_EXIT_CODE
from hermes_cli.system.process import Identity

_log = logging.getLogger("hermes.drain")


class Named(NamedTuple):
    """An intent that names this instance, and when it was first seen (event loop seconds)."""

    intent: Intent
    seen: float

    @property
    def deadline(self) -> float | None:
        """When its author wants the drain to be over; None if its author did not say."""
        if self.intent.force:
            return self.seen
        return None if self.intent.drain_timeout is None else self.seen + self.intent.drain_timeout


def names(intent: Intent, me: Identity) -> bool:
    """Tell whether an intent asks for the end of this very instance."""
    return intent.target is not None and me.is_same_as(intent.target)


def overall(since: float, limit: float, intents: Iterable[Named]) -> float:
    """Return when the drain ends for turns that did not ask for it: at the earliest time that anybody wants."""
    wanted = [one.deadline for one in intents]
    return max(since, min([limit, *(deadline for deadline in wanted if deadline is not None)]))


def deadline_of(message: Message, end: float, grace: float, intents: Iterable[Named], *, runs: bool) -> float:
    """Return when the message's turn must be over: at `end`, or earlier if it asked for the restart.

    `runs`: a command of the turn runs.
    """
    asked = [one.seen for one in intents if asked_by(one.intent, message)]
    if not asked:
        return end
    return min(asked) + grace if runs else max(min(asked) + grace, min(end, min(asked) + ANSWER_GRACE))


class Drain:
    """The drain of an instance, from the signal to the moment when nothing runs any more."""

    def __init__(
        self, paths: Paths, me: Identity, clocks: Clocks, turns: Turns, announce: Callable[[DrainState], None]
    ) -> None:
        """Begin the drain. `announce` is told the deadline (epoch seconds) and the number of turns at every change."""
        self.code = RESTART_EXIT_CODE
        self.clocks = clocks
        self._paths = paths
        self._me = me
        self._turns = turns
        self._announce = announce
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._since_epoch = time.time()
        self._limit = self._since + clocks.drain
        self._intents: dict[str, Named] = {}
        self._changed = asyncio.Event()

    @property
    def end(self) -> float:
        """When turns that did not ask for the restart are cut off; event loop seconds."""
        return overall(self._since, self._limit, self._intents.values())

    @property
    def left(self) -> float:
        """Seconds until `end`, never negative."""
        return max(0.0, self.end - self._loop.time())

    def look(self) -> None:
        """Read the pending intents: a new one may shorten the drain."""
        now = self._loop.time()
        for intent in self._paths.queue.unsettled():
            if intent.id not in self._intents and names(intent, self._me):
                self._intents[intent.id] = Named(intent, now)
                _log.info("restart %s, reason %s, asked by %s", intent.id, intent.reason, intent.requester)
        self.wake()

    def stop(self, clocks: Clocks) -> None:
        """End the drain in a stop: briefly, and with exit code 0 (rule 7)."""
        self.code = 0
        self.clocks = clocks
        self._limit = min(self._limit, self._loop.time() + clocks.drain)
        self.wake()

    def wake(self) -> None:
        """Have `wait` look again, because a turn ended or an intent came."""
        self._changed.set()

    async def wait(self) -> None:
        """Wait until every turn has ended, by itself or cut off, or has been given up after it was cut off."""
        while True:
            self._changed.clear()
            now = self._loop.time()
            dues = [self._see_to(turn, now) for turn in self._turns.active.values()]
            waiting = [due for due in dues if due > now]
            self._announce(self._described(waiting, now))
            if not waiting:
                return
            try:
                async with asyncio.timeout(min(waiting) - now):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _see_to(self, turn: Turn, now: float) -> float:
        """Cut the turn off if it is due. Return when to look again; a time in the past means it was given up."""
        if turn.cut_at is None:
            grace, runs = self.clocks.requester_grace, turn.commands > 0
            due = deadline_of(turn.message, self.end, grace, self._intents.values(), runs=runs)
            if due > now:
                return due
            turn.cut_off("restart" if self.code else "stop", now)
        assert turn.cut_at is not None
        return turn.cut_at + self.clocks.teardown / 2  # the turn may hang, the exit must not

    def _described(self, waiting: list[float], now: float) -> DrainState:
        # The deadline holds for turns that block: the file must not say 180 s when only the requester prints its answer.
        longest = max(waiting, default=now) - now
        return DrainState(self._since_epoch, time.time() + longest, len(waiting))
