"""The built-in agent: no key, no model, the same answer to the same message every time.

`!COMMAND`, or "run `COMMAND`" anywhere in the text, runs in the terminal; slash commands ask about the gateway.
"""

import re

from hermes_cli.gateway.agents.base import Tools
from hermes_cli.gateway.conversations.turn import Turn

_RUN = re.compile(r"\brun `([^`]+)`", re.IGNORECASE)
_HELP = """\
!COMMAND or "run `COMMAND`"  run it in the terminal
/status                      this gateway, its turns, pending restarts
/restart                     restart the gateway; the outcome comes here
/update                      update hermes and restart; takes the options of hermes update
/help                        this text"""


class BuiltinAgent:
    """The agent that answers by rule."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def answer(self, turn: Turn) -> str:
        """Return the reply, or the closing line of streamed output."""
        text = turn.message.text.strip()
        if text.startswith("!") and text[1:].strip():
            return await self._run(turn, text[1:].strip())
        if quoted := _RUN.search(text):
            return await self._run(turn, quoted[1])
        if text.startswith("/"):
            return await self._slash(turn, *text.split())
        return f"You said: {text}. Type /help."

    async def _slash(self, turn: Turn, command: str, *options: str) -> str:
        if command == "/help":
            return _HELP
        if command == "/status":
            return self._tools.status()
        if command == "/restart":
            return await self._tools.restart(turn)
        if command == "/update":
            return await self._tools.update(turn, list(options))
        return f"{command} is not a command. Type /help."

    async def _run(self, turn: Turn, command: str) -> str:
        closing = await self._tools.terminal(turn, command)
        return closing or ("" if turn.streamed else "(no output)")
