"""The built-in agent: no key, no model, the same answer to the same message every time.

`!COMMAND`, or "run `COMMAND`" anywhere in the text, runs in the terminal; not in what somebody passed on.
"""

import re

from hermes_cli.gateway.agents.base import Tools
from hermes_cli.gateway.conversations.message import FORWARDED
from hermes_cli.gateway.conversations.turn import Turn

_RUN = re.compile(r"\brun `([^`]+)`", re.IGNORECASE)


class BuiltinAgent:
    """The agent that answers by rule."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def answer(self, turn: Turn) -> str:
        """Return the reply, or the closing line of streamed output."""
        text = turn.message.text.strip()
        if text.startswith("!") and text[1:].strip():
            return await self._run(turn, text[1:].strip())
        if not turn.message.text.startswith(FORWARDED) and (quoted := _RUN.search(text)):
            return await self._run(turn, quoted[1])
        if text.startswith("/"):
            return f"{text.split()[0]} is not a command. Type /help."
        return f"You said: {text}. Type /help."

    async def _run(self, turn: Turn, command: str) -> str:
        closing = await self._tools.terminal(turn, command, lambda text: turn.emit(text, "output"))
        return closing or ("" if turn.streamed else "(no output)")
