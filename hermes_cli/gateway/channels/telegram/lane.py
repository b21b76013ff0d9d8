"""What goes out to one chat, in order: the preview of a running turn, typing, and messages, each exactly once.

A message is first a placeholder and then edited into what it is to say. A placeholder whose fate is unknown is made
again, and at worst one "…" too many is left; an edit is repeated until it is known to stand. So nothing that says
something ever stands there twice. Refusals and pauses are the chat's own: no other chat and no turn waits for them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from hermes_cli.gateway.channels.telegram import buttons, verdicts
from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.channels.telegram.outcomes import Outcome
from hermes_cli.gateway.channels.telegram.parts import File, Part, parts_of
from hermes_cli.gateway.channels.telegram.preview import PLACEHOLDER, Preview
from hermes_cli.gateway.channels.telegram.text import Rich
from hermes_cli.gateway.conversations.changes import Whole

_PREVIEW_AFTER = 1.0  # seconds of a turn before its output is shown: most are over by then
_PREVIEW_EVERY = 2.0  # seconds between two edits of a preview; Telegram wants about one call a second in a chat
_TYPING = 4.5  # seconds between two signs of life, which Telegram shows for five
_CHANGE_EVERY = 1.0  # seconds between two edits of what stands already
_LEAST, _MOST = 0.5, 30.0  # seconds between two tries
_log = logging.getLogger("hermes.telegram")


class Calls(Protocol):
    """What a lane needs of the API, of which it imports nothing: there is a client in it."""

    async def call(self, method: str, patience: float = ..., **arguments: Any) -> Outcome:
        """Make a call."""

    async def upload(self, method: str, name: str, content: bytes, **arguments: Any) -> Outcome:
        """Make a call that sends a file."""


@dataclass(slots=True)
class Due:
    """A message to deliver, or to change: the key of its delivery, how it reads, and the parts of that."""

    key: int
    is_change: bool = False
    whole: Whole | None = None
    parts: list[Rich | File] = field(default_factory=list)
    unfit: dict[int, str] = field(default_factory=dict)  # parts whose words are not taken, and why

    def reads(self, whole: Whole, *, as_text: bool) -> list[Rich | File]:
        """Return the parts of what it reads now."""
        if self.whole != whole or not self.parts:
            self.whole, self.parts = whole, parts_of(whole.text, whole.spans, as_text=as_text)
            self.unfit.clear()
        return [
            Rich(f"[Telegram does not take what stands here: {self.unfit[number]}]") if number in self.unfit else part
            for number, part in enumerate(self.parts)
        ]


@dataclass(slots=True)
class Shared:
    """What all lanes of a bot share."""

    api: Calls
    ledger: Ledger
    over: Callable[[int], None]  # the message with this key was delivered, or never will be
    closing: bool = False
    moved: dict[str, str] = field(default_factory=dict)  # chats that have another id now


class Lane:
    """The way out to one chat. `run` is its task; everything happens on the event loop's thread."""

    def __init__(self, chat: str, shared: Shared) -> None:
        self.chat = chat
        self.due: deque[Due] = deque()
        self.previews: dict[int, Preview] = {}  # by the key
        self.waiting: dict[int, str | None] = {}  # turns that are not answered, and their topics
        self.wake = asyncio.Event()
        self.busy = False
        self.why = ""  # what keeps it from delivering
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._pause_until = 0.0
        self._pause = _LEAST
        self._typed = 0.0
        self._edited = 0.0
        self._unnoted: dict[tuple[int, int], str] = {}  # placeholders that a full disk keeps from being noted

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.due or self.previews or self.waiting or self.busy)

    def retry_now(self) -> None:
        """Try again: the network is back. A penalty of Telegram's goes on."""
        if self.why == "offline":
            self._pause_until = 0.0
            self.wake.set()

    async def run(self) -> None:
        """Do what is due, until there is nothing left or the end has come."""
        while not self.is_idle and not self._shared.closing:
            self.wake.clear()
            now = self._loop.time()
            if now < self._pause_until:
                await self._sleep(self._pause_until - now)
                continue
            act = self._next(now)
            if act is None:
                await self._sleep(self._until_something(now))
                continue
            self.busy = True
            try:
                await act()
            finally:
                self.busy = False

    def _next(self, now: float) -> Callable[[], Awaitable[None]] | None:
        if self.due and (not self.due[0].is_change or now >= self._edited + _CHANGE_EVERY):
            return self._deliver
        if self.waiting and now >= self._typed + _TYPING:
            return self._type
        if now >= self._edited + _PREVIEW_EVERY:
            for key, preview in self.previews.items():
                if preview.text != preview.shown and now >= preview.since + _PREVIEW_AFTER:
                    return lambda: self._show(key, preview)
        return None

    def _until_something(self, now: float) -> float:
        times = [self._typed + _TYPING] if self.waiting else []
        times += [self._edited + _CHANGE_EVERY] if self.due else []
        times += [
            max(self._edited + _PREVIEW_EVERY, preview.since + _PREVIEW_AFTER)
            for preview in self.previews.values()
            if preview.text != preview.shown
        ]
        return max(0.01, min(times, default=now + _MOST) - now)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.wake.wait()
        except TimeoutError:
            pass

    # --- the three things that it does

    async def _type(self) -> None:
        self._typed = self._loop.time()
        thread = next(reversed(self.waiting.values()))
        outcome = await self._call("sendChatAction", thread, action="typing", patience=5.0)
        if verdicts.of(outcome).kind == "later":
            self._wait(verdicts.of(outcome))

    async def _show(self, key: int, preview: Preview) -> None:
        self._edited = self._loop.time()
        text = preview.text
        placed = await self._placed(key, 0, self.waiting.get(key))
        if placed is None:
            return
        verdict = await self._edit(placed, preview.words(), None)
        if verdict.kind == "done":
            preview.shown = text
            self._fine()
        elif verdict.kind == "gone":
            self._shared.ledger.lost(key, 0)
        elif verdict.kind == "later":
            self._wait(verdict)
        else:
            preview.shown = text  # its reply will say what is the matter

    async def _deliver(self) -> None:
        due = self.due[0]
        ledger = self._shared.ledger
        whole = None if ledger.is_over(due.key) else ledger.whole(due.key)
        if whole is None:
            self.due.popleft()
            self._shared.over(due.key)
            return
        if whole.is_changed and not whole.text:  # what was to be edited is not known any more
            ledger.current(due.key, whole.n)
            return
        self.previews.pop(due.key, None)
        self.waiting.pop(due.key, None)
        due.is_change = due.is_change or whole.is_changed
        if due.is_change:
            self._edited = self._loop.time()
        thread = whole.base.origin.thread
        as_text = buttons.below(whole.base.id) is not None or ledger.is_without_file(due.key)
        parts = due.reads(whole, as_text=as_text)  # what is to be approved is shown whole
        if not await self._shorten(due.key, len(parts)):
            return
        for number, words in enumerate(parts):
            is_last = number == len(parts) - 1
            is_asked = is_last and not whole.is_changed and not due.unfit
            keyboard = buttons.below(whole.base.id) if is_asked else None
            part = Part(due.key, number, words, keyboard)
            if ledger.place(due.key, number)[0] == part.mark and not (is_last and whole.is_changed):
                continue
            if not await self._say(part, thread, last=whole.n if is_last else None):
                return

    async def _shorten(self, key: int, length: int) -> bool:
        """Remove the parts that a message does not have any more. Return False to come back to it later."""
        for number, placed in enumerate(self._shared.ledger.parts(key)[length:], length):
            verdict = verdicts.of(await self._call("deleteMessage", None, message_id=int(placed)))
            if verdict.kind == "later":
                self._wait(verdict)
                return False
            self._shared.ledger.lost(key, number)
        return True

    async def _say(self, part: Part, thread: str | None, *, last: int | None) -> bool:
        """Have a part stand in the chat. Return False to come back to it later, or never."""
        placed = await self._placed(part.key, part.number, thread)
        if placed is None:
            return False
        words = part.words
        verdict = await (
            self._attach(placed, words) if isinstance(words, File) else self._edit(placed, words, part.keyboard)
        )
        if verdict.kind == "done":
            self._fine()
            self._shared.ledger.done(part.key, part.number, placed, part.mark, last=last)
            return True
        if verdict.kind == "gone":  # somebody removed it, or it cannot be edited: another one
            self._shared.ledger.lost(part.key, part.number)
        elif verdict.kind in {"never", "unfit"} and isinstance(
            words, File
        ):  # this group wants none, or the server is an old one
            _log.warning("a long answer goes as text, its file is refused: %s", verdict.why)
            self._shared.ledger.without_file(part.key)
            self.due[0].parts = []
        elif verdict.kind == "unfit" and part.number not in self.due[0].unfit:  # not for ever a "…"
            _log.warning("a text is refused: %s", verdict.why)
            self.due[0].unfit[part.number] = verdict.why
        else:
            self._refused(verdict, part.key)
        return False

    async def _edit(self, placed: str, words: Rich, keyboard: dict[str, Any] | None) -> verdicts.Verdict:
        """Have a message of the chat say something: without its entities, should it be refused with them."""
        entities = words.wire()
        more = {"message_id": int(placed), "text": words.text, "reply_markup": keyboard}
        outcome = await self._call("editMessageText", None, entities=entities, **more)
        verdict = verdicts.of(outcome)
        if entities and verdict.kind == "unfit":
            _log.warning("a text is refused with its entities, so it goes without them: %s", verdict.why)
            verdict = verdicts.of(await self._call("editMessageText", None, **more))
        return verdict

    async def _attach(self, placed: str, file: File) -> verdicts.Verdict:
        """Have a message of the chat become a file, which may be repeated as an edit may; sending one may not."""
        media = {"type": "document", "media": "attach://document", "caption": file.caption}
        where = {"chat_id": self._chat_id(), "message_id": int(placed), "media": media}
        return verdicts.of(await self._shared.api.upload("editMessageMedia", file.name, file.content, **where))

    async def _placed(self, key: int, number: int, thread: str | None) -> str | None:
        """Return the message in the chat that a part is edited into; None if there is none now."""
        ledger = self._shared.ledger
        if (key, number) in self._unnoted:
            self._note(key, number)
        placed = ledger.place(key, number)[1]
        if placed is not None or self._shared.closing:
            return placed
        outcome = await self._call("sendMessage", thread, text=PLACEHOLDER)
        if thread is not None and verdicts.of(outcome).kind == "threadless":
            outcome = await self._call("sendMessage", None, text=PLACEHOLDER)
        made = verdicts.made(outcome)
        if made is not None:
            placed = self._unnoted[key, number] = made
            self._note(key, number)
            self._fine()
            return placed
        self._refused(verdicts.of(outcome), key)
        return None

    def _note(self, key: int, number: int) -> None:
        """Commit where a part is. Until the disk takes that it is known here, and no other placeholder is made."""
        self._shared.ledger.placed(key, number, self._unnoted[key, number])
        del self._unnoted[key, number]

    def _refused(self, verdict: verdicts.Verdict, key: int) -> None:
        if verdict.kind == "moved":
            assert verdict.chat is not None
            self._shared.moved[self.chat] = verdict.chat
        elif verdict.kind in {"never", "unfit", "threadless"}:
            _log.warning("a message cannot be delivered: %s", verdict.why)
            self._shared.ledger.undeliverable(key, verdict.why)
            self.previews.pop(key, None)
            self.waiting.pop(key, None)
        else:
            self._wait(verdict)

    def _wait(self, verdict: verdicts.Verdict) -> None:
        pause = verdict.pause or self._pause
        self._pause = min(2 * self._pause, _MOST)
        self._pause_until = self._loop.time() + pause
        self.why = verdict.why

    def _fine(self) -> None:
        self._pause, self.why = _LEAST, ""

    async def _call(self, method: str, thread: str | None, **arguments: Any) -> Outcome:
        topic = None if thread is None else int(thread)
        return await self._shared.api.call(method, chat_id=self._chat_id(), message_thread_id=topic, **arguments)

    def _chat_id(self) -> int:
        return int(self._shared.moved.get(self.chat, self.chat))
