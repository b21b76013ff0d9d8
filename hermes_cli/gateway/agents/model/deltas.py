"""From the pieces of a streamed chat completion to its text and its calls. Pure.

Endpoints agree on the format less than they say. What differs is named beside the line that copes with it, with the
report where it was seen; tests/unit/gateway/test_deltas.py has a case for each.
"""

import json
from dataclasses import dataclass, field
from typing import Any

_OPENING, _CLOSING = "<think>", "</think>"
_PIECE = 100  # characters that a piece of a call counts for at the least: it is kept, however little it says
_AS_TEXT = ("<tool_call>", "<function=", "[TOOL_CALLS]")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's call. `arguments` is JSON, if the model has written any."""

    id: str
    name: str
    arguments: str

    @property
    def values(self) -> dict[str, Any] | None:
        """The arguments, or None where they are no JSON object: nothing is run then."""
        try:
            found = json.loads(self.arguments or "{}")
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class Completion:
    """One whole answer of the endpoint."""

    text: str
    calls: tuple[Call, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to show and nothing to do."""
        return not self.text.strip() and not self.calls

    @property
    def has_calls_as_text(self) -> bool:
        """Say whether it wrote a call where only text is: its template or its server does not do tools."""
        return not self.calls and any(mark in self.text for mark in _AS_TEXT)


@dataclass(slots=True)
class _Open:
    """A call whose pieces are still coming."""

    index: int | None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Say whether its arguments are complete JSON."""
        try:
            json.loads("".join(self.arguments))
        except (ValueError, RecursionError):
            return False
        return True


class Deltas:
    """Puts the chunks of one answer together."""

    def __init__(self) -> None:
        self.is_finished = False  # a finish_reason came: the model had ended
        self.size = 0  # characters of text and of calls so far
        self._text: list[str] = []
        self._calls: list[_Open] = []
        self._thinking = False
        self._held = ""  # the beginning of what may be a tag

    def add(self, chunk: dict[str, Any]) -> str:
        """Take in one chunk, or an answer that is not streamed. Return the text in it that is to be shown."""
        shown = ""
        for choice in _list(chunk.get("choices")):  # empty in a usage chunk, and in Azure's first one
            if choice.get("finish_reason"):
                self.is_finished = True
            delta = choice.get("delta") or choice.get("message") or {}
            if not isinstance(delta, dict):
                continue
            # Thinking (reasoning_content, reasoning, reasoning_details) is neither shown nor sent back.
            content = delta.get("content")  # null or "" beside calls; also in the chunk that finishes (vLLM #35705)
            if isinstance(content, str):
                self.size += len(content)
                shown += self._seen(content)
            for piece in _list(delta.get("tool_calls")):
                self._piece(piece)
        self._text.append(shown)
        return shown

    def end(self) -> str:
        """Return the text that was held back because a tag might have begun with it."""
        rest, self._held = "" if self._thinking else self._held, ""
        self._text.append(rest)
        return rest

    def completion(self) -> Completion:
        """Return the answer. What counts are its calls, not its finish_reason (Gemini's layer says "stop" beside them)."""
        calls = tuple(
            Call(one.id or f"call_{number}", one.name, "".join(one.arguments))
            for number, one in enumerate(self._calls)
            if one.name or one.arguments
        )
        return Completion("".join(self._text), calls)

    def _piece(self, piece: dict[str, Any]) -> None:
        function = piece.get("function")
        function = function if isinstance(function, dict) else {}
        index = piece.get("index")
        index = index if isinstance(index, int) else None
        identifier, name = _word(piece.get("id")), _word(function.get("name"))
        arguments = function.get("arguments")
        if isinstance(arguments, dict | list):  # an object instead of a string
            arguments = json.dumps(arguments)
        arguments = arguments if isinstance(arguments, str) else ""
        self.size += len(arguments) + len(identifier) + len(name) + _PIECE
        call = self._call_of(index, identifier, name, arguments)
        call.id = call.id or identifier  # missing at first, or null later, or the same in each (Ollama, SGLang #35542)
        call.name = call.name or name  # repeated, or "" later (SGLang #4700)
        call.arguments.append(arguments)

    def _call_of(self, index: int | None, identifier: str, name: str, arguments: str) -> _Open:
        """Return the call that a piece belongs to, which may be a new one."""
        known = None
        if index is not None:
            known = next((one for one in reversed(self._calls) if one.index == index), None)
        elif self._calls and (not identifier or self._calls[-1].id == identifier):  # no index (Ollama #7881)
            known = self._calls[-1]
        if known is not None and identifier and known.id and known.id != identifier:
            known = next((one for one in self._calls if one.id == identifier), None)  # index always 0 (Ollama #15457)
        elif known is not None and name and arguments and not identifier and known.name and known.is_whole:
            known = None  # index always 0, and no ids either
        if known is None:
            known = _Open(index)
            self._calls.append(known)
        return known

    def _seen(self, content: str) -> str:
        """Leave out what stands between <think> and </think>, wherever the tags are cut."""
        text, self._held = self._held + content, ""
        shown = []
        while text:
            tag = _CLOSING if self._thinking else _OPENING
            before, found, after = text.partition(tag)
            if not found:
                keep = _overlap(before, tag)
                self._held = before[len(before) - keep :]
                before = before[: len(before) - keep]
            if not self._thinking:
                shown.append(before)
            if not found:
                break
            self._thinking = not self._thinking
            text = after
        return "".join(shown)


def _overlap(text: str, tag: str) -> int:
    """Return how many characters at the end of the text may begin the tag."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
