"""`hermes chat`: one message, lines from a pipe, or a prompt."""

import contextlib
import os
import re
import shlex
import sys
import threading
import time

import click

from hermes_cli.errors import HermesError, UsageError, called
from hermes_cli.gateway.channels.local.client import Conversation, Event, patience
from hermes_cli.paths import Paths
from hermes_cli.system import threads
from hermes_cli.system.printable import printable_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 10  # messages of the session's past, when a prompt opens
_PROMPT = "you> "
_BAD_OUTCOMES = {"failed", "expired", "rejected"}
_FAILED = re.compile(
    r"(?:\A|\n)\[(?:exit |ended by |ended: |not started: |cut off by |the turn failed: )[^\n]*\]\Z|\Acut off(?: by |: )"
)


@click.command()
@click.argument("message", required=False)
@click.option("--session", default="main", show_default=True, metavar="NAME", help="The conversation to take part in.")
@click.pass_obj
def chat(paths: Paths, message: str | None, session: str) -> int:
    """Talk to the gateway: MESSAGE alone, or line by line. A restart in between loses and repeats nothing."""
    if os.path.exists(paths.adopted) or os.path.exists(paths.program):
        raise UsageError(f"profile {paths.profile} keeps another program alive: talk to it where it talks itself")
    if message is not None:
        with Conversation(paths, session) as conversation:
            conversation.open()
            try:
                return _exchange(conversation, paths, message)
            except KeyboardInterrupt:
                _aside(
                    f"no longer waiting; what was asked goes on: {_named('hermes chat', paths, session)} /stop ends it"
                )
                return 130
    if not sys.stdin.isatty():
        return _lines(paths, session)
    return _Prompt(paths, session).run()


