"""What a person sees while something takes its time: a live line on a terminal, plain lines elsewhere."""

import sys
import time

from hermes_cli.system.printable import printable


class ProgressLine:
    """Elapsed seconds and what is waited for. On a pipe, a line for each change and none for the passing of time."""

    def __init__(self, what: str) -> None:
        """Name what is being done, e.g. 'restarting'."""
        self._what = what
        self._since = time.monotonic()
        self._live = sys.stderr.isatty()
        self._last = ""

    @property
    def interval(self) -> float | None:
        """The seconds between two drawings of a live line; None if there is none."""
        return 0.5 if self._live else None

    def show(self, waiting_for: str) -> None:
        """Show what is waited for now."""
        waiting_for = printable(waiting_for)
        if self._live:
            elapsed = time.monotonic() - self._since
            text = f"{self._what}, {elapsed:.0f} s: {waiting_for}" if waiting_for else f"{self._what}, {elapsed:.0f} s"
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            return
        # A countdown in the text is not news.
        news = waiting_for.partition(",")[0]
        if news and news != self._last:
            print(f"{self._what}: waiting for {waiting_for}", file=sys.stderr, flush=True)
        self._last = news

    def clear(self) -> None:
        """Remove a live line."""
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
