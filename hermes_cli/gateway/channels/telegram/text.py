"""Text as Telegram takes it: with entities instead of markup, in parts of at most 4096 UTF-16 units. Pure.

Entities cannot be malformed, as markup can, and no character of a text needs to be escaped. They are counted in
characters here, as Python does, and in UTF-16 units on the wire.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

LONGEST = 4096  # UTF-16 units of a message
_MOST = 100  # entities of a message; the server leaves out what is beyond


@dataclass(frozen=True, slots=True)
class Entity:
    """The characters from `start` to before `end` are `kind`, a MessageEntity's `type`; `about`: its url or language."""

    kind: str
    start: int
    end: int
    about: str = ""

    def moved(self, by: int) -> "Entity":
        """Return it in a text in which so many characters more stand before it."""
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True, slots=True)
class Rich:
    """A text and its entities, those that begin first before others, and a longer one before what is within it."""

    text: str
    entities: tuple[Entity, ...] = ()

    def part(self, start: int, end: int) -> "Rich":
        """Return a piece; what is cut goes on in the next one."""
        within = (
            replace(one, start=max(one.start, start) - start, end=min(one.end, end) - start)
            for one in self.entities
            if one.start < end and one.end > start
        )
        return Rich(self.text[start:end], tuple(within))

    def wire(self) -> list[dict[str, Any]] | None:
        """Return the entities as the API takes them, None if there are none."""
        found = []
        characters = counted = 0
        for entity in self.entities[:_MOST]:
            counted += units(self.text[characters : entity.start])
            characters = entity.start
            document = {"type": entity.kind, "offset": counted, "length": units(self.text[entity.start : entity.end])}
            if entity.about:
                document["url" if entity.kind == "text_link" else "language"] = entity.about
            found.append(document)
        return found or None


def joined(pieces: Sequence[Rich]) -> Rich:
    """Return the pieces as one text."""
    entities: list[Entity] = []
    length = 0
    for piece in pieces:
        entities += [entity.moved(length) for entity in piece.entities]
        length += len(piece.text)
    return Rich("".join(piece.text for piece in pieces), tuple(entities))


def units(text: str) -> int:
    """Return the length that Telegram counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def split(whole: Rich, longest: int = LONGEST) -> list[Rich]:
    """Return the parts of a text, at least one; no part is empty or only white space.

    Cut at the end of a line or a word where there is one in a part's second half. Nothing is left out but the line end
    at a cut, and parts of white space.
    """
    parts: list[Rich] = []
    start, end = 0, len(whole.text)
    while start < end:
        cut, following = _cut(whole.text, start, longest)
        if whole.text[start:cut].strip():
            parts.append(whole.part(start, cut))
        start = following
    return parts or [Rich("(nothing)")]


def tail(whole: Rich, longest: int = LONGEST) -> Rich:
    """Return the end of a text that fits into a message."""
    start, end = max(0, len(whole.text) - longest), len(whole.text)
    while units(whole.text[start:]) > longest:
        start += max(1, (units(whole.text[start:]) - longest) // 2)
    return whole.part(start, end)


def sound(text: str) -> str:
    """Return the text without what JSON or Telegram cannot carry: single surrogates, and NUL. It stays as long."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _cut(text: str, start: int, longest: int) -> tuple[int, int]:
    """Return where the part that begins at `start` ends, and where the next one begins."""
    rest = text[start : start + longest]
    fitting = _fitting(rest, longest)
    if start + fitting == len(text):
        return len(text), len(text)
    at = (
        max(rest.rfind("\n", fitting // 2, fitting + 1), 0) or max(rest.rfind(" ", fitting // 2, fitting), 0) or fitting
    )
    return start + at, start + at + rest.startswith("\n", at)


def _fitting(text: str, longest: int) -> int:
    """Return how many characters at the beginning of the text have at most so many units."""
    low, high = min(len(text), longest // 2), min(len(text), longest)
    while low < high:
        middle = (low + high + 1) // 2
        if units(text[:middle]) <= longest:
            low = middle
        else:
            high = middle - 1
    return low
