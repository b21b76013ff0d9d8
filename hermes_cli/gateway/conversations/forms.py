"""Which stretches of a text are of which form: what a model wrote, and what is shown as it is. Pure."""

from typing import Literal, NamedTuple

Form = Literal["markdown", "output"]  # of a model's words, and of a terminal; what has none is a plain text of ours


class Span(NamedTuple):
    """The characters from `start` to before `end` are of this form."""

    form: Form
    start: int
    end: int

    def moved(self, by: int, length: int) -> "Span | None":
        """Return it in a text that begins `by` characters later and has `length` of them; None if it is not in there."""
        start, end = max(0, self.start - by), min(length, self.end - by)
        return Span(self.form, start, end) if start < end else None


class Forms:
    """The spans of a text that grows at its end, and of which only the end is kept."""

    def __init__(self) -> None:
        self._length = 0
        self._spans: list[Span] = []

    def grow(self, characters: int, form: Form | None) -> None:
        """Take in that so many characters of a form have come."""
        start, self._length = self._length, self._length + characters
        if form is None or not characters:
            return
        if self._spans and self._spans[-1].form == form and self._spans[-1].end == start:
            start = self._spans.pop().start
        self._spans.append(Span(form, start, self._length))

    def keep(self, characters: int) -> None:
        """Forget the spans before the last so many characters."""
        before = self._length - characters
        self._spans = [span for span in self._spans if span.end > before]

    def of_last(self, characters: int, after: int = 0) -> tuple[Span, ...]:
        """Return the spans of the text's last so many characters, in a text where `after` others stand before them."""
        moved = (span.moved(self._length - characters, characters) for span in self._spans)
        return tuple(Span(span.form, span.start + after, span.end + after) for span in moved if span is not None)
