"""One thread's event loop: descriptors that become readable, and timers."""

import heapq
import itertools
import math
import selectors
import time
from collections.abc import Callable


class Timer:
    """A call that is still to come, unless it is cancelled."""

    __slots__ = ("_call", "when")

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never call. Harmless when it has been called already."""
        self._call = None

    def fire(self) -> None:
        """Call, once."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Loop:
    """Calls back, one at a time."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()  # timers of one moment fire in the order in which they were set
        self._stopped = False

    def reading(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call whenever there is something to read."""
        self._selector.register(descriptor, selectors.EVENT_READ, call)

    def forget(self, descriptor: int) -> None:
        """No more of that; to be said before the descriptor is closed."""
        self._selector.unregister(descriptor)

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once after so many seconds; infinitely many are never over."""
        timer = Timer(time.monotonic() + seconds, call)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        return timer

    def stop(self) -> None:
        """Return from `run` after the present call."""
        self._stopped = True

    def run(self) -> None:
        """Call back until `stop`."""
        self._stopped = False
        while not self._stopped:
            for key, _ in self._selector.select(self._patience()):
                # An earlier call of this round may have forgotten the descriptor.
                if key.fd in self._selector.get_map() and not self._stopped:
                    key.data()
            while self._timers and self._timers[0][0] <= time.monotonic() and not self._stopped:
                heapq.heappop(self._timers)[2].fire()

    def _patience(self) -> float | None:
        if not self._timers or math.isinf(self._timers[0][0]):
            return None
        return max(0.0, self._timers[0][0] - time.monotonic())
