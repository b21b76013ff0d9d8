"""The agent: asks the endpoint, runs what it calls for, commits each step, and ends with its words."""

import asyncio
import logging
from typing import Any

from hermes_cli.config import ModelConfig
from hermes_cli.credentials import CredentialError
from hermes_cli.gateway.agents.base import Tools
from hermes_cli.gateway.agents.model.deltas import Call, Completion
from hermes_cli.gateway.agents.model.history import NOT_BEGUN, Clipped, clipped, conversation, room_of
from hermes_cli.gateway.agents.model.prompt import SYSTEM
from hermes_cli.gateway.agents.model.steps import Steps
from hermes_cli.gateway.agents.model.wire import Endpoint, EndpointError
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.conversations.turn import KEPT, Turn

_log = logging.getLogger("hermes.model")
_MESSAGES = 500  # of a conversation that are looked at; the context has room for fewer
_NO_TOOLS = "[this endpoint writes calls as text, so nothing was run: its server or template does no tool calls]"
_TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "terminal",
            "description": "Run a shell command on the gateway's machine and return what it prints.",
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "string", "description": "the command, for sh -c"}},
                "required": ["command"],
            },
        },
    }
]


class ModelAgent:
    """Answers messages by a model."""

    def __init__(self, config: ModelConfig, key: str | CredentialError, store: Store, tools: Tools) -> None:
        """With an error in the key's place, that is what every message is answered with. Raises sqlite3.Error."""
        self._no_key = key if isinstance(key, CredentialError) else None
        self._config = config
        self._store = store
        self._tools = tools
        self._endpoint = Endpoint(config, key if isinstance(key, str) else "")
        self._steps = Steps(store)
        self._told: set[str] = set()  # sessions that know that their endpoint does no tool calls

    async def answer(self, turn: Turn) -> str:
        """Return "" or a closing line in brackets; the words of the model are streamed."""
        if self._no_key is not None:
            return f"[no answer: {self._no_key}]"
        self._steps.tidy()
        messages = self._conversation(turn)
        try:
            async with asyncio.timeout(self._config.turn_timeout):
                return await self._converse(turn, messages)
        except EndpointError as error:
            _log.warning("turn %s: %s", turn.message.id, error)
            return f"[{error}]"
        except TimeoutError:
            return f"[ended: the turn took longer than {self._config.turn_timeout:g} s]"

    async def _converse(self, turn: Turn, messages: list[dict[str, Any]]) -> str:
        calls, asked_again = 0, False
        while True:
            completion = await self._endpoint.complete(messages, _TOOLS, lambda text: turn.emit(text, "markdown"))
            if completion.is_empty:
                if asked_again:
                    return "[the model ended without an answer]"
                asked_again = True  # thoughts alone are no answer
                continue
            self._keep(turn, messages, _said(completion))
            if not completion.calls:
                return self._closing(turn, completion)
            for call in completion.calls:
                calls += 1
                result = await self._run(turn, call) if calls <= self._config.calls else NOT_BEGUN
                self._keep(turn, messages, {"role": "tool", "tool_call_id": call.id, "content": result})
            if calls > self._config.calls:
                return f"[ended: {self._config.calls} commands in one turn are the most]"

    async def _run(self, turn: Turn, call: Call) -> str:
        """Run a call that is on the disk already. Return its result, in which every refusal is told to the model."""
        values = call.values
        if call.name != "terminal":
            return f"[there is no tool {call.name[:80]!r}, only terminal]"
        if values is None or not isinstance(values.get("command"), str) or not values["command"].strip():
            return '[nothing was run: the arguments must be a JSON object, {"command": "…"}]'
        command = values["command"]
        begins_a_line = not turn.output or turn.output.endswith("\n")
        if not begins_a_line:
            turn.emit("\n")
        turn.emit(f"$ {command}\n", "output")
        if why := await self._tools.permit(turn, command):
            turn.emit(f"{why}\n")
            return why
        output = Clipped(self._config.result)
        closing = await self._tools.terminal(turn, command, output.add)
        return "\n".join(part for part in (output.text.rstrip("\n"), closing) if part) or "[it printed nothing]"

    def _keep(self, turn: Turn, messages: list[dict[str, Any]], step: dict[str, Any]) -> None:
        self._steps.add(turn.message.seq, step)
        messages.append(step)

    def _conversation(self, turn: Turn) -> list[dict[str, Any]]:
        session, room = turn.message.session, room_of(self._config.context)
        begins = self._store.beginning(session)
        now = turn.message.seq
        before = [
            one
            for one in self._store.history(session, _MESSAGES, 4 * room)
            if one.seq > begins and one.seq != now and (one.seq < now or one.role != "user")
        ]
        system = f"{SYSTEM}\n\n{self._config.system}".strip()
        return conversation([*before, turn.message], self._steps.of, system, room)

    def _closing(self, turn: Turn, completion: Completion) -> str:
        if not completion.has_calls_as_text or turn.message.session in self._told:
            return ""
        self._told.add(turn.message.session)
        return _NO_TOOLS


def _said(completion: Completion) -> dict[str, Any]:
    """Return an answer in the words of the API."""
    said: dict[str, Any] = {"role": "assistant", "content": clipped(completion.text, KEPT)}
    if completion.calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in completion.calls
        ]
    return said
