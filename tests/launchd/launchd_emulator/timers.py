"""Calls that are still to come, by the moment at which they are due."""

import heapq
import itertools
import math
from collections.abc import Callable


class Timer:
    """A call that is still to come, unless it is cancelled."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    @property
    def is_over(self) -> bool:
        """Whether it was called or cancelled."""
        return self._call is None

    def cancel(self) -> None:
        """Give the call up. This is harmless when it was made already."""
        self._call = None

    def fire(self) -> None:
        """Make the call, once."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Timers:
    """Timers of one clock. Those of one moment fire in the order in which they were added."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def add(self, when: float, call: Callable[[], None]) -> Timer:
        """Call when the clock shows `when`."""
        timer = Timer(call)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        return timer

    def next(self) -> float:
        """Return the moment of the first timer; infinity if there is none."""
        while self._heap and self._heap[0][2].is_over:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def fire(self, now: float) -> bool:
        """Call the first timer that is due. Return whether there was one."""
        if self.next() > now:
            return False
        heapq.heappop(self._heap)[2].fire()
        return True
