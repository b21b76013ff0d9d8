"""Bots, people and chats of one server, and its clock."""

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from telegram_emulator.people import Chat, Shown, User, entities_of, message_document
from telegram_emulator.updates import Updates

if TYPE_CHECKING:
    from telegram_emulator.limits import Limit


@dataclass
class Bot:
    """A bot with its queue. `reads_all`: its privacy mode is off, so that it sees all messages of its groups."""

    token: str
    user: User
    updates: Updates
    reads_all: bool = False
    commands: list[dict[str, Any]] = field(default_factory=list)
    presses: set[str] = field(default_factory=set)  # callback queries that nobody has answered
    answered: list[tuple[str, str]] = field(default_factory=list)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


class World:
    """Everything that the server knows."""

    def __init__(self) -> None:
        self.bots: dict[str, Bot] = {}
        self.chats: dict[int, Chat] = {}
        self.limit: Limit | None = None
        self.ahead = 0.0  # seconds that this world's clock is ahead
        self._of_chats: dict[int, itertools.count[int]] = {}
        self._presses = itertools.count(1)

    def now(self) -> float:
        """Epoch seconds."""
        return time.time() + self.ahead

    def bot(self, token: str, username: str) -> Bot:
        """Make a bot."""
        user = User(int(token.partition(":")[0]), username, username, is_bot=True)
        self.bots[token] = Bot(token, user, Updates(self.now))
        return self.bots[token]

    def add(self, bot: Bot, chat: Chat, sender: User, text: str, thread: int | None) -> Shown:
        """Append a message. Its id rises with the bot's others, in a supergroup with the chat's."""
        ids = self._of_chats.setdefault(chat.id, itertools.count(1)) if chat.kind == "supergroup" else bot.ids
        shown = Shown(next(ids), sender, text, int(self.now()), thread)
        chat.messages[shown.id] = shown
        return shown

    def say(
        self, bot: Bot, chat: Chat, user: User, text: str, thread: int | None, *, forwarded: bool, caption: bool
    ) -> Shown:
        """Have a person write, and tell the bot if it may see it."""
        shown = self.add(bot, chat, user, text, thread)
        shown.entities = entities_of(text)
        more: dict[str, Any] = {}
        if forwarded:
            more["forward_origin"] = {"type": "hidden_user", "sender_user_name": "Somebody", "date": shown.date}
        document = message_document(shown, chat, **more)
        if caption:
            document["caption"], document["caption_entities"] = document.pop("text"), document.pop("entities", [])
            document["photo"] = [{"file_id": "photo", "width": 1, "height": 1}]
        if chat.kind == "private" or bot.reads_all or self._concerns(bot, shown):
            bot.updates.add("message", document)
        return shown

    def edit(self, bot: Bot, chat: Chat, shown: Shown, text: str) -> None:
        """Have a person change what it wrote."""
        shown.was.append(shown.text)
        shown.text, shown.entities = text, entities_of(text)
        bot.updates.add("edited_message", message_document(shown, chat))

    def upgrade(self, bot: Bot, chat: Chat, to: Chat) -> None:
        """Tell a bot that a group is a supergroup now: in the old one by its new id, in the new one by its old."""
        owner = User(1, "Owner")
        for where, name, other in ((chat, "migrate_to_chat_id", to), (to, "migrate_from_chat_id", chat)):
            said = self.add(bot, where, owner, "", None)
            del where.messages[said.id]  # a person sees a line of Telegram's own there
            document = message_document(said, where, **{name: other.id})
            del document["text"]
            bot.updates.add("message", document)

    def press(self, bot: Bot, chat: Chat, user: User, shown: Shown, data: str) -> str:
        """Have a person press a button. The query's id."""
        identifier = str(next(self._presses))
        bot.presses.add(identifier)
        query = {
            "id": identifier,
            "from": user.document(),
            "message": message_document(shown, chat),
            "chat_instance": str(chat.id),
            "data": data,
        }
        bot.updates.add("callback_query", query, life=150.0)
        return identifier

    def _concerns(self, bot: Bot, shown: Shown) -> bool:
        """Tell whether a bot in privacy mode is told of a message in a group."""
        mention = f"@{bot.user.username}".lower()
        return shown.text.startswith("/") or mention in shown.text.lower()
