"""Who may have turns, and who may use the terminal. Whose messages are taken at all is the channel's to know.

The local socket is this user's own, so whoever is there may. Anybody else is named, or is not. It is asked at each turn
and each command: between a message and its turn its writer may have lost what they might.
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
        self._admits: dict[str, Callable[[MessageOrigin], bool]] = {}

    def add(
        self,
        channel: str,
        terminal: "Callable[[MessageOrigin], bool]",
        admits: "Callable[[MessageOrigin], bool] | None" = None,
    ) -> None:
        """Ask `terminal`, and `admits` if it is given, about whoever wrote a message of that channel."""
        self._terminal[channel] = terminal
        if admits is not None:
            self._admits[channel] = admits

    def terminal(self, origin: MessageOrigin) -> bool:
        """Tell whether the writer of a message may have commands run, restart, update, and approve."""
        asked = self._terminal.get(origin.channel)
        return asked is not None and asked(origin)

    def admits(self, origin: MessageOrigin) -> bool:
        """Tell whether the writer of a message that was taken may have it answered still."""
        asked = self._admits.get(origin.channel)
        return asked is None or asked(origin)
