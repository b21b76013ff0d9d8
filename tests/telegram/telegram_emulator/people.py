"""Users, chats, and what a person sees in them."""

import re
from dataclasses import dataclass, field
from typing import Any

_COMMAND = re.compile(r"(?:(?<=\s)|^)/\w{1,32}(?:@\w+)?")
_MENTION = re.compile(r"(?<!\w)@\w{3,32}")


def units(text: str) -> int:
    """The length that Telegram counts: UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


@dataclass
class User:
    """A person or a bot."""

    id: int
    name: str
    username: str = ""
    is_bot: bool = False

    def document(self) -> dict[str, Any]:
        """As the API describes it."""
        found = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        return found | ({"username": self.username} if self.username else {})


@dataclass
class Shown:
    """A message as it stands in a chat now."""

    id: int
    sender: User
    text: str
    date: int
    thread: int | None = None
    entities: list[dict[str, Any]] = field(default_factory=list)
    buttons: list[list[dict[str, Any]]] = field(default_factory=list)
    document: tuple[str, bytes] | None = None  # a file's name and content
    reply_to: int | None = None
    was: list[str] = field(default_factory=list)  # what it said before each edit
    deleted: bool = False


@dataclass
class Chat:
    """A conversation. `kind`: private, group, supergroup. `topics` are those of a forum, None for another chat."""

    id: int
    kind: str
    title: str
    topics: set[int] | None = None
    messages: dict[int, Shown] = field(default_factory=dict)
    actions: list[tuple[float, str, int | None]] = field(default_factory=list)  # when, which, in which topic
    reactions: list[tuple[int, list[str]]] = field(default_factory=list)
    blocked: bool = False  # the person has blocked the bot, or the group has thrown it out
    migrated_to: int | None = None

    def document(self) -> dict[str, Any]:
        """As the API describes it."""
        found: dict[str, Any] = {"id": self.id, "type": self.kind}
        found |= {"first_name": self.title} if self.kind == "private" else {"title": self.title}
        return found | ({"is_forum": True} if self.topics is not None else {})

    def seen(self, thread: int | None = None) -> list[Shown]:
        """What stands there, oldest first; of one topic if it is named."""
        found = [message for message in self.messages.values() if not message.deleted]
        return [message for message in found if thread is None or message.thread == thread]

    def of_bots(self, thread: int | None = None) -> list[str]:
        """The texts that bots have there."""
        return [message.text for message in self.seen(thread) if message.sender.is_bot]


def entities_of(text: str) -> list[dict[str, Any]]:
    """What the server finds in the text of a person: commands and mentions."""
    found = []
    for kind, pattern in (("bot_command", _COMMAND), ("mention", _MENTION)):
        for match in pattern.finditer(text):
            if kind == "mention" and text[max(0, match.start() - 1)] == "/":
                continue
            found.append({"type": kind, "offset": units(text[: match.start()]), "length": units(match[0])})
    return sorted(found, key=lambda entity: entity["offset"])


def message_document(message: Shown, chat: Chat, **more: Any) -> dict[str, Any]:
    """A Message, as the API describes it."""
    found: dict[str, Any] = {
        "message_id": message.id,
        "from": message.sender.document(),
        "chat": chat.document(),
        "date": message.date,
    }
    if message.document is not None:
        found["document"] = {"file_id": f"file-{message.id}", "file_name": message.document[0]}
        found |= {"caption": message.text} if message.text else {}
    else:
        found["text"] = message.text
    if message.entities:
        found["entities"] = message.entities
    if message.thread is not None:
        found |= {"message_thread_id": message.thread, "is_topic_message": True}
    if message.was:
        found["edit_date"] = message.date
    if message.buttons:
        found["reply_markup"] = {"inline_keyboard": message.buttons}
    return found | more
