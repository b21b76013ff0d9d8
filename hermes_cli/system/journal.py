"""Send log lines to systemd's journal as well (systemd-journald's native protocol), where a manager has connected it.

The log's file stays the whole of the log; the journal gets each line with its level, so that `journalctl -u` and the
tail of `systemctl status` show it. Never waits: what the journal does not take at once, it does not get.
"""

import contextlib
import logging
import os
import socket
import struct
from collections.abc import Mapping

ADDRESS = "/run/systemd/journal/socket"
_PRIORITY = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))  # syslog(3)


def is_connected(environment: Mapping[str, str]) -> bool:
    """Say whether a manager started this process with its output in the journal, before a shell led it into a file."""
    return bool(environment.get("JOURNAL_STREAM")) and bool(environment.get("INVOCATION_ID"))


class Journal(logging.Handler):
    """A handler that sends each event."""

    def __init__(self, name: str, address: str = ADDRESS) -> None:
        """`name` is what the journal shows before each line. Raises OSError if nobody listens at `address`."""
        super().__init__()
        self._name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    def emit(self, record: logging.LogRecord) -> None:
        """Send the event; one that cannot be sent now is in the file only."""
        with contextlib.suppress(OSError, ValueError):
            self._socket.send(self.datagram(record))

    def datagram(self, record: logging.LogRecord) -> bytes:
        """Return the event in the journal's form: NAME=value, or a length where the value has lines."""
        priority = next(number for level, number in _PRIORITY if record.levelno >= level)
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(priority),
            "SYSLOG_IDENTIFIER": self._name,
            "SYSLOG_PID": str(os.getpid()),
            "LOGGER": record.name,
        }
        return b"".join(_field(name, value) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
