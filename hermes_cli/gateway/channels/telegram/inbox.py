"""From an update of Telegram's to a message of ours. Pure: nothing is stored and nobody is answered here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hermes_cli.gateway.channels.telegram import buttons
from hermes_cli.gateway.channels.telegram.access import Access
from hermes_cli.gateway.conversations.message import FORWARDED, TELEGRAM, MessageOrigin
from hermes_cli.gateway.conversations.store import Arrival
from hermes_cli.gateway.people import LONGEST_NAME, Stranger
from hermes_cli.system.printable import printable

_NOT_THEIRS = (
    "forward_origin",
    "forward_date",
    "via_bot",
)  # the words are somebody else's; forward_date: before Bot API 7.0
_BARE = ("/approve", "/deny")  # in a group, too: as the question says that they are typed
_MEDIA = (
    *("photo", "voice", "audio", "video", "video_note", "animation", "sticker", "document"),
    *("location", "contact", "poll", "dice", "story", "paid_media"),
)


@dataclass(frozen=True, slots=True)
class Me:
    """The bot: its id, and its name without "@", which is not known before the server was reached."""

    account: str
    username: str | None = None


@dataclass(frozen=True, slots=True)
class Press:
    """A button that somebody pressed."""

    query: str
    user: int
    chat: str
    thread: str | None
    message: str
    data: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What is in an answer to a poll. `next`: the offset that confirms it, None if it is empty."""

    next: int | None
    arrivals: tuple[Arrival, ...]
    presses: tuple[Press, ...]
    strangers: tuple[Stranger, ...]

    def __str__(self) -> str:
        """Describe it for the log: how much of what, and nothing of what was said."""
        return f"{len(self.arrivals)} messages, {len(self.presses)} buttons, {len(self.strangers)} strangers"


def pressed(press: Press, me: Me) -> Arrival | None:
    """Return the command that a pressed button stands for, as if its presser had typed it."""
    text = buttons.typed(press.data)
    if text is None:
        return None
    origin = MessageOrigin(TELEGRAM, me.account, press.chat, press.thread, str(press.user), press.message)
    name = f"{TELEGRAM}.{me.account}.{press.chat}.press.{press.query}"
    return Arrival(session_of(me.account, press.chat, press.thread), name, text, origin)


def read(updates: Sequence[Any], me: Me, access: Access) -> Batch:
    """Sort an answer. What is none of our business is confirmed like the rest, or it would come for ever."""
    numbers = [
        update["update_id"] for update in updates if isinstance(update, dict) and _is_int(update.get("update_id"))
    ]
    arrivals, presses, strangers = [], [], []
    left_out = _rest_of_albums(updates)
    for number, update in enumerate(updates):
        if number in left_out:
            continue
        try:
            found = _one(update, me, access)
        except (KeyError, TypeError, ValueError, AttributeError):  # of a form that no release of the API has
            continue
        if isinstance(found, Arrival):
            arrivals.append(found)
        elif isinstance(found, Press):
            presses.append(found)
        elif isinstance(found, Stranger):
            strangers.append(found)
    return Batch(max(numbers) + 1 if numbers else None, tuple(arrivals), tuple(presses), tuple(strangers))


def session_of(account: str, chat: str, thread: str | None) -> str:
    """Return the session of a chat, or of a topic in it."""
    return f"{TELEGRAM}:{account}:{chat}" + (f":{thread}" if thread else "")


def _one(update: dict[str, Any], me: Me, access: Access) -> Arrival | Press | Stranger | None:
    if "callback_query" in update:
        return _press(update["callback_query"], access)
    message = update.get("message")
    if message is None or message.get("from", {}).get("is_bot", True):
        return None
    chat, user = message["chat"], message["from"]
    private = chat["type"] == "private"
    if not access.admits(int(user["id"]), int(chat["id"]), private=private):
        return _stranger(user, chat, me) if private else None
    text = _text(message, me, private=private)
    if text is None:
        return None
    thread = str(int(message["message_thread_id"])) if message.get("is_topic_message") else None
    identifier = str(int(message["message_id"]))
    origin = MessageOrigin(TELEGRAM, me.account, str(chat["id"]), thread, str(user["id"]), identifier)
    name = f"{TELEGRAM}.{me.account}.{chat['id']}.{identifier}"
    return Arrival(session_of(me.account, str(chat["id"]), thread), name, text, origin)


