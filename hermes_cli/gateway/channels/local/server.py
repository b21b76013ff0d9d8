"""The local channel: a Unix socket for this user's own programs. No account, no network.

A client may follow any session, whichever channel its messages came from. The gateway never waits for a client. It drops
one that does not read when 4 MiB wait for it, and, after a while, one that begins a line and does not end it, or that
follows nothing and says nothing.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
from typing import Any

from hermes_cli.config import LimitsConfig
from hermes_cli.gateway.channels.local import protocol
from hermes_cli.gateway.conversations.forms import Form
from hermes_cli.gateway.conversations.message import LOCAL, Message, MessageOrigin
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.system import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from hermes_cli.gateway.channels.base import Desk

_log = logging.getLogger("hermes.local")
_BUFFER_LIMIT = 4 * 1024 * 1024  # bytes
_PAGE = 16  # messages read at once for a client that catches up
_HISTORY_LIMIT = 500


class _Client:
    """A connection. `following` names a session once the client has all that was stored before."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.following: str | None = None
        self.seq = 0

    def send(self, event: dict[str, Any]) -> None:
        transport = self.writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > _BUFFER_LIMIT:  # asked before: no event is too long by itself
            self.drop("does not read")
            return
        self.writer.write(protocol.encode(event))

    def drop(self, why: str) -> None:
        """Hang up at once, whatever waits for it."""
        _log.warning("a client that %s was dropped", why)
        self.writer.transport.abort()

    def message(self, message: Message) -> None:
        self.seq = message.seq
        self.send(message.event())


