"""What the model is told: the conversation so far, in the words of the API, within its context. Pure.

A turn that was cut off is not resumed. The model is told what it had begun, and that nobody knows whether that had an
effect; the outcome of a restart is in its history, so that it does not ask for another one.
"""

from collections.abc import Callable, Iterable
from typing import Any

from hermes_cli.gateway.commands import named
from hermes_cli.gateway.conversations.message import Message

Step = dict[str, Any]
CUT_OFF = (
    "[this command was begun and cut off when the gateway restarted or the turn was stopped. "
    "Whether it had an effect is not known. It is not run again by itself.]"
)
NOT_BEGUN = "[this command was not begun: the turn was cut off before it]"
_OLD_RESULT = 2000  # characters that are kept of each result of an earlier turn
_CHARACTERS = 3  # of a token, at the least that is usual


def room_of(context: int) -> int:
    """Return how many characters may be sent to a model of so many tokens; a quarter is left for its answer."""
    return max(1000, context * _CHARACTERS * 3 // 4)


def conversation(
    messages: Iterable[Message], steps: Callable[[int], list[Step]], system: str, room: int
) -> list[dict[str, Any]]:
    """Return the messages of a request: the prompt, then as many of the last turns as there is room for.

    `messages` ends with the one that is to be answered.
    """
    turns: list[list[dict[str, Any]]] = []
    asked: dict[str, tuple[Message, list[dict[str, Any]]]] = {}
    for message in messages:
        if message.role == "user" and named(message.text) is None:
            turns.append([{"role": "user", "content": message.text}])
            asked[message.id] = (message, turns[-1])
        elif message.role == "notice" and turns:
            turns[-1].append({"role": "user", "content": f"[notice of the gateway] {message.text}"})
        elif message.role == "assistant" and (known := asked.get(message.reply_to or "")) is not None:
            asking, turn = known  # which may lie before other messages, that waited meanwhile
            taken = steps(asking.seq)
            turn += [_shortened(step) for step in answered(taken)]
            if not taken or taken[-1].get("role") != "assistant" or taken[-1].get("tool_calls"):
                turn.append({"role": "assistant", "content": message.text})
    kept: list[dict[str, Any]] = []
    room -= len(system)
    for turn in reversed(turns):
        room -= sum(_size(one) for one in turn)
        if room < 0 and kept:
            break
        kept = [*turn, *kept]
    return [{"role": "system", "content": system}, *kept]


def answered(steps: list[Step]) -> list[Step]:
    """Return the steps with a result for each call: endpoints refuse a history in which one is missing."""
    found: list[Step] = []
    open_calls: list[str] = []

    def close() -> None:
        for number, call in enumerate(open_calls):
            found.append({"role": "tool", "tool_call_id": call, "content": NOT_BEGUN if number else CUT_OFF})
        open_calls.clear()

    for step in steps:
        if step.get("role") == "tool":
            if step.get("tool_call_id") in open_calls:
                open_calls.remove(step["tool_call_id"])
        else:
            close()
            open_calls.extend(call["id"] for call in step.get("tool_calls") or ())
        found.append(step)
    close()
    return found


class Clipped:
    """The head and the tail of a text that comes in pieces, however long it gets."""

    def __init__(self, most: int) -> None:
        """Keep `most` characters at the most, half of them at each end."""
        self._half = most // 2
        self._head = ""
        self._tail = ""
        self._length = 0

    def add(self, text: str) -> None:
        """Take in the next piece."""
        self._length += len(text)
        room = self._half - len(self._head)
        self._head += text[:room]
        self._tail += text[room:]
        if len(self._tail) > 2 * self._half:  # not at every piece: that would copy it for each line
            self._tail = self._tail[-self._half :]

    @property
    def text(self) -> str:
        """Return what is kept, with a line that says how much is not."""
        tail = self._tail[-self._half :]
        missing = self._length - len(self._head) - len(tail)
        return f"{self._head}\n[… {missing} characters left out …]\n{tail}" if missing else self._head + tail


def clipped(text: str, most: int) -> str:
    """Return the head and the tail of a text that is longer."""
    found = Clipped(most)
    found.add(text)
    return found.text


def _shortened(step: Step) -> Step:
    if step.get("role") != "tool":
        return step
    return {**step, "content": clipped(str(step.get("content", "")), _OLD_RESULT)}


def _size(message: dict[str, Any]) -> int:
    calls = message.get("tool_calls") or ()
    return len(message.get("content") or "") + sum(len(call["function"]["arguments"]) for call in calls) + 20
