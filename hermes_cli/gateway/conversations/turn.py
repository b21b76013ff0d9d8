"""One turn: one message, one execution, one reply."""

from hermes_cli.gateway.conversations.forms import Form, Forms
from hermes_cli.gateway.conversations.message import Message, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

REVOKED = "hermes pairing revoke"  # why the turns of who was let in by a code are cut off
GONE = "who wrote this may not write here any more"
KEPT = 64 * 1024  # characters of a turn's output that its stored reply holds: the last ones


class Turn:
    """One execution under way.

    It gives its agent the message, and `emit` for output that everyone who follows the session sees at once.
    """

    def __init__(
        self,
        message: Message,
        since: float,
        stream: "Callable[[Message, int, str, Form | None], None]",
        most: int,
        *,
        beside: bool = False,
    ) -> None:
        """Begin at `since` (event loop seconds). `most`: characters that are streamed.

        `beside`: it answers a command while its session's own turn runs. `stream` is called with the message, the number of characters that were streamed before, the new text, and its form.
        """
        self.message = message
        self.since = since
        self.beside = beside
        self.commands = 0  # that run now
        self.cut_at: float | None = None
        self.task: asyncio.Task[str] | None = None
        self.streamed = 0
        self.printed = 0
        self._most = most
        self._why = ""
        self._kept = ""
        self._forms = Forms()
        self._stream = stream

    @property
    def output(self) -> str:
        """The output so far, of which the last 64 Ki characters are kept."""
        return self._kept[-KEPT:]

    def emit(self, text: str, form: Form | None = None) -> None:
        """Stream output. A turn that was cut off may still call this while its commands end."""
        self.printed += len(text)
        self._kept += text
        self._forms.grow(len(text), form)
        if len(self._kept) > 2 * KEPT:  # not at every chunk: that would copy 64 Ki for each line
            self._kept = self._kept[-KEPT:]
            self._forms.keep(KEPT)
        offset, shown = self.streamed, text[: max(0, self._most - self.streamed)]
        self.streamed += len(shown)
        if shown:
            self._stream(self.message, offset, shown, form)

    def cut_off(self, why: str, now: float) -> None:
        """Cancel the turn at `now` (event loop seconds); `why` is "restart", "stop", "/stop" or REVOKED."""
        if self.cut_at is None and self.task is not None:
            self.cut_at = now
            self._why = why
            self.task.cancel()

    def reply(self, closing: str) -> Reply:
        """Return the reply of a turn that ran to its end, with its closing line."""
        if closing and self.streamed and not self.output.endswith("\n"):
            closing = f"\n{closing}"
        return self._reply(self._omitted(), closing, self._not_streamed() + closing)

    def cut_reply(self) -> Reply:
        """Return the reply of a turn that was cut off."""
        after = (self.cut_at or self.since) - self.since
        by = self._why if self._why.startswith("/") else f"the {self._why or 'gateway'}"
        what = f"cut off by {by} after {after:.1f} s"
        if self._why == REVOKED:  # its output is not theirs to see any more
            return Reply(f"cut off after {after:.1f} s: {GONE}", self.streamed, f"\n[cut off: {GONE}]")
        if not self.streamed:
            return Reply(f"{what}; it had printed nothing. It is not run again.")
        rest = f"[{what}; it is not run again]"
        before = f"{what}; it is not run again. What it printed so far:\n{self._omitted()}"
        rest = rest if self.output.endswith("\n") else f"\n{rest}"
        return self._reply(before, "", self._not_streamed() + rest)

    def _reply(self, before: str, after: str, rest: str) -> Reply:
        output = self.output
        text = f"{before}{output}{after}".removesuffix("\n")
        spans = (span.moved(0, len(text)) for span in self._forms.of_last(len(output), len(before)))
        return Reply(text, self.streamed, rest, spans=tuple(span for span in spans if span is not None))

    def _omitted(self) -> str:
        missing = self.printed - len(self.output)
        return f"[the first {missing} characters are not kept]\n" if missing else ""

    def _not_streamed(self) -> str:
        more = self.printed - self.streamed
        return (
            f"\n[{more} more characters were not shown while it ran; the reply has the last {KEPT}]\n" if more else ""
        )
