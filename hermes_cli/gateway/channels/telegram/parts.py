"""What a message is in a chat: its parts, or where they would be many, the first of them and a file with the whole. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from hermes_cli.gateway.channels.telegram.markdown import rendered
from hermes_cli.gateway.channels.telegram.text import Rich, sound, split
from hermes_cli.gateway.conversations.forms import Span

MOST = 4  # messages that an answer is sent as; what is longer is one message and a file
FILE = 1  # the number of the part that is a file


@dataclass(frozen=True, slots=True)
class File:
    """A file with the whole text, as it was written."""

    name: str
    caption: str
    content: bytes


def parts_of(text: str, spans: Sequence[Span], *, as_text: bool) -> list[Rich | File]:
    """Return the parts of a text, at least one; `as_text`: without a file, however many they are."""
    parts = split(rendered(text, spans))
    if as_text or len(parts) <= MOST:
        return [*parts]
    is_markdown = any(span.form == "markdown" for span in spans)
    caption = f"[the whole answer, {len(text)} characters]"
    return [parts[0], File(f"answer.{'md' if is_markdown else 'txt'}", caption, sound(text).encode())]
