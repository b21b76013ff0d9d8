"""What a channel is, and what it may ask of the gateway.

The store is the truth and a channel delivers what is in it: a reply that could not be delivered is still there for the
next attempt, or for the next instance. Every channel is told of every message; what it delivers is its own affair.
"""

from typing import Any, Protocol

from hermes_cli.gateway.conversations.forms import Form
from hermes_cli.gateway.conversations.message import Message, MessageOrigin
from hermes_cli.gateway.conversations.turn import Turn


class Desk(Protocol):
    """What a channel asks of the gateway. All of it happens on the event loop's thread."""

    def accepted(self, message: Message) -> None:
        """Show a user's message, which is stored by now, to every channel and have it answered."""

    def is_draining(self) -> bool:
        """Tell whether the next instance will answer what is accepted now."""

    def running_turn(self, session: str) -> Turn | None:
        """Return the session's running turn."""

    def refresh(self) -> None:
        """Take up what another process has written into the store: who may write, and what they are to be told."""

    def report(self) -> dict[str, Any]:
        """Describe the instance as gateway.json does, with its pending restarts and its channels."""


class Channel(Protocol):
    """A way in and out for messages. Only `open` may raise: a channel's trouble ends neither a turn nor the gateway."""

    name: str  # as messages store it in their origin, and commands read it in HERMES_SESSION_PLATFORM

    async def open(self) -> None:
        """Accept messages from now on. Raises OSError when the gateway cannot do without.

        The gateway is ready when this returns. What needs a network is left to a task that goes on by itself.
        """

    def serve(self) -> None:
        """Begin what needs a network: the gateway is ready, and does not wait for it."""

    def publish(self, message: Message) -> None:
        """Show a message that was stored. It is this channel's to deliver if `message.origin` names it."""

    def change(self, message: Message) -> None:
        """Show what became of a message that was published, see `conversations.changes`, if the channel can edit it."""

    def called(self, origin: MessageOrigin) -> str:
        """Return what the writer of a message is called, for people."""

    def stream(self, message: Message, offset: int, text: str, form: Form | None) -> None:
        """Show output of the turn that answers `message`, which has streamed `offset` characters before it."""

    def refresh(self) -> None:
        """Take up what another process has written into the store."""

    def drain(self) -> None:
        """Know that no turn begins any more: what is accepted from now on is stored for the next instance.

        A channel that fetches messages from a server fetches no more of them. Running turns are still shown.
        """

    async def finish(self) -> None:
        """Say what is due, within a second: no turn runs any more, and the process ends then.

        Nothing has to be said: the next instance delivers what this one has not.
        """

    def close(self) -> None:
        """Let go of everything, at once: these are the last instructions of the process."""

    def state(self) -> dict[str, Any]:
        """Describe the channel for `report`, as JSON."""
