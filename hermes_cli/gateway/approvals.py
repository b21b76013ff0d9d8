"""A person's yes to a dangerous command: asked in the conversation whose turn wants to run it, bound in time.

The question is a stored notice with the whole command, so every channel shows it; its id begins with PREFIX, and a
channel with buttons may put them there. The answer is `/approve CODE` or `/deny CODE`, taken beside the turn.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hermes_cli.gateway.conversations.message import Message
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.gateway.rights import Rights
from hermes_cli.gateway.tools.danger import danger
from hermes_cli.system.printable import spelled

Verdict = Literal["approved", "denied"]
PREFIX = "approval:"  # of the notice's id; the code follows
NO_RIGHT = "[not run: who asked may not use the terminal]"
_LONGEST = 12_000  # characters of a command that is shown; nobody approves what cannot be shown whole
_HOW = "\n\n/approve "  # begins the last line of a question
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is read as another character
_log = logging.getLogger("hermes.approvals")


@dataclass(slots=True, eq=False)
class Request:
    """A command that waits for a person."""

    code: str
    message: Message
    command: str
    why: str
    verdict: "asyncio.Future[Verdict]"
    by: str = ""


class Approvals:
    """All questions of an instance. Everything happens on the event loop's thread."""

    def __init__(
        self,
        rights: Rights,
        tell: Callable[[Message, str, str], Message | None],
        *,
        change: Callable[[Message, str], None],
        called: Callable[[Message], str],
        ask: str,
        patience: float,
    ) -> None:
        """`tell` stores a notice in a message's conversation: the message, the notice's id, its text.

        `change` has a notice read otherwise, `called` names who wrote a message. `ask`: "dangerous", "always" or "never".
        `patience`: seconds that a person has.
        """
        self.open: dict[str, Request] = {}  # by code
        self._rights = rights
        self._tell = tell
        self._change = change
        self._called = called
        self._ask = ask
        self._patience = patience

    async def permit(self, turn: Turn, command: str) -> str:
        """Wait until the turn may run a command. Return "", or one line that says why it may not.

        For commands that an agent thought of: the words of the person who asked are no approval of them.
        """
        if not self._rights.terminal(turn.message.origin):
            return NO_RIGHT
        why = danger(command) if self._ask == "dangerous" else "every command is shown first"
        if self._ask == "never" or why is None:
            return ""
        words = spelled(command)
        if len(words) > _LONGEST:
            return f"[not run: {why}, and it is too long to be shown to a person ({len(words)} characters)]"
        return await self._asked(turn, words, why)

    def of(self, session: str) -> list[Request]:
        """List what waits in a session, the oldest first."""
        return [request for request in self.open.values() if request.message.session == session]

    def decide(self, message: Message, verdict: Verdict, code: str | None) -> str:
        """Carry out `/approve` or `/deny` of that message. Return what to tell its writer."""
        if not self._rights.terminal(message.origin):
            return "you may not approve commands here"
        waiting = self.of(message.session)
        if code is None and len(waiting) > 1:
            return "several commands wait: name one, " + ", ".join(request.code for request in waiting)
        request = next((one for one in waiting if code in (None, one.code)), None)
        if request is None or request.verdict.done():
            return "nothing waits for approval here" if code is None else f"nothing waits under {code}: it is over"
        request.by = self._called(message)
        request.verdict.set_result(verdict)
        return f"{verdict}: {_first_line(request.command)}"

    async def _asked(self, turn: Turn, command: str, why: str) -> str:
        import secrets  # with OpenSSL, which few gateways need

        code = "".join(secrets.choice(_ALPHABET) for _ in range(5))
        request = Request(code, turn.message, command, why, asyncio.get_running_loop().create_future())
        self.open[code] = request
        end = "its turn was cut off before anybody decided"
        shown: Message | None = None
        minutes = f"{self._patience / 60:g} min" if self._patience >= 60 else f"{self._patience:g} s"
        question = f"May this run? {why}:\n\n{command}"
        try:
            text = f"{question}{_HOW}{code} or /deny {code}, within {minutes}"
            shown = self._tell(turn.message, f"{PREFIX}{code}:{turn.message.seq}", text)
            async with asyncio.timeout(self._patience):
                verdict = await request.verdict
            end = f"{verdict} by {request.by}"
        except TimeoutError:
            end = f"expired: nobody decided within {minutes}"
            return f"[not run: {why}, and nobody approved it within {self._patience:g} s]"
        finally:
            del self.open[code]
            if shown is not None:
                self._change(shown, f"{question}\n\n{end}")
        _log.info("a command of turn %s was %s", turn.message.id, verdict)
        return "" if verdict == "approved" else f"[not run: {why}, and it was denied]"


def left_open(question: Message) -> str:
    """Return what a question reads that a gateway has left when it ended."""
    return f"{question.text.rpartition(_HOW)[0] or question.text}\n\nexpired: the gateway ended before anybody decided"


def _first_line(command: str) -> str:
    line = command.strip().split("\n", 1)[0]
    return line if len(line) <= 80 else f"{line[:79]}…"
