"""Gates: a process announces that it has come to a named point, and goes on when it is let.

The point is a fault of tests/faults with the action `gate`; NAME is a pair of FIFOs, NAME.at and NAME.go.
"""

import os
import select
from pathlib import Path

from support.machines.installation import PATIENCE


class Gate:
    """One gate at `place`. Made before the process that is to come to it."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)
        os.mkfifo(f"{self.place}.at")
        os.mkfifo(f"{self.place}.go")
        # Both ends here, so that neither side waits for the other to open.
        self._at = os.open(f"{self.place}.at", os.O_RDWR | os.O_NONBLOCK)
        self._go = os.open(f"{self.place}.go", os.O_RDWR | os.O_NONBLOCK)

    def reached(self) -> int:
        """The pid of the process that has come to it; waits for one."""
        poller = select.poll()
        poller.register(self._at, select.POLLIN)
        assert poller.poll(PATIENCE * 1000), f"nobody came to {self.place}"
        return int(os.read(self._at, 64).split()[0])

    def open(self) -> None:
        """Let it go on."""
        os.write(self._go, b"x")

    def close(self) -> None:
        """Nobody comes any more."""
        os.close(self._at)
        os.close(self._go)
