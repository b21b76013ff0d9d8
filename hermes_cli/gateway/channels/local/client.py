"""A client of the local channel that follows a session across restarts of the gateway. Blocking, without asyncio.

What was sent and not acknowledged is sent again with the same id. What was seen is not shown again, because the client
asks the gateway for messages after the last `seq`.
"""

import os
import select
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Self

from hermes_cli.config import load_or_defaults
from hermes_cli.errors import HermesError, NotInstalledError, NotRunningError
from hermes_cli.gateway.channels.local import protocol
from hermes_cli.intents import desired
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.restart.wake import look
from hermes_cli.system import sockets
from hermes_cli.system.directory_watch import DirectoryWatch

Event = dict[str, Any]
_LOOK_AGAIN = 2.0  # seconds
_EXCHANGE = 10.0  # seconds for the gateway to take or give one line


class Connection:
    """A connection to the gateway, line by line."""

    def __init__(self, path: str) -> None:
        """Connect. Raises OSError when nobody listens."""
        self._socket = sockets.connect(path, _EXCHANGE)
        self._buffer = b""

    def fileno(self) -> int:
        """Return the descriptor that is readable when `receive` has something to return."""
        return self._socket.fileno()

    def send(self, document: Event) -> None:
        """Send an operation. Raises OSError when the gateway is gone or takes nothing for 10 s."""
        self._socket.sendall(protocol.encode(document))

    def receive(self) -> list[Event] | None:
        """Return the events that have arrived, or None when the gateway is gone."""
        try:
            data = self._socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [protocol.decode(line) for line in lines]

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class Conversation:
    """A session, followed for as long as the program runs. Use as a context manager."""

    def __init__(self, paths: Paths, session: str) -> None:
        self._paths = paths
        self._session = session
        self._connection: Connection | None = None
        self._unacknowledged: dict[str, str] = {}
        self._events: deque[Event] = deque()
        self._seq = 0
        self._gone_since = time.monotonic()
        self._greeting: list[Event] | None = None

    def open(self, history: int = 0) -> list[Event]:
        """Connect and return the session's last messages. Wait for a gateway that is on its way.

        Raises NotRunningError when none runs and none is to come, HermesError when it does not come.
        """
        self._await(lambda: self._connect(history), first=True)
        return self._greeting or []

    def say(self, text: str) -> str:
        """Send a message and return its id. If the connection is lost meanwhile, `events` sends it again."""
        identifier = uuid.uuid4().hex
        self._unacknowledged[identifier] = text
        self._post(identifier, text)
        return identifier

    def events(self, *, wake: int | None = None, deadline: float | None = None) -> Iterator[Event]:
        """Yield events as they come, through restarts of the gateway, until `wake` is readable or `deadline` (monotonic).

        Raises NotRunningError when the gateway was stopped, HermesError when it does not come back.
        """
        while True:
            while self._events:
                event = self._events.popleft()
                self._take_note(event)
                yield event
            if self._connection is None and not self._await(lambda: self._connect(0), wake=wake):
                return
            connection = self._connection
            if connection is None:
                continue
            if not _readable(connection.fileno(), wake=wake, deadline=deadline):
                return
            received = connection.receive()
            if received is None:
                self._hang_up()
            else:
                self._events.extend(received)

    def close(self) -> None:
        """Hang up. The session goes on in the gateway."""
        self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_note(self, event: Event) -> None:
        if event.get("event") == "accepted" or (event.get("event") == "error" and event.get("id")):
            self._unacknowledged.pop(str(event.get("id")), None)
        elif event.get("event") == "message":
            self._seq = int(event["seq"])

    def _connect(self, history: int) -> bool:
        """Connect, follow the session, and send what may not have arrived. Return False when nobody listens."""
        try:
            connection = Connection(self._paths.socket)
        except OSError:
            return False
        try:
            if self._greeting is None:  # the first connection: earlier messages are history, not news
                connection.send({"op": "history", "session": self._session, "limit": history})
                answer = _first(connection, "history")
                self._greeting = answer["messages"]
                self._seq = int(answer["last"])
            connection.send({"op": "follow", "session": self._session, "after": self._seq})
            self._connection = connection
            for identifier, text in self._unacknowledged.items():
                connection.send({"op": "send", "session": self._session, "id": identifier, "text": text})
        except (OSError, KeyError, TypeError, ValueError):
            self._connection = None
            connection.close()
            return False
        return True

    def _post(self, identifier: str, text: str) -> None:
        if self._connection is None:
            return
        try:
            self._connection.send({"op": "send", "session": self._session, "id": identifier, "text": text})
        except OSError:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._gone_since = time.monotonic()

    def _await(self, connect: Callable[[], bool], *, wake: int | None = None, first: bool = False) -> bool:
        """Wait until `connect` succeeds. Try again at every change in the state directory.

        Return False when `wake` became readable.
        """
        if connect():
            return True
        limit = patience(self._paths)
        if not os.path.isdir(self._paths.state):
            raise self._not_there("the gateway is not running")
        with DirectoryWatch(self._paths.state) as watch:
            while not connect():
                self._check_hope(first=first)
                left = self._gone_since + limit - time.monotonic()
                if left <= 0:
                    raise HermesError(
                        f"the gateway did not come back within {limit:.0f} s, what was accepted stays:"
                        " hermes gateway status"
                    )
                if not _readable(watch.fileno(), wake=wake, deadline=time.monotonic() + min(left, _LOOK_AGAIN)):
                    if wake is not None and _is_readable(wake):
                        return False
                    look(self._paths)  # whoever waits for a restart can see that no driver works on it, and start one
                    continue
                watch.drain()
        return True

    def _not_there(self, what: str) -> HermesError:
        """Return what is said of a gateway that does not run, with what starts it: of what nobody has installed, that."""
        from hermes_cli.services import registered

        if os.path.exists(registered.path_of(self._paths)):
            return NotRunningError(f"{what}: hermes gateway start")
        return NotInstalledError(f"{what}: hermes gateway install")

    def _check_hope(self, *, first: bool) -> None:
        if desired.seen(self._paths.desired) == "stopped" and own.read_alive(self._paths) is None:
            raise self._not_there("the gateway was stopped, what was accepted stays")
        if not first or self._paths.queue.unsettled():
            return
        instance = own.read_alive(self._paths)
        if instance is None or instance.state == "exited":
            raise self._not_there("the gateway is not running")


def _first(connection: Connection, kind: str) -> Event:
    """Return the first event of a kind on a new connection. Raises OSError when it does not come."""
    deadline = time.monotonic() + _EXCHANGE
    while _readable(connection.fileno(), deadline=deadline):
        received = connection.receive()
        if received is None:
            raise ConnectionResetError("closed without an answer")
        for event in received:
            if event.get("event") == kind:
                return event
    raise TimeoutError("no answer")


def _readable(descriptor: int, *, wake: int | None = None, deadline: float | None = None) -> bool:
    """Wait until the descriptor is readable. Return False when `wake` is, or at the deadline (monotonic)."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    if wake is not None:
        poller.register(wake, select.POLLIN)
    timeout = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    ready = {number for number, _ in poller.poll(timeout)}
    return descriptor in ready and wake not in ready


def _is_readable(descriptor: int) -> bool:
    return _readable(descriptor, deadline=time.monotonic())


def patience(paths: Paths) -> float:
    """Return how many seconds a restart takes in the worst case: the driver's deadline and a slow start."""
    gateway = load_or_defaults(paths.config).gateway
    return gateway.restart_clocks.driver_deadline + gateway.start_timeout
