"""What a person sees while something takes its time: live lines on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Sequence
from typing import Self

from hermes_cli.system.printable import printable
from hermes_cli.system.terminal import Picture, is_live


class ProgressLine:
    """Elapsed seconds and what is waited for. On a pipe, a line for each change and none for the passing of time.

    `with` it, so that an interrupt leaves nothing behind.
    """

    def __init__(self, what: str) -> None:
        """Name what is being done, e.g. 'restarting'."""
        self._what = what
        self._since = time.monotonic()
        self._picture = Picture(sys.stderr) if is_live(sys.stderr) else None
        self._last = ""

    @property
    def interval(self) -> float | None:
        """The seconds between two drawings of a live line; None if there is none."""
        return 0.5 if self._picture is not None else None

    @property
    def columns(self) -> int | None:
        """The columns of the terminal, None where there is none."""
        return self._picture.columns if self._picture is not None else None

    def show(self, waiting_for: str, below: Sequence[str] = ()) -> None:
        """Show what is waited for now; on a terminal also the lines `below`."""
        waiting_for = printable(waiting_for)
        if self._picture is not None:
            elapsed = time.monotonic() - self._since
            text = f"{self._what}, {elapsed:.0f} s: {waiting_for}" if waiting_for else f"{self._what}, {elapsed:.0f} s"
            self._picture.show("\n".join([text, *below]))
            return
        # A countdown in the text is not news.
        news = waiting_for.partition(",")[0]
        if news and news != self._last:
            print(f"{self._what}: waiting for {waiting_for}", file=sys.stderr, flush=True)
        self._last = news

    def clear(self) -> None:
        """Remove the live lines."""
        if self._picture is not None:
            self._picture.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
