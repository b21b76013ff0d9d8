"""A message of a conversation, and where it came from.

The channel belongs to the message: whatever has to know it (the terminal's environment, the origin of a restart, the
drain, a notice) takes it from here.
"""

from typing import Any, Literal, NamedTuple, Self

from hermes_cli.environment import SESSION
from hermes_cli.gateway.conversations.forms import Span
from hermes_cli.intents.record import Intent

Role = Literal["user", "assistant", "notice"]
Ended = Literal["answered", "interrupted"]
LOCAL = "local"  # the channel of every message that no origin was stored for
TELEGRAM = "telegram"
FORWARDED = "[forwarded]\n"  # begins a text that its writer passed on: nothing in it is a command


class MessageOrigin(NamedTuple):
    """Where a message came from, or where a notice goes, in the channel's own words.

    `account` is ours at the channel (a bot's id), `user` the writer's, `external` the channel's id of the message.
    """

    channel: str
    account: str | None = None
    chat: str | None = None
    thread: str | None = None
    user: str | None = None
    external: str | None = None

    @classmethod
    def local(cls, session: str) -> Self:
        """Return the origin of a message of the local channel, where a session is the chat."""
        return cls(LOCAL, chat=session)

    def of_notice(self) -> "MessageOrigin":
        """Return the origin of a notice to the same place: nobody wrote it, and the channel has no id for it yet."""
        return MessageOrigin(self.channel, self.account, self.chat, self.thread)


class Message(NamedTuple):
    """A stored message.

    `streamed` is how many characters of a reply were sent as chunks, `rest` the part of the reply that followed them.
    """

    seq: int
    session: str
    id: str
    role: Role
    text: str
    at: float
    origin: MessageOrigin
    reply_to: str | None = None
    state: str | None = None
    streamed: int = 0
    rest: str = ""
    restart: str | None = None
    outcome: str | None = None

    def event(self) -> dict[str, Any]:
        """Return the local channel's `message` event."""
        event: dict[str, Any] = {
            "event": "message",
            "seq": self.seq,
            "role": self.role,
            "id": self.id,
            "reply_to": self.reply_to,
            "text": self.text,
            "at": self.at,
            "state": self.state,
            "streamed": self.streamed,
            "rest": self.rest,
        }
        if self.restart is not None:
            event["restart"] = self.restart
        if self.outcome is not None:
            event["outcome"] = self.outcome
        return event

    def session_variables(self) -> dict[str, str]:
        """Return the variables that tell a command which message it works for."""
        origin = self.record_origin()
        return {variable: origin[name] or "" for name, variable in SESSION.items()}

    def record_origin(self) -> dict[str, str | None]:
        """Return the `origin` of a restart record that this message's turn asks for."""
        return {
            "channel": self.origin.channel,
            "chat": self.origin.chat or self.session,
            "message": self.id,
            "turn": self.id,
            "thread": self.origin.thread,
            "session": self.session,
        }


class Reply(NamedTuple):
    """The end of a turn; see `Message` for the fields. `spans` are those of its text."""

    text: str
    streamed: int = 0
    rest: str = ""
    restart: str | None = None
    spans: tuple[Span, ...] = ()


def is_update(message: Message) -> bool:
    """Tell whether somebody asks for an update outside the gateway's tree."""
    return message.text.split(None, 1)[:1] == ["/update"]


def asked_by(intent: Intent, message: Message) -> bool:
    """Tell whether the intent was made by the turn of that message."""
    origin = intent.origin
    if origin is None or origin.channel not in (None, message.origin.channel):
        return False
    if message.id not in (origin.message, origin.turn):
        return False
    named = {name for name in (origin.session, origin.chat) if name}
    return not named or not named.isdisjoint({message.session, message.origin.chat})
