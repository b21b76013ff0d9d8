"""The daemon's socket: one request per connection, answered now or later."""

import contextlib
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

from launchd_emulator.loop import Loop

_SEND_PATIENCE = 5  # seconds for a client that reads slowly; a stopped one must not stop launchd


@dataclass(frozen=True)
class Reply:
    """The output and the exit code of a client."""

    code: int = 0
    out: str = ""
    err: str = ""


class Connection:
    """One client. An accepted request goes on even if its client is gone before the answer."""

    def __init__(
        self, loop: Loop, accepted: socket.socket, handle: Callable[["Connection", list[bytes]], None]
    ) -> None:
        self.client = _peer(accepted)
        self._loop = loop
        self._socket = accepted
        self._handle = handle
        self._text = b""
        self._reading = True
        accepted.setblocking(False)
        loop.reading(accepted.fileno(), self._read)

    def answer(self, reply: Reply, then: Callable[[bool], None] = lambda _: None) -> None:
        """Send the answer, tell `then` whether the client was still there, and only then let the client go on."""
        out, err = reply.out.encode(), reply.err.encode()
        try:
            self._socket.settimeout(_SEND_PATIENCE)
            self._socket.sendall(b"%d %d\n%s%s" % (reply.code, len(out), out, err))
            heard = True
        except OSError:
            heard = False
        then(heard)
        self._close()

    def _read(self) -> None:
        try:
            read = self._socket.recv(65536)
        except BlockingIOError:
            return
        except ConnectionError:
            read = b""
        self._text += read
        length, found, payload = self._text.partition(b"\n")
        if found and len(payload) >= int(length):
            self._stop_reading()
            self._handle(self, payload.split(b"\0"))
        elif not read:
            self._close()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.forget(self._socket.fileno())

    def _close(self) -> None:
        self._stop_reading()
        self._socket.close()


def listen(loop: Loop, path: str, handle: Callable[[Connection, list[bytes]], None]) -> None:
    """Begin to take requests."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    listener.setblocking(False)

    def accept() -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            Connection(loop, listener.accept()[0], handle)

    loop.reading(listener.fileno(), accept)


def _peer(accepted: socket.socket) -> int | None:
    if sys.platform != "linux":
        return None
    pid, _, _ = struct.unpack("3i", accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)
