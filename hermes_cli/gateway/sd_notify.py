"""Tell systemd that this process is ready, alive or stopping, by systemd's own protocol (sd_notify(3)).

Under any other manager there is no address, and nothing is sent.
"""

import contextlib
import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ADDRESS, _WATCHDOG, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Notifier:
    """Speaks to the manager that started us, which expects a sign of life every `interval` seconds unless that is 0."""

    def __init__(self, address: str | None, interval: float = 0.0) -> None:
        """Speak to `address`, written as in NOTIFY_SOCKET: a leading '@' stands for the first byte of an abstract name."""
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self.interval = interval

    def ready(self) -> None:
        """Say that the channels accept messages, upon which `systemctl start` returns."""
        self._say("READY=1")

    def alive(self) -> None:
        """Say that the event loop turns. Without this for WatchdogSec, systemd ends us and starts another gateway."""
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end follows: systemd then queues a start that is asked for, instead of losing it on us."""
        self._say("STOPPING=1")

    def beat(self, call_later: "Callable[..., object]") -> None:
        """Say `alive` now and at every interval. `call_later` is the event loop's."""
        if self.interval > 0:
            self.alive()
            call_later(self.interval, self.beat, call_later)

    def _say(self, words: str) -> None:
        if not self._address:
            return
        # This is a hint: a manager that does not listen must not keep a gateway from starting or ending.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
            speaking.setblocking(False)
            speaking.sendto(words.encode(), self._address)


def claim(environment: "os._Environ[str]") -> Notifier:
    """Take the address out of the environment, so that the agent's commands cannot speak for the gateway."""
    address = environment.pop(_ADDRESS, None)
    microseconds, pid = environment.pop(_WATCHDOG, ""), environment.pop(_WATCHDOG_PID, "")
    ours = address is not None and pid in {"", str(os.getpid())} and microseconds.isdecimal()
    # Three signs of life to a deadline: one may be late, and one lost.
    return Notifier(address, int(microseconds) / 3e6 if ours else 0.0)
