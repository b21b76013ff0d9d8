"""The starts of a job that does not run: what holds them back, and for how long.

A start without demand may be pended (by the domain's on-demand-only mode, or in low power); every start may have to
wait for the throttle. A start that waits already takes further ones in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from launchd_emulator import errors, holds, throttle
from launchd_emulator.definition import Definition
from launchd_emulator.errors import Refused
from launchd_emulator.host import Host
from launchd_emulator.timers import Timer


class Tell(Protocol):
    """A function that writes an event of one job into the trace."""

    def __call__(self, event: str, *, cause: str | None = None, pid: int | None = None, **more: object) -> None:
        """Write one event."""


@dataclass
class Waiting:
    """A start that the throttle holds back."""

    cause: str
    timer: Timer


@dataclass
class Pended:
    """A start without demand that is held back for another reason. With a timer that ends by itself."""

    cause: str
    reason: str
    timer: Timer | None = None


class Starts:
    """The starts of one job. They end in `spawn(cause, demand)`, where `demand` is what first asked for the start."""

    def __init__(self, host: Host, definition: Definition, tell: Tell, spawn: Callable[[str, str], None]) -> None:
        self.waiting: Waiting | None = None
        self.pended: Pended | None = None
        self._last_spawn: float | None = None
        self._host = host
        self._definition = definition
        self._tell = tell
        self._spawn = spawn

    def offer(self, cause: str, *, deferred: bool = False) -> None:
        """Start the job without demand, now or when it is no longer held back."""
        if self.waiting:
            return
        reason = self.hold(cause)
        if reason is not None:
            self._pend(Pended(cause, reason))
        elif cause == "keepalive" and not deferred and self._deferral() > 0:
            self._pend(Pended(cause, "inefficient"), self._deferral())
        else:
            self._throttled(cause)

    def demand(self, cause: str) -> None:
        """Start the job on demand, after the throttle. Raises Refused, and the start comes all the same."""
        self._drop_pended(cause)
        setting = self._host.knobs.kickstart_throttle if cause.startswith("kickstart") else "block"
        if setting == "bypass":
            self.cancel()
            self._spawn(cause, cause)
            return
        if not self.waiting:
            self._throttled(cause)
        if self.waiting and setting == "fail":
            raise Refused(errors.ALREADY)

    def hold(self, cause: str) -> str | None:
        """Return why the domain holds such a start back, or None."""
        if not self._host.on_demand_only:
            return None
        return holds.reason(cause, self._definition.keep_alive, self._host.knobs.on_demand_holds)

    def reconsider(self) -> None:
        """Start what was pended if nothing holds it back any more."""
        if self.pended is None or self.hold(self.pended.cause) is not None:
            return
        if self.pended.timer is None or self._deferral() == 0:
            self._unpend()

    def spawned(self, cause: str) -> None:
        """Record a spawn: no start waits any more, and the throttle counts from now."""
        self._last_spawn = self._host.clock.now()
        self._drop_pended(cause)

    def cancel(self) -> None:
        """Drop every start that waits."""
        if self.waiting:
            self.waiting.timer.cancel()
            self.waiting = None
        if self.pended and self.pended.timer:
            self.pended.timer.cancel()
        self.pended = None

    # --- the throttle

    def _throttled(self, cause: str) -> None:
        now, interval = self._host.clock.now(), self._definition.throttle
        wait = throttle.delay(now, self._last_spawn, interval)
        if wait <= 0 or self._last_spawn is None:
            self._spawn(cause, cause)
            return
        self.waiting = Waiting(cause, self._host.later(wait, self._throttle_over))
        self._tell("throttled", cause=cause, seconds=wait, message=throttle.notice(now, self._last_spawn, interval))

    def _throttle_over(self) -> None:
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self._spawn("throttle-expired", waiting.cause)

    # --- what is pended

    def _deferral(self) -> float:
        knobs = self._host.knobs
        return knobs.keepalive_deferral_s if knobs.hits(self._definition.label) else 0

    def _pend(self, pended: Pended, seconds: float | None = None) -> None:
        if self.pended is not None:
            return
        self.pended = pended
        if seconds is not None:
            pended.timer = self._host.later(seconds, self._unpend)
        why = "domain in on-demand-only mode" if seconds is None else "deferred"
        message = f"pending spawn, {why}: {self._definition.label}"
        self._tell("pended", cause=pended.cause, reason=pended.reason, message=message)

    def _unpend(self) -> None:
        if self.pended is not None:
            cause = self.pended.cause
            self._drop_pended(cause)
            self.offer(cause, deferred=True)

    def _drop_pended(self, cause: str) -> None:
        if self.pended is not None:
            if self.pended.timer is not None:
                self.pended.timer.cancel()
            self._tell("unpended", cause=cause, reason=self.pended.reason)
            self.pended = None