class _Reply:
    """Prints one reply: its chunks as they come and what follows them, or the whole when nothing came."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._seen = 0
        self._at_line_start = True

    def chunk(self, event: Event) -> None:
        if event.get("reply_to") != self._message:
            return
        offset, text = int(event["offset"]), str(event["text"])
        if offset > self._seen:  # so far behind that the gateway dropped us; the whole is in the history
            self._print("\n[…]\n")
        # After a new connection what we have may come again.
        self._print(text[max(0, self._seen - offset) :])
        self._seen = max(self._seen, offset + len(text))

    def end(self, event: Event) -> None:
        complete = self._seen > 0 and self._seen == event.get("streamed")
        if complete:
            self._print(str(event.get("rest") or "").removeprefix("\n" if self._at_line_start else ""))
        else:
            self.end_line()
            self._print(str(event["text"]))
        self.end_line()

    def end_line(self) -> None:
        if not self._at_line_start:
            self._print("\n")

    def _print(self, text: str) -> None:
        if text:
            sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8"))
            sys.stdout.flush()
            self._at_line_start = text.endswith("\n")


def _exchange(conversation: Conversation, paths: Paths, text: str) -> int:
    """One message and its reply, and if it asked for a restart, the outcome. The exit code."""
    identifier = conversation.say(text)
    outcomes: dict[str, Event] = {}
    reply = _await_reply(conversation, identifier, outcomes)
    restart = reply.get("restart")
    if not restart:
        return 1 if text.startswith("!") and _has_failed(reply) else 0
    outcome = outcomes.get(str(restart)) or _await_outcome(conversation, paths, str(restart))
    print(printable_lines(outcome.get("text")), flush=True)
    return 1 if outcome.get("outcome") in _BAD_OUTCOMES else 0


def _await_reply(conversation: Conversation, identifier: str, outcomes: dict[str, Event]) -> Event:
    """Show the reply. A restart may have its outcome before the turn that asked ends: `outcomes` collects such notices."""
    reply = _Reply(identifier)
    try:
        for event in conversation.events():
            kind = event.get("event")
            if kind == "chunk":
                reply.chunk(event)
            elif kind == "message" and event.get("reply_to") == identifier:
                reply.end(event)
                return event
            elif kind == "message" and event.get("role") == "notice":
                outcomes[str(event.get("restart"))] = event
            elif kind == "accepted" and event.get("id") == identifier and event.get("draining"):
                _aside("the gateway is restarting: your message is kept and answered after it")
            elif kind == "error" and event.get("id") in (None, identifier):
                raise HermesError(f"the gateway refused the message: {event.get('text')}")
    finally:
        reply.end_line()
    raise HermesError("no answer came: hermes gateway status")


def _named(command: str, paths: Paths, session: str) -> str:
    from hermes_cli import mends

    shown = mends.pasteable(f"{command} ", paths.profile, program=mends.program(), home=mends.home_to_name()).strip()
    return shown if session == "main" else f"{shown} --session {shlex.quote(session)}"


def _has_failed(reply: Event) -> bool:
    """Say whether the command that was the whole message failed, could not be started, or was cut off.

    Its output is streamed, so that what follows it is not the command's own word.
    """
    after = reply.get("rest") if reply.get("streamed") else reply.get("text")
    return bool(_FAILED.search(str(after or "")))


def _await_outcome(conversation: Conversation, paths: Paths, intent: str) -> Event:
    seconds = patience(paths)
    for event in conversation.events(deadline=time.monotonic() + seconds):
        if event.get("event") == "message" and event.get("id") == f"outcome:{intent}":
            return event
        if event.get("event") == "message" and str(event.get("id")).startswith("update:"):
            print(printable_lines(event.get("text")), flush=True)
    raise HermesError(f"restart {intent} has no outcome after {seconds:.0f} s: hermes gateway status")


def _lines(paths: Paths, session: str) -> int:
    """Each line of standard input is a message; the worst exit code."""
    code = 0
    with Conversation(paths, session) as conversation:
        conversation.open()
        for line in sys.stdin:
            if line.strip():
                code = max(code, _exchange(conversation, paths, line.rstrip("\n")))
    return code


class _Prompt:
    """A prompt with line editing. While it is shown, a thread has the conversation and prints what comes."""

    def __init__(self, paths: Paths, session: str) -> None:
        self._paths = paths
        self._conversation = Conversation(paths, session)
        self._trouble: HermesError | None = None

    def run(self) -> int:
        with self._conversation as conversation, _history(f"{self._paths.state}/chat_history"):
            for event in conversation.open(history=_SHOWN):
                print(_line(event))
            while (text := self._ask()) is not None:
                if text.strip() == "/quit":
                    return 0
                if not text.strip():
                    continue
                try:
                    _exchange(conversation, self._paths, text)
                except KeyboardInterrupt:
                    _aside("no longer waiting: the answer is shown here when it comes")
        return 0

    def _ask(self) -> str | None:
        """Read a line; return None at the end of input. Ctrl-C drops the line."""
        wake, rouse = os.pipe()
        listener = threading.Thread(target=self._listen, args=(wake,), daemon=True)
        hears = threads.start(listener)  # else what comes meanwhile is shown with the next answer
        try:
            return input(_PROMPT)
        except EOFError:
            print()
            return None
        except KeyboardInterrupt:
            print()
            return ""
        finally:
            os.close(rouse)  # readable at the other end: the thread gives the conversation back
            if hears:
                listener.join()
            os.close(wake)
            if self._trouble is not None:
                raise self._trouble

    def _listen(self, wake: int) -> None:
        try:
            for event in self._conversation.events(wake=wake):
                if event.get("event") == "message" and event.get("role") != "user":
                    self._interject(_line(event))
        except HermesError as error:
            self._trouble = error
            self._interject(f"{called()}: {error} (Enter leaves)")

    def _interject(self, line: str) -> None:
        """Print above the prompt, which is then shown again with what has been typed."""
        import readline

        sys.stdout.write(f"\r\x1b[K{line}\n{_PROMPT}{readline.get_line_buffer()}")
        sys.stdout.flush()


@contextlib.contextmanager
def _history(path: str) -> "Iterator[None]":
    import readline

    with contextlib.suppress(OSError):
        # Made by us first: it holds what was typed, and is nobody else's business from its first byte.
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        readline.read_history_file(path)
    readline.set_history_length(1000)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(path)


def _line(event: Event) -> str:
    """Return a message as it stands in the conversation."""
    marks = {"user": _PROMPT, "notice": "* "}
    text = event.get("text")
    shown = printable_lines(text) if event.get("role") == "notice" else text
    return f"{marks.get(str(event.get('role')), '')}{shown}"


def _aside(text: str) -> None:
    print(f"{called()}: {text}", file=sys.stderr, flush=True)
