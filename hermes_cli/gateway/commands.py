"""Slash commands, the same in every channel and with every agent. They are answered beside the turn that runs.

A command that a killed instance left queued is answered in its place in the queue, like any message.
"""

from collections.abc import Callable

from hermes_cli.gateway.agents.base import Tools
from hermes_cli.gateway.approvals import Approvals
from hermes_cli.gateway.conversations.message import Message
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.gateway.rights import Rights

NAMES: dict[str, str] = {
    "/status": "this gateway, its turns, pending restarts",
    "/stop": "end the turn that runs; /stop all: and drop what waits",
    "/new": "begin a new conversation",
    "/approve": "let a command run that waits for it",
    "/deny": "do not let it run",
    "/restart": "restart the gateway; the outcome comes here",
    "/update": "update hermes and restart; takes the options of hermes update",
    "/help": "this text",
}
_TERMINAL = {"/restart", "/update"}  # like the terminal, for those who may use it
_RUN = '!COMMAND or "run `COMMAND`"'


def named(text: str) -> str | None:
    """Return the command that a message is, or None."""
    word = text.split(None, 1)[:1]
    return word[0] if word and word[0] in NAMES else None


class Commands:
    """What each command does. `stop` and `renew` act on a session and return what to tell."""

    def __init__(
        self,
        tools: Tools,
        approvals: Approvals,
        rights: Rights,
        *,
        stop: Callable[[Message, bool], str],
        renew: Callable[[Message], str],
    ) -> None:
        self._tools = tools
        self._approvals = approvals
        self._rights = rights
        self._stop = stop
        self._renew = renew

    async def answer(self, turn: Turn) -> str:
        """Return the reply to a message that `named` knows."""
        name, *options = turn.message.text.split()
        message = turn.message
        if name in _TERMINAL and not self._rights.terminal(message.origin):
            return f"{name} is for those who may use the terminal"
        if name == "/status":
            return self._tools.status()
        if name == "/stop":
            return self._stop(message, options[:1] == ["all"])
        if name == "/new":
            return self._renew(message)
        if name in {"/approve", "/deny"}:
            code = options[0] if options else None
            return self._approvals.decide(message, "approved" if name == "/approve" else "denied", code)
        if name == "/restart":
            return await self._tools.restart(turn)
        if name == "/update":
            return await self._tools.update(turn, options)
        return help_text()


def help_text() -> str:
    """Return a line for each command."""
    rows = [(_RUN, "run it in the terminal"), *NAMES.items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in rows)