class LocalChannel:
    """The channel of the socket at `path`. The caller holds gateway.lock, so no other instance listens there."""

    def __init__(self, path: str, store: Store, desk: "Desk", limits: LimitsConfig) -> None:
        self._limits = limits
        self.name = LOCAL
        self._path = path
        self._store = store
        self._desk = desk
        self._clients: set[_Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._named: tuple[int, int] | None = None  # the socket that its path leads to
        self._server: asyncio.Server | None = None
        self._is_closed = False
        self._operations: dict[str, Callable[[_Client, dict[str, Any]], Any]] = {
            "send": self._send,
            "follow": self._follow,
            "history": self._history,
            "status": self._status,
            "ping": self._ping,
            "refresh": self._refresh,
        }

    async def open(self) -> None:
        """Accept clients from now on. Raises OSError."""
        self._listener = sockets.listen(self._path)
        self._named = sockets.identity(self._path)
        # Not start_unix_server: newer Pythons remove a Unix server's file themselves, by an address that may be a
        # temporary name of ours.
        self._server = await asyncio.start_server(
            self._serve, sock=self._listener, limit=protocol.LINE_LIMIT, backlog=sockets.BACKLOG
        )

    def serve(self) -> None:
        """Do nothing: the socket is there."""

    def tend(self) -> None:
        """Listen again if somebody has removed or replaced the socket; while something is in its place, the next look does."""
        if self._server is None or self._is_closed or sockets.identity(self._path) == self._named:
            return
        task = asyncio.get_running_loop().create_task(self._listen_again(self._server))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen_again(self, before: asyncio.Server) -> None:
        try:
            await self.open()
        except OSError as error:
            _log.warning("%s: nobody can reach it (%s)", self._path, error.strerror)
            return
        before.close()
        if self._is_closed:
            self.close()

    def refresh(self) -> None:
        """Do nothing: whoever reaches the socket may write."""

    async def finish(self) -> None:
        """Do nothing: what was written is on its way."""

    def drain(self) -> None:
        """Go on accepting: a client is told that the next instance will answer."""

    def close(self) -> None:
        """Accept no more clients and remove the socket's name; what was written is on its way already."""
        self._is_closed = True
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(OSError):  # something else may lie in its place by now
            os.unlink(self._path)

    def publish(self, message: Message) -> None:
        """Send a message to every client that follows its session."""
        for client in list(self._clients):
            if client.following == message.session:
                client.message(message)

    def change(self, message: Message) -> None:
        """Do nothing: what was sent stays. Whoever decided was answered."""

    def called(self, origin: MessageOrigin) -> str:  # noqa: ARG002  all are this user's own
        """Name the machine: nobody else reaches the socket."""
        return "somebody on the gateway's machine"

    def stream(self, message: Message, offset: int, text: str, form: Form | None) -> None:  # noqa: ARG002  a terminal shows all alike
        """Send output of the turn that answers `message` to every client that follows the session."""
        for client in list(self._clients):
            if client.following == message.session:
                client.send({"event": "chunk", "reply_to": message.id, "offset": offset, "text": text})

    def state(self) -> dict[str, Any]:
        """Count the clients."""
        return {"clients": len(self._clients)}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = sockets.peer_uid(writer.get_extra_info("socket"))
        if uid is not None and uid != os.geteuid():
            _log.warning("a client of uid %d was refused", uid)
            writer.close()
            return
        client = _Client(writer)
        if len(self._clients) >= self._limits.clients:
            _log.warning("a client was refused: there are %d already", len(self._clients))
            client.send({"event": "error", "text": f"{len(self._clients)} clients are connected already: repeat later"})
            writer.close()
            return
        self._clients.add(client)
        try:
            await self._converse(client, reader)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client left, as it may at any moment
        except protocol.ProtocolError as error:
            client.send({"event": "error", "text": f"{error}: goodbye"})
        except Exception:  # noqa: BLE001  logged; a client's trouble must not reach other clients
            _log.exception("a client's operation failed")
        finally:
            self._clients.discard(client)
            writer.close()

    async def _converse(self, client: _Client, reader: asyncio.StreamReader) -> None:
        while True:
            document = protocol.decode(await self._line(client, reader))
            try:
                operation = self._operations.get(str(document.get("op")))
                if operation is None:
                    raise protocol.RefusedError(f"op: one of {', '.join(self._operations)}")  # noqa: TRY301  answered by the except below, like any refusal
                result = operation(client, document)
                if asyncio.iscoroutine(result):
                    await result
            except protocol.RefusedError as error:
                client.send({"event": "error", "text": str(error), "id": document.get("id")})
            except ConnectionError:
                raise
            except (OSError, sqlite3.Error, MemoryError) as error:  # said, and asked again when there is room
                _log.error("%s could not be answered: %s", document.get("op"), error or "no memory")
                text = f"{document.get('op')} could not be answered ({error or 'no memory'}): repeat later"
                client.send({"event": "error", "text": text, "id": document.get("id")})

    async def _line(self, client: _Client, reader: asyncio.StreamReader) -> bytes:
        """Return the next line. Raises IncompleteReadError at the end, and ProtocolError when it does not come."""
        first = b""
        while not first:
            try:
                first = await asyncio.wait_for(reader.readexactly(1), self._limits.idle_timeout)
            except TimeoutError:
                if client.following is None:
                    raise protocol.ProtocolError(f"nothing was said for {self._limits.idle_timeout:g} s") from None
        if first == b"\n":
            return first
        try:
            return first + await asyncio.wait_for(reader.readuntil(b"\n"), self._limits.line_timeout)
        except asyncio.LimitOverrunError:
            raise protocol.ProtocolError(f"a line is longer than {protocol.LINE_LIMIT} bytes") from None
        except TimeoutError:
            raise protocol.ProtocolError(f"a line has no end after {self._limits.line_timeout:g} s") from None

    def _send(self, client: _Client, document: dict[str, Any]) -> None:
        session, identifier = protocol.session(document), protocol.message_id(document)
        try:
            stored = self._store.accept(session, identifier, protocol.text(document))
        except sqlite3.Error as error:
            _log.error("a message could not be stored: %s", error)
            raise protocol.RefusedError(f"the message was not stored: {error}") from None
        client.send({"event": "accepted", "id": identifier, "draining": self._desk.is_draining()})
        if stored is not None:
            self._desk.accepted(stored)

    async def _follow(self, client: _Client, document: dict[str, Any]) -> None:
        session, after = protocol.session(document), protocol.number(document, "after", 0)
        # A number from the future belongs to a database that was set aside as corrupt: all of this database is new.
        client.seq = after if after <= self._store.last_seq() else 0
        client.following = None
        while page := self._store.after(session, client.seq, _PAGE):
            for message in page:
                client.message(message)
                try:
                    await asyncio.wait_for(client.writer.drain(), self._limits.line_timeout)
                except TimeoutError:
                    client.drop("does not read")
                    return
        # No await from the empty page to here, so nothing is published in between.
        client.following = session
        turn = self._desk.running_turn(session)
        if turn is not None and turn.streamed == turn.printed > 0:
            offset = turn.streamed - len(turn.output)
            client.send({"event": "chunk", "reply_to": turn.message.id, "offset": offset, "text": turn.output})

    def _history(self, client: _Client, document: dict[str, Any]) -> None:
        session = protocol.session(document)
        limit = min(protocol.number(document, "limit", 20), _HISTORY_LIMIT)
        messages = [message.event() for message in self._store.history(session, limit, protocol.LINE_LIMIT)]
        client.send({"event": "history", "session": session, "messages": messages, "last": self._store.last_seq()})

    def _status(self, client: _Client, _: dict[str, Any]) -> None:
        client.send({"event": "status", **self._desk.report()})

    def _ping(self, client: _Client, _: dict[str, Any]) -> None:
        client.send({"event": "pong"})

    def _refresh(self, client: _Client, _: dict[str, Any]) -> None:
        self._desk.refresh()
        client.send({"event": "refreshed"})