def names(updates: Sequence[Any]) -> dict[str, str]:
    """Return what the writers of these updates call themselves, by their ids."""
    found = {}
    for update in updates:
        for kind in ("message", "callback_query"):
            user = _in(_in(update, kind), "from")
            if _is_int(_in(user, "id")):
                found[str(user["id"])] = printable(_name(user), LONGEST_NAME)
    return found


def moves(updates: Sequence[Any]) -> dict[str, str]:
    """Return the new ids of groups that have become supergroups, by their old ones."""
    found = {}
    for update in updates:
        message = _in(update, "message")
        here, there = _in(_in(message, "chat"), "id"), _in(message, "migrate_to_chat_id")
        if _is_int(here) and _is_int(there):
            found[str(here)] = str(there)
    return found


def _rest_of_albums(updates: Sequence[Any]) -> frozenset[int]:
    """Return which updates say nothing more: the pictures of an album but for the one with its words, or the first."""
    albums: dict[tuple[str, str], list[tuple[bool, int]]] = {}
    for number, update in enumerate(updates):
        message = _in(update, "message")
        album = _in(message, "media_group_id")
        if isinstance(album, str):
            said = (not _in(message, "caption"), number)
            albums.setdefault((str(_in(_in(message, "chat"), "id")), album), []).append(said)
    return frozenset(number for one in albums.values() for _, number in sorted(one)[1:])


def _in(document: Any, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None


def _name(user: dict[str, Any]) -> str:
    return " ".join(str(user[part]) for part in ("first_name", "last_name") if user.get(part))


def _stranger(user: dict[str, Any], chat: dict[str, Any], me: Me) -> Stranger:
    return Stranger(TELEGRAM, me.account, str(int(user["id"])), str(int(chat["id"])), _name(user))


def _press(query: dict[str, Any], access: Access) -> Press | None:
    message, user = query["message"], int(query["from"]["id"])
    chat = message["chat"]
    if not access.admits(user, int(chat["id"]), private=chat["type"] == "private"):
        return None
    thread = str(int(message["message_thread_id"])) if message.get("is_topic_message") else None
    return Press(
        str(query["id"]), user, str(chat["id"]), thread, str(message["message_id"]), str(query.get("data", ""))
    )


def _text(message: dict[str, Any], me: Me, *, private: bool) -> str | None:
    """Return what the person said to us, or None if it is to somebody else or nothing."""
    text = str(message.get("text") or message.get("caption") or "").encode("utf-8", "replace").decode()
    kind = next((name for name in _MEDIA if name in message), None)
    if not text and kind is None:
        return None  # a pinned message, a new title and the like
    if not private:
        addressed = _addressed(text, message, me)
        if addressed is None:
            return None
        text = addressed
    elif text.startswith("/"):
        text = _plain_command(text, me) or text
    if kind is not None:
        text = f"[{kind.replace('_', ' ')}, which cannot be read here]" + (f"\n{text}" if text else "")
    return f"{FORWARDED}{text}" if any(name in message for name in _NOT_THEIRS) else text


def _addressed(text: str, message: dict[str, Any], me: Me) -> str | None:
    """Return the words of a group to this bot, without its name; None if they are not to it."""
    if me.username is None:
        return None
    name = f"@{me.username}".lower()
    replied = message.get("reply_to_message") or {}
    is_reply = str(replied.get("from", {}).get("id")) == me.account
    if text.startswith("/"):
        word = text.split(None, 1)[0]
        if "@" in word or is_reply or word in _BARE:
            return _plain_command(text, me)
    if is_reply:
        return text
    at = _mention(text, name, message.get("entities") or message.get("caption_entities") or [])
    if at is None:
        return None
    return (text[:at] + text[at + len(name) :]).strip() or text


def _mention(text: str, name: str, entities: Sequence[dict[str, Any]]) -> int | None:
    """Return where a mention of `name` begins. Telegram says where mentions are, in UTF-16 units."""
    encoded = text.encode("utf-16-le")
    for entity in entities:
        start, end = 2 * int(entity["offset"]), 2 * (int(entity["offset"]) + int(entity["length"]))
        if entity.get("type") == "mention" and encoded[start:end].decode("utf-16-le", "replace").lower() == name:
            return len(encoded[:start].decode("utf-16-le", "replace"))
    return None


def _plain_command(text: str, me: Me) -> str | None:
    """Return a command without the bot's name behind it; None if it is another bot's.

    `/start` is what Telegram has everybody send who opens a bot: it is answered as `/help` is.
    """
    word = text.split(None, 1)[0]
    command, at, name = word.partition("@")
    if at and name.lower() != (me.username or "").lower():
        return None
    return "/help" if command == "/start" else f"{command}{text[len(word) :]}"


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
