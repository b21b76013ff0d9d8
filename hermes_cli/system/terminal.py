"""What the output goes to, and how a picture is redrawn there. Everything is plain where it is no terminal."""

import os
import sys
from typing import Self

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_WIDTH = 80  # columns, where nobody says


def is_live(stream: "TextIO") -> bool:
    """Say whether lines on this stream can be drawn over."""
    return stream.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def has_colour(stream: "TextIO") -> bool:
    """Say whether colours are wanted there (https://no-color.org)."""
    return is_live(stream) and not os.environ.get("NO_COLOR")


def is_utf8(stream: "TextIO") -> bool:
    """Say whether letters beyond ASCII can be written to the stream."""
    return (stream.encoding or "").lower() in {"utf-8", "utf8"}


def width(stream: "TextIO") -> int | None:
    """Return the columns of a terminal, None where lines may be of any length."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    except OSError:
        return _WIDTH


def cut(line: str, columns: int | None) -> str:
    """Return the line in so many columns."""
    if columns is None or len(line) <= columns:
        return line
    return f"{line[: max(0, columns - 1)]}…"


class Picture:
    """A few lines that are drawn over each other. `with` it, so that nothing is left behind; a plain stream gets each once."""

    def __init__(self, stream: "TextIO | None" = None) -> None:
        self._stream = stream or sys.stdout
        self._live = is_live(self._stream)
        self._lines = 0
        self._last = ""
        self._is_drawn = False

    @property
    def is_live(self) -> bool:
        """Whether lines are drawn over."""
        return self._live

    @property
    def columns(self) -> int:
        """How wide a line may be."""
        return self._size()[0]

    def show(self, text: str) -> None:
        """Draw the text in the place of the one before it."""
        if not self._live:
            if text != self._last:
                self._write(f"{text}\n")
            self._last = text
            return
        columns, rows = self._size()
        lines = [cut(line, columns) for line in text.split("\n")]
        if len(lines) >= rows:  # what has left the screen above could not be drawn over
            lines = [*lines[: max(1, rows - 2)], "…"]
        up = f"\x1b[{self._lines}A" if self._lines else _HIDE
        self._is_drawn = True  # first: whoever interrupts this must have the cursor back
        self._write(up + "".join(f"\r{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._lines = len(lines)

    def clear(self) -> None:
        """Take the picture away; the cursor is where it began."""
        if self._lines:
            self._write(f"\x1b[{self._lines}A\r\x1b[J")
        self.leave()

    def leave(self) -> None:
        """Let the picture stand, the cursor below it."""
        if self._is_drawn:
            self._write(_SHOW)
        self._is_drawn = False
        self._lines = 0

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _size(self) -> tuple[int, int]:
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return _WIDTH, 24
        return found.columns or _WIDTH, found.lines or 24

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
