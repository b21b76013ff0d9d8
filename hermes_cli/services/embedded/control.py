"""The supervisor's control socket: one JSON line in, one out, for the same user only."""

import contextlib
import json
import os
import selectors
import socket
from collections.abc import Callable
from typing import Any

from hermes_cli.system.sockets import identity, listen, peer_uid

_LINE = 16384
_WAITING = 32  # callers that have connected and said nothing yet; beyond that the one who waits longest is hung up on


class Call:
    """One request, to be answered now or later."""

    def __init__(self, connection: socket.socket, request: dict[str, Any]) -> None:
        self._connection = connection
        self.request = request
        self.operation = str(request.get("op"))
        self.trigger = str(request.get("trigger"))[:20]

    def answer(self, document: dict[str, Any]) -> None:
        """Answer and hang up, whether or not the caller is still there."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(document).encode() + b"\n")
        self._connection.close()


class Control:
    """Accepts calls and hands each to `serve`; all in the caller's selector loop."""

    def __init__(self, path: str, selector: selectors.BaseSelector, serve: Callable[[Call], None]) -> None:
        """Listen at `path`, replacing what a dead supervisor left. Raises OSError."""
        self._path = path
        self._selector = selector
        self._serve = serve
        self._waiting: list[socket.socket] = []
        self._listener = self._listen()

    def tend(self) -> None:
        """Listen again if somebody has removed or replaced the socket; while something is in its place, the next look does."""
        if identity(self._path) == self._named:
            return
        before = self._listener
        try:
            self._listener = self._listen()
        except OSError:
            return
        self._selector.unregister(before)
        before.close()

    def _listen(self) -> socket.socket:
        listener = listen(self._path)
        self._named = identity(self._path)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        return listener

    def close(self) -> None:
        """Remove the socket, unless something else lies in its place."""
        self._listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if peer_uid(connection) not in {os.geteuid(), 0, None}:
            connection.close()
            return
        connection.setblocking(False)
        if len(self._waiting) >= _WAITING:
            longest = self._waiting.pop(0)
            self._selector.unregister(longest)
            longest.close()
        self._waiting.append(connection)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._converse(connection))

    def _converse(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        self._waiting.remove(connection)
        try:
            request = json.loads(connection.recv(_LINE))
        except (OSError, ValueError, RecursionError):
            request = None
        if isinstance(request, dict):
            self._serve(Call(connection, request))
        else:
            connection.close()
