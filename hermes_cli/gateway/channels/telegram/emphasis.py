"""Runs of `*`, `_` and `~` within a block of text: which of them open and close emphasis, and which are themselves. Pure.

A run that opens waits until one closes it. What is never closed stays where it stands.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate

from hermes_cli.gateway.channels.telegram.text import Entity, Rich

_LONGEST = 3  # characters of a run: longer ones are lines, or gaps to fill in
_KINDS = {1: "italic", 2: "bold"}


@dataclass(slots=True)
class _Open:
    """A run that may open emphasis: its mark, how many of them are left, and the piece that it is."""

    mark: str
    left: int
    piece: int


class Emphasis:
    """The pieces of a block, with the emphasis around them."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._inner: list[tuple[int, tuple[Entity, ...]]] = []  # of a piece with entities of its own
        self._spans: list[tuple[str, int, int]] = []  # a kind, and from which piece to before which
        self._open: list[_Open] = []
        self._count: Counter[tuple[str, int]] = Counter()  # of the open ones, by mark and length

    def add(self, text: str, entities: tuple[Entity, ...] = ()) -> None:
        """Add what is no run."""
        if entities:
            self._inner.append((len(self._pieces), entities))
        self._pieces.append(text)

    def run(self, run: str, before: str, after: str) -> None:
        """Add a run, between these characters ("" at an end)."""
        mark, left = run[0], len(run)
        opens, closes = _flanks(mark, left, before, after)
        if left > _LONGEST or (mark == "~" and left != 2):
            opens = closes = False
        while closes and left and (opener := self._opener(mark, left)) is not None:
            left -= self._close(opener, left)
        self._pieces.append(mark * left)
        if opens and left:
            self._open.append(_Open(mark, left, len(self._pieces) - 1))
            self._count[mark, left] += 1

    def whole(self) -> Rich:
        """Return the block."""
        starts = [0, *accumulate(map(len, self._pieces))]
        found = [Entity(kind, starts[first], starts[end]) for kind, first, end in self._spans]
        found += [entity.moved(starts[piece]) for piece, entities in self._inner for entity in entities]
        return Rich("".join(self._pieces), tuple(sorted(found, key=lambda one: (one.start, -one.end))))

    def _opener(self, mark: str, left: int) -> _Open | None:
        """Return the nearest run that this one can close, and forget those behind it, which are themselves."""
        fitting = [length for length in (1, 2, 3) if length == left or 3 in {length, left}]
        if not any(self._count[mark, length] for length in fitting):
            return None
        while self._open:
            last = self._open[-1]
            if last.mark == mark and last.left in fitting:
                return last
            self._forget()
        raise AssertionError("one of them was counted")

    def _close(self, opener: _Open, left: int) -> int:
        """Put emphasis between a run and this one. Return how many marks that takes of each."""
        taken = 2 if min(opener.left, left) >= 2 else 1
        kind = "strikethrough" if opener.mark == "~" else _KINDS[taken]
        self._spans.append((kind, opener.piece + 1, len(self._pieces)))
        self._forget()
        opener.left -= taken
        self._pieces[opener.piece] = opener.mark * opener.left
        if opener.left:
            self._open.append(opener)
            self._count[opener.mark, opener.left] += 1
        return taken

    def _forget(self) -> None:
        last = self._open.pop()
        self._count[last.mark, last.left] -= 1


def _flanks(mark: str, length: int, before: str, after: str) -> tuple[bool, bool]:
    """Tell whether a run between two characters can open, and whether it can close, as CommonMark has it."""
    space_before, space_after = not before.strip(), not after.strip()
    sign_before, sign_after = _is_sign(before), _is_sign(after)
    left = not space_after and (not sign_after or space_before or sign_before)
    right = not space_before and (not sign_before or space_after or sign_after)
    if mark == "_":
        return left and (not right or sign_before), right and (not left or sign_after)
    if mark == "*" and length == 1 and left and right and (before + after).isascii() and (before + after).isalnum():
        return False, False
    return left, right


def _is_sign(character: str) -> bool:
    return bool(character.strip()) and not character.isalnum()
