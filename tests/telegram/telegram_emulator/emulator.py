"""The server: a thread with a loop of its own on a port of this machine, its journal, and its people for a test."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, TypeVar

from telegram_emulator import http
from telegram_emulator.errors import ApiError, flood
from telegram_emulator.faults import Fault, Kind
from telegram_emulator.limits import Limit
from telegram_emulator.methods import Methods
from telegram_emulator.people import Chat, Shown, User
from telegram_emulator.world import Bot, World

TOKEN = "123456:AAE-a-token-of-the-emulator-0123456"
Found = TypeVar("Found")


@dataclass(frozen=True)
class Call:
    """An entry of the journal: when (seconds of the monotonic clock), what, and what was answered; None: not yet.

    `connection`: the number of the connection that it came by; `made`: the id of the message that it made or changed;
    `told`: the client was there for the whole answer.
    """

    at: float
    method: str
    arguments: dict[str, Any]
    status: int | None
    fault: str | None = None
    connection: int = 0
    made: int | None = None
    told: bool = False


class Telegram:
    """A server with one bot. All of it may be called from any thread; it ends with `close` or the `with` block."""

    def __init__(self, token: str = TOKEN, username: str = "hermes_test_bot", latency: float = 0.0) -> None:
        """`latency`: seconds of network, there and back."""
        self.token = token
        self.latency = latency
        self.world = World()
        self.bot: Bot = self.world.bot(token, username)
        self.journal: list[Call] = []
        self.changed = threading.Condition()
        self._methods = Methods(self.world)
        self._faults: list[Fault] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="telegram", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._connections = 0
        self.port = 0
        self.back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """What a client takes for https://api.telegram.org."""
        return f"http://127.0.0.1:{self.port}"

    # --- the server

    def back(self) -> None:
        """Listen, on the same port as before."""

        async def listen() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 20)
            self.port = self._server.sockets[0].getsockname()[1]

        if self._server is None:
            self._run(listen())

    def away(self) -> None:
        """Refuse connections and break those that there are."""

        async def leave() -> None:
            if self._server is not None:
                self._server.close()
                self._server = None
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

        self._run(leave())

    def close(self) -> None:
        """End the server and its thread."""
        if self._loop.is_closed():
            return
        self.away()

        async def rest() -> None:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        self._run(rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # --- what goes wrong

    def fault(self, method: str, kind: Kind, count: int = 1, **more: Any) -> Fault:
        """Order a fault; see `faults.Fault`."""
        found = Fault(method, kind, count, **more)
        with self.changed:
            self._faults.append(found)
        return found

    def refuse(
        self, method: str, code: int, description: str, count: int = 1, skip: int = 0, **parameters: int
    ) -> Fault:
        """Order a refusal."""
        return self.fault(method, "refuse", count, skip=skip, error=ApiError(code, description, **parameters))

    def flood(self, method: str, seconds: int, count: int = 1, **more: int) -> Fault:
        """Order 429s."""
        return self.fault(method, "refuse", count, error=flood(seconds), **more)

    def heal(self) -> None:
        """Take back every fault that was ordered."""
        with self.changed:
            self._faults.clear()

    def limit(self, **rule: Any) -> Limit:
        """Have flood control by a rule; see `limits.Limit`."""
        self.world.limit = Limit(**rule)
        return self.world.limit

    # --- people

    def person(self, identifier: int = 4711, name: str = "Ann") -> Chat:
        """A person's private chat with the bot."""
        return self._make(Chat(identifier, "private", name))

    def group(self, identifier: int = -100123, title: str = "Team", topics: tuple[int, ...] | None = None) -> Chat:
        """A group: a supergroup if its id says so, a forum if it has topics."""
        kind = "supergroup" if identifier <= -100 and str(identifier).startswith("-100") else "group"
        return self._make(Chat(identifier, kind, title, None if topics is None else set(topics)))

    def say(
        self,
        chat: Chat,
        text: str,
        thread: int | None = None,
        *,
        user: User | None = None,
        forwarded: bool = False,
        caption: bool = False,
    ) -> Shown:
        """Have somebody write; in a private chat that person."""
        writer = user or User(chat.id, chat.title)
        return self._do(
            lambda: self.world.say(self.bot, chat, writer, text, thread, forwarded=forwarded, caption=caption)
        )

    def say_all(self, sayings: Iterable[tuple[Chat, str]]) -> None:
        """Have people write in their private chats, one after the other, faster than one by one."""

        def say() -> None:
            for chat, text in sayings:
                writer = User(chat.id, chat.title)
                self.world.say(self.bot, chat, writer, text, None, forwarded=False, caption=False)

        self._do(say)

    def update(self, kind: str, document: Any) -> None:
        """Have an update come, of whatever form."""
        self._do(lambda: self.bot.updates.add(kind, document))

    def edit(self, chat: Chat, shown: Shown, text: str) -> None:
        """Have its writer change a message."""
        self._do(lambda: self.world.edit(self.bot, chat, shown, text))

    def press(self, chat: Chat, shown: Shown, label: str, user: User | None = None) -> str:
        """Have somebody press a button of a message, by its label. The query's id."""
        data = next(button["callback_data"] for row in shown.buttons for button in row if button["text"] == label)
        return self._do(lambda: self.world.press(self.bot, chat, user or User(chat.id, chat.title), shown, data))

    def upgrade(self, chat: Chat, identifier: int) -> Chat:
        """Make a supergroup of a group, and tell the bot in both."""
        chat.migrated_to = identifier
        found = self.group(identifier, chat.title)
        self._do(lambda: self.world.upgrade(self.bot, chat, found))
        return found

    # --- what a test sees

    def until(self, look: Callable[[], Found], what: str = "", patience: float = 120.0) -> Found:
        """The first thing that `look` finds, looking again whenever something has happened here."""
        deadline = time.monotonic() + patience
        with self.changed:
            while not (found := look()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{what or 'it'} did not come within {patience} s:\n{self.story()}")
                self.changed.wait(min(left, 1.0))
        return found

    def calls(self, method: str = "") -> list[Call]:
        """The journal of one method, or the whole."""
        with self.changed:
            return [call for call in self.journal if not method or call.method.lower() == method.lower()]

    def mark(self) -> int:
        """A number above those of all connections that clients have made so far, and below those of later ones."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            connection.sendall(f"GET /bot{self.token}/mark HTTP/1.1\r\n\r\n".encode())
            connection.recv(4096)
        with self.changed:
            return max(call.connection for call in self.journal if call.method == "mark")

    def pending(self) -> int:
        """How many updates nobody has confirmed."""
        return self._do(lambda: len(self.bot.updates.pending()))

    def story(self) -> str:
        """The journal's end and all chats, for a person."""
        lines = [
            f"{call.at:.3f} {call.method} {call.arguments} {call.status} {call.fault or ''}" for call in self.journal
        ]
        for chat in self.world.chats.values():
            lines += [f"--- {chat.title} ({chat.id})"]
            lines += [f"{one.id} [{one.thread}] {one.sender.name}: {one.text!r}" for one in chat.seen()]
        return "\n".join(lines[-200:])

    # --- inside

    def _make(self, chat: Chat) -> Chat:
        return self._do(lambda: self.world.chats.setdefault(chat.id, chat))

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def _do(self, act: Callable[[], Found]) -> Found:
        async def acting() -> Found:
            with self.changed:
                try:
                    return act()
                finally:
                    self.changed.notify_all()

        found: Found = self._run(acting())
        return found

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(asyncio.CancelledError):
                self._connections += 1
                await http.converse(reader, writer, partial(self._answer, self._connections))
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, connection: int, request: http.Request) -> http.Answer:
        token, _, method = request.path.removeprefix("/bot").partition("/")
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        with self.changed:
            fault = None
            for one in self._faults if method != "mark" else []:
                fault = one if one.strikes(method, free=fault is None) else fault
            at = self._note(method, request, fault, connection)
        if fault is not None and fault.kind == "drop-before":
            return http.Answer(body=None)
        if fault is not None and fault.kind == "hang":
            await asyncio.sleep(3600)
        if fault is not None and fault.kind == "html":
            return http.Answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
        status, document = await self._outcome(token, method, request, fault)
        with self.changed:
            made = document.get("result")
            made = made.get("message_id") if isinstance(made, dict) else None
            self.journal[at] = replace(self.journal[at], status=status, made=made)
            self.changed.notify_all()
        if fault is not None and fault.kind == "drop-after":
            return http.Answer(body=None)
        await asyncio.sleep(self.latency / 2 + (fault.seconds if fault is not None and fault.kind == "late" else 0.0))
        body = json.dumps(document).encode()
        half = len(body) // 2 if fault is not None and fault.kind == "truncate" else None
        return http.Answer(status, body, sent=half, told=lambda: self._told(at))

    async def _outcome(
        self, token: str, method: str, request: http.Request, fault: Fault | None
    ) -> tuple[int, dict[str, Any]]:
        try:
            if fault is not None and fault.error is not None:
                raise fault.error
            if fault is not None and fault.kind == "instead":
                return 200, {"ok": True, "result": fault.result}
            bot = self.world.bots.get(token)
            if bot is None:
                known_form = token.partition(":")[0].isdecimal() and token.partition(":")[2]
                raise ApiError(401, "Unauthorized") if known_form else ApiError(404, "Not Found")
            if method.lower() == "getupdates":
                asked = request.arguments
                result: Any = await bot.updates.poll(
                    int(asked.get("offset", 0)), int(asked.get("limit", 100)), float(asked.get("timeout", 0))
                )
            else:
                with self.changed:
                    result = self._methods.call(bot, method, request)
        except ApiError as error:
            return error.code, error.document()
        return 200, {"ok": True, "result": result}

    def _note(self, method: str, request: http.Request, fault: Fault | None, connection: int) -> int:
        kind = fault.kind if fault is not None else None
        self.journal.append(Call(time.monotonic(), method, request.arguments, None, kind, connection))
        self.changed.notify_all()
        return len(self.journal) - 1

    def _told(self, at: int) -> None:
        with self.changed:
            self.journal[at] = replace(self.journal[at], told=True)
            self.changed.notify_all()
