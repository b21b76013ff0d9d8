"""What an agent is, and what it may do in the world."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from hermes_cli.gateway.conversations.turn import Turn


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of an agent. Each returns text for the conversation; what it streams goes through the turn's `emit`.

    `terminal` runs a shell command and returns its closing line, "" when it ended well. `update` takes the options of
    `hermes update`.
    """

    terminal: Callable[[Turn, str], Awaitable[str]]
    status: Callable[[], str]
    restart: Callable[[Turn], Awaitable[str]]
    update: Callable[[Turn, list[str]], Awaitable[str]]


class Agent(Protocol):
    """Answers messages. It is cancelled when its turn is cut off, and must end soon then."""

    async def answer(self, turn: Turn) -> str:
        """Answer `turn.message`: return the reply, or what follows the output that was streamed with `turn.emit`."""
