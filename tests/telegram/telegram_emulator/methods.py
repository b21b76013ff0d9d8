"""The methods of the Bot API that a chat gateway needs, carried out on a world. Names without regard to case.

A method returns its result or raises ApiError. `getUpdates` waits and is the server's own (`updates`).
"""

import json
from typing import Any

from telegram_emulator.errors import ApiError, bad
from telegram_emulator.http import Request
from telegram_emulator.people import Chat, Shown, message_document, units
from telegram_emulator.world import Bot, World

LONGEST_TEXT, LONGEST_CAPTION = 4096, 1024


class Methods:
    """The calls of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._named = {
            name.lower(): getattr(self, f"_{name}")
            for name in (
                *("getMe", "getWebhookInfo", "setWebhook", "deleteWebhook", "setMyCommands"),
                *("sendMessage", "editMessageText", "editMessageReplyMarkup", "deleteMessage", "sendDocument"),
                "editMessageMedia",
                *("sendChatAction", "setMessageReaction", "answerCallbackQuery"),
            )
        }

    def call(self, bot: Bot, method: str, request: Request) -> Any:
        """Carry out one call. Raises ApiError."""
        found = self._named.get(method.lower())
        if found is None:
            raise ApiError(404, "Not Found: method not found")
        return found(bot, request)

    # --- of the bot

    def _getMe(self, bot: Bot, _: Request) -> Any:  # noqa: N802
        return bot.user.document() | {"can_join_groups": True, "can_read_all_group_messages": bot.reads_all}

    def _getWebhookInfo(self, bot: Bot, _: Request) -> Any:  # noqa: N802
        return {
            "url": bot.updates.webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(bot.updates.pending()),
        }

    def _setWebhook(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        bot.updates.webhook = str(request.arguments.get("url", ""))
        return self._dropped(bot, request)

    def _deleteWebhook(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        bot.updates.webhook = ""
        return self._dropped(bot, request)

    def _dropped(self, bot: Bot, request: Request) -> bool:
        if str(request.arguments.get("drop_pending_updates", "")).lower() in {"true", "1"}:
            bot.updates.forget_all()
        return True

    def _setMyCommands(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        bot.commands = _json(request, "commands", [])
        return True

    # --- messages

    def _sendMessage(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        chat, thread = self._place(bot, request)
        text = _text(request, "text", LONGEST_TEXT)
        shown = self._world.add(bot, chat, bot.user, text, thread)
        self._dress(shown, request, chat)
        return message_document(shown, chat)

    def _sendDocument(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        chat, thread = self._place(bot, request)
        if "document" not in request.files:
            raise bad("there is no document in the request")
        caption = str(request.arguments.get("caption", ""))
        if units(caption) > LONGEST_CAPTION:
            raise bad("message caption is too long")
        shown = self._world.add(bot, chat, bot.user, caption, thread)
        shown.document = request.files["document"]
        self._dress(shown, request, chat)
        return message_document(shown, chat)

    def _editMessageText(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        chat, shown = self._own(bot, request, "edit")
        if shown.document is not None:
            raise bad("there is no text in the message to edit")
        text = _text(request, "text", LONGEST_TEXT)
        buttons = _json(request, "reply_markup", {}).get("inline_keyboard", [])
        entities = _entities(request, text)
        if (shown.text, shown.entities, shown.buttons) == (text, entities, buttons):
            raise bad(
                "message is not modified: specified new message content and reply markup are exactly the same"
                " as a current content and reply markup of the message"
            )
        shown.was.append(shown.text)
        shown.text, shown.entities, shown.buttons = text, entities, buttons
        return message_document(shown, chat)

    def _editMessageMedia(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        chat, shown = self._own(bot, request, "edit")
        media = _json(request, "media", {})
        name = str(media.get("media", "")).removeprefix("attach://")
        if media.get("type") != "document" or name not in request.files:
            raise bad("document must be uploaded")  # an id of a file that was sent before is not emulated
        caption = str(media.get("caption", ""))
        if units(caption) > LONGEST_CAPTION:
            raise bad("message caption is too long")
        shown.was.append(shown.text)
        shown.text, shown.document, shown.entities = caption, request.files[name], []
        shown.buttons = _json(request, "reply_markup", {}).get("inline_keyboard", [])
        return message_document(shown, chat)

    def _editMessageReplyMarkup(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        chat, shown = self._own(bot, request, "edit")
        shown.buttons = _json(request, "reply_markup", {}).get("inline_keyboard", [])
        return message_document(shown, chat)

    def _deleteMessage(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        _, shown = self._own(bot, request, "delete")
        shown.deleted = True
        return True

    def _sendChatAction(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        chat, thread = self._place(bot, request)
        chat.actions.append((self._world.now(), str(request.arguments.get("action", "")), thread))
        return True

    def _setMessageReaction(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        chat = self._chat(bot, request)
        found = [str(one.get("emoji", "")) for one in _json(request, "reaction", [])]
        chat.reactions.append((_number(request, "message_id"), found))
        return True

    def _answerCallbackQuery(self, bot: Bot, request: Request) -> Any:  # noqa: N802
        identifier = str(request.arguments.get("callback_query_id", ""))
        if identifier not in bot.presses:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        bot.presses.discard(identifier)
        bot.answered.append((identifier, str(request.arguments.get("text", ""))))
        return True

    # --- what is common

    def _chat(self, bot: Bot, request: Request) -> Chat:
        chat = self._world.chats.get(_number(request, "chat_id"))
        if chat is None:
            raise bad("chat not found")
        if chat.migrated_to is not None:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.migrated_to,
            )
        if chat.blocked:
            what = (
                "bot was blocked by the user" if chat.kind == "private" else f"bot was kicked from the {chat.kind} chat"
            )
            raise ApiError(403, f"Forbidden: {what}")
        limit = self._world.limit
        refused = limit.check(chat.id, self._world.now()) if limit is not None else None
        if refused is not None:
            raise refused
        return chat

    def _place(self, bot: Bot, request: Request) -> tuple[Chat, int | None]:
        chat = self._chat(bot, request)
        thread = _number(request, "message_thread_id", 0) or None
        if thread is not None and thread not in (chat.topics or ()):
            raise bad("message thread not found")
        return chat, thread

    def _own(self, bot: Bot, request: Request, what: str) -> tuple[Chat, Shown]:
        chat = self._chat(bot, request)
        shown = chat.messages.get(_number(request, "message_id"))
        if shown is None or shown.deleted:
            raise bad(f"message to {what} not found")
        if shown.sender.id != bot.user.id:
            raise bad(f"message can't be {what}ed" if what == "edit" else "message can't be deleted")
        return chat, shown

    def _dress(self, shown: Shown, request: Request, chat: Chat) -> None:
        try:
            shown.entities = _entities(request, shown.text)
            shown.buttons = _json(request, "reply_markup", {}).get("inline_keyboard", [])
            reply = _json(request, "reply_parameters", {})
            if reply:
                target = chat.messages.get(int(reply.get("message_id", 0)))
                if target is None or target.deleted:
                    if not reply.get("allow_sending_without_reply"):
                        raise bad("message to be replied not found")
                else:
                    shown.reply_to = target.id
        except ApiError:
            del chat.messages[shown.id]
            raise


def _number(request: Request, name: str, default: int | None = None) -> int:
    value = request.arguments.get(name, default)
    try:
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise bad(f"{name.replace('_', ' ')} is empty" if value is None else f"invalid {name} specified") from None


def _json(request: Request, name: str, default: Any) -> Any:
    value = request.arguments.get(name)
    if value in (None, ""):
        return default
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise bad(f"can't parse {name} JSON object") from None


def _text(request: Request, name: str, longest: int) -> str:
    text = str(request.arguments.get(name, ""))
    if not text.strip():
        raise bad("message text is empty")
    if units(text) > longest:
        raise bad("message is too long")
    return text


def _entities(request: Request, text: str) -> list[dict[str, Any]]:
    found = _json(request, "entities", [])
    encoded = text.encode("utf-16-le")
    for entity in found:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if start < 0 or end <= start or end > units(text):
            raise bad("entity is outside of the text")
        for at in (start, end):
            if 0xDC <= (encoded[2 * at + 1 : 2 * at + 2] or b"\0")[0] <= 0xDF:
                raise bad(f"entity beginning at UTF-16 offset {start} ends in a middle of a UTF-16 symbol")
    return list(found)
