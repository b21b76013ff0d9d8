"""What an agent is, and what it may do in the world."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from hermes_cli.gateway.conversations.turn import Turn


class Tools(NamedTuple):
    """The tools of an agent. Each returns text for the conversation; what it streams goes through the turn's `emit`.

    `terminal` runs a shell command, gives its output to the callable, and returns its closing line, "" when it ended
    well. `permit` is asked first for a command that the agent thought of, and not for one that a person typed: it returns
    "", or one line that says why the command must not run, and may wait minutes for a person's approval. `update` takes
    the options of `hermes update`.
    """

    terminal: Callable[[Turn, str, Callable[[str], None]], Awaitable[str]]
    status: Callable[[], str]
    restart: Callable[[Turn], Awaitable[str]]
    update: Callable[[Turn, list[str]], Awaitable[str]]
    permit: Callable[[Turn, str], Awaitable[str]]


class Agent(Protocol):
    """Answers messages. It is cancelled when its turn is cut off, and must end soon then."""

    def answer(self, turn: Turn) -> Coroutine[Any, Any, str]:
        """Answer `turn.message`: return the reply, or what follows the output that was streamed with `turn.emit`."""
