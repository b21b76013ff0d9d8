"""launchd's own time: it runs at a scale of the machine's, and a test may hold it and move it.

What a job does takes as long as the machine needs, and no scale makes it quicker. A test whose outcome depends on
which of the two is faster (a crash or the throttle, a bootout or the next spawn) therefore holds this clock.
"""

import math
import time
from collections.abc import Callable

from launchd_emulator.timers import Timer, Timers

_SECOND = 1_000_000_000  # counted in whole nanoseconds: a clock that was moved to a timer has to be exactly there


class Clock:
    """A count of launchd's seconds since the daemon came up. It stands at 0 until it is `set`."""

    def __init__(self) -> None:
        self._timers = Timers()
        self._scale = 1.0
        self._held = True
        self._passed = 0  # up to `_since`
        self._since = time.monotonic_ns()

    def set(self, scale: float, *, held: bool) -> None:
        """Go on from now with one of launchd's seconds lasting `scale` seconds, or stand still."""
        self._passed, self._since = self._now(), time.monotonic_ns()
        self._scale, self._held = scale, held

    def now(self) -> float:
        """Return launchd's seconds since the daemon came up."""
        return self._now() / _SECOND

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once after so many of launchd's seconds; infinitely many are never over."""
        return self._timers.add(seconds if math.isinf(seconds) else self._now() + round(seconds * _SECOND), call)

    def patience(self) -> float | None:
        """Return the machine's seconds until `fire` has something to do, None for never."""
        left = self._left()
        return None if self._held or math.isinf(left) else left * self._scale / _SECOND

    def fire(self) -> bool:
        """Call the first timer that is due. Return whether there was one."""
        return self._timers.fire(self._now())

    def _now(self) -> int:
        return self._passed if self._held else self._passed + round((time.monotonic_ns() - self._since) / self._scale)

    def _left(self) -> float:
        return max(0, self._timers.next() - self._now())

    def _move(self, nanoseconds: int) -> None:
        self._passed += nanoseconds


def advance(clocks: list[Clock], seconds: float) -> None:
    """Move clocks together. Every timer on the way is called at its moment, in order."""
    left = round(seconds * _SECOND)
    while True:
        while any(clock.fire() for clock in clocks):
            pass
        step = min(left, *(clock._left() for clock in clocks))
        for clock in clocks:
            clock._move(int(step))
        left -= int(step)
        if left <= 0 and not any(clock._left() == 0 for clock in clocks):
            return
