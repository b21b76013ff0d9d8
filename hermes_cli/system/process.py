"""A process by identity: pid and start time and boot. Nothing is signalled or awaited by pid alone."""

import errno
import os
import select
import signal
import sys
from typing import Any, NamedTuple, Self

from hermes_cli.system import process_table
from hermes_cli.system.durable import finite


class Identity(NamedTuple):
    """One run of one program. `create_time` in seconds of the epoch; `start_ticks` in ticks since boot (Linux)."""

    pid: int
    create_time: float | None = None
    start_ticks: int | None = None
    boot_id: str | None = None

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the identity of the living process `pid`, or None."""
        created = process_table.create_time(pid)
        if created is None:
            return None
        return cls(pid, created, process_table.start_ticks(pid), process_table.boot_id())

    @classmethod
    def parse(cls, document: Any, boot_id: str | None = None) -> Self | None:
        """Return an identity from JSON, or None when it holds no usable pid. `boot_id`: where it names no boot."""
        if not isinstance(document, dict):
            return None
        pid, ticks, boot = document.get("pid"), document.get("start_ticks"), document.get("boot_id")
        if type(pid) is not int or not 0 < pid < 2**31:
            return None
        return cls(
            pid,
            finite(document.get("create_time")),
            ticks if type(ticks) is int else None,
            boot if boot and isinstance(boot, str) else boot_id,
        )

    def document(self) -> dict[str, Any]:
        """Return the identity as JSON."""
        return {
            "pid": self.pid,
            "create_time": self.create_time,
            "start_ticks": self.start_ticks,
            "boot_id": self.boot_id,
        }

    def is_alive(self) -> bool:
        """Say whether this very process runs now; a zombie does not."""
        return process_table.is_same(self.pid, self.create_time, self.start_ticks, self.boot_id)

    def is_same_as(self, other: "Identity") -> bool:
        """Say whether both name one run: by the start ticks where both know them, else by the start time."""
        if self.pid != other.pid:
            return False
        if self.boot_id is not None and other.boot_id is not None and self.boot_id != other.boot_id:
            return False
        if self.start_ticks is not None and other.start_ticks is not None:
            return self.start_ticks == other.start_ticks
        if self.create_time is None or other.create_time is None:
            return False
        return abs(self.create_time - other.create_time) <= 2.0


class Handle:
    """A descriptor bound to one living process; readable when it exits (pidfd_open(2), or kqueue elsewhere)."""

    def __init__(self, identity: Identity) -> None:
        """Raise ProcessLookupError unless that very process is alive after the descriptor was bound."""
        self.identity = identity
        self._kqueue: Any = None
        if sys.platform == "linux":
            try:
                self._descriptor = os.pidfd_open(identity.pid)
            except OSError as error:
                if error.errno in {errno.EINVAL, errno.ENOENT}:  # it is some process's thread by now
                    raise ProcessLookupError(identity.pid) from None
                raise
        else:
            self._kqueue = select.kqueue()
            event = select.kevent(identity.pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            try:
                self._kqueue.control([event], 0)
            except OSError:
                self._kqueue.close()
                raise ProcessLookupError(identity.pid) from None
            self._descriptor = self._kqueue.fileno()
        # The descriptor first, the check second: a pid reused in between is found out.
        if not identity.is_alive():
            self.close()
            raise ProcessLookupError(identity.pid)

    def fileno(self) -> int:
        """Return the descriptor, which is readable when the process has exited."""
        return self._descriptor

    def send(self, number: signal.Signals) -> None:
        """Signal that very process. Return False when it is gone."""
        if sys.platform == "linux":
            signal.pidfd_send_signal(self._descriptor, number)
            return
        if not self.identity.is_alive():
            raise ProcessLookupError(self.identity.pid)
        os.kill(self.identity.pid, number)

    def wait(self, timeout: float) -> bool:
        """Say whether the process exited within `timeout` seconds."""
        poller = select.poll()
        poller.register(self._descriptor, select.POLLIN)
        return bool(poller.poll(max(0.0, timeout) * 1000))

    def close(self) -> None:
        """Release the descriptor."""
        if self._kqueue is not None:
            self._kqueue.close()
        elif self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def describe_exit(code: int) -> str:
    """Say how a process ended: "exited 1", or for a negative code "killed by SIGKILL"."""
    return f"killed by {signal_name(-code)}" if code < 0 else f"exited {code}"


def signal_name(number: int) -> str:
    """Return a signal's name, or "signal 99" for a number that has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal that very process. Return False when it is gone."""
    try:
        with Handle(identity) as handle:
            handle.send(number)
    except ProcessLookupError:
        return False
    return True
