"""One thread's event loop: descriptors that become readable, and timers of the machine's clock and of others."""

import selectors
import time
from collections.abc import Callable

from launchd_emulator.clock import Clock
from launchd_emulator.timers import Timer, Timers


class Loop:
    """An event loop that makes one call at a time. `clocks` are those whose timers it calls beside its own."""

    def __init__(self, *clocks: Clock) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers = Timers()
        self._clocks = clocks
        self._stopped = False

    def reading(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call whenever there is something to read."""
        self._selector.register(descriptor, selectors.EVENT_READ, call)

    def forget(self, descriptor: int) -> None:
        """Stop calling for a descriptor. This comes before it is closed."""
        self._selector.unregister(descriptor)

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once after so many of the machine's seconds; infinitely many are never over."""
        return self._timers.add(time.monotonic() + seconds, call)

    def stop(self) -> None:
        """Return from `run` after the present call."""
        self._stopped = True

    def run(self) -> None:
        """Make calls until `stop`."""
        self._stopped = False
        while not self._stopped:
            for key, _ in self._selector.select(self._patience()):
                # An earlier call of this round may have forgotten the descriptor.
                if key.fd in self._selector.get_map() and not self._stopped:
                    key.data()
            while not self._stopped and self._fire():
                pass

    def _fire(self) -> bool:
        return self._timers.fire(time.monotonic()) or any(clock.fire() for clock in self._clocks)

    def _patience(self) -> float | None:
        own = self._timers.next() - time.monotonic()
        found = [own, *(left for clock in self._clocks if (left := clock.patience()) is not None)]
        return None if (least := min(found)) == float("inf") else max(0.0, least)
