"""What systemd is told of this process, by its own protocol (sd_notify(3)): ready, alive, stopping.

Under any other manager there is no address, and nothing is said.
"""

import contextlib
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ADDRESS, _WATCHDOG, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Notifier:
    """Speaks to the manager that started us. `interval`: seconds between two signs of life; 0: nobody waits for any."""

    def __init__(self, address: str | None, interval: float = 0.0) -> None:
        """`address` as in NOTIFY_SOCKET; '@' stands for the first byte of an abstract one."""
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self.interval = interval

    def ready(self) -> None:
        """Say that the channels accept messages: `systemctl start` returns by it."""
        self._say("READY=1")

    def alive(self) -> None:
        """Say that the event loop turns: without it for WatchdogSec, systemd ends us and starts another."""
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that what follows is the end: a start that is asked for from now on is queued, not lost on a dying process."""
        self._say("STOPPING=1")

    def beat(self, call_later: "Callable[..., object]") -> None:
        """Say `alive` now and at every interval; `call_later` is the event loop's."""
        if self.interval > 0:
            self.alive()
            call_later(self.interval, self.beat, call_later)

    def _say(self, what: str) -> None:
        if not self._address:
            return
        # Never more than a hint: a manager that does not listen must not keep a gateway from starting or ending.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
            speaking.setblocking(False)
            speaking.sendto(what.encode(), self._address)


def claim(environment: "os._Environ[str]") -> Notifier:
    """Take the address out of the environment: what the agent's commands say is not the gateway's word."""
    address = environment.pop(_ADDRESS, None)
    microseconds, pid = environment.pop(_WATCHDOG, ""), environment.pop(_WATCHDOG_PID, "")
    ours = address is not None and pid in {"", str(os.getpid())} and microseconds.isdecimal()
    # Three to a deadline: one may be late, and one lost.
    return Notifier(address, int(microseconds) / 3e6 if ours else 0.0)
