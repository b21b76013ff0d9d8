"""Who may use the terminal. Who may talk to the gateway at all is the channel's to know.

The local socket is this user's own, so whoever is there may. Anybody else is named, or is not.
"""

from hermes_cli.gateway.conversations.message import LOCAL, MessageOrigin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Rights:
    """Asks each channel about its own people."""

    def __init__(self) -> None:
        """Begin with the local channel, whose people may; nobody else may until their channel is added."""
        self._terminal: dict[str, Callable[[MessageOrigin], bool]] = {LOCAL: lambda _: True}

    def add(self, channel: str, terminal: "Callable[[MessageOrigin], bool]") -> None:
        """Ask `terminal` about whoever wrote a message of that channel."""
        self._terminal[channel] = terminal

    def terminal(self, origin: MessageOrigin) -> bool:
        """Tell whether the writer of a message may have commands run, restart, update, and approve."""
        asked = self._terminal.get(origin.channel)
        return asked is not None and asked(origin)
