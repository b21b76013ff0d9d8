"""Markdown, as models write it, read into text with entities. Pure; what is not well-formed is shown as it is.

Read are fenced code, headings, and within a block of lines code, emphasis and links, by the rules of CommonMark with
four differences, for what is no markup where one speaks of commands: a single `*` within a word is one, `__init__` is a
name, runs of four and more are lines or gaps, and only http and https are linked. Lists, tables and quotes are legible as
they are.
"""

import re
from collections.abc import Iterator, Sequence

from hermes_cli.gateway.channels.telegram.emphasis import Emphasis
from hermes_cli.gateway.channels.telegram.text import Entity, Rich, joined, sound
from hermes_cli.gateway.conversations.forms import Span

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})([^`]*)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(?=\S)")
_APART = re.compile(r"\s*(?:[-*+>|]|\d{1,9}[.)])(?:\s|$)|\s*$")  # a line that begins a block of its own
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")
_TICKS = re.compile(r"`+")
# Nothing here may take longer than the text is long: no part can match what the part behind it can.
_INLINE = re.compile(
    r"""\\[!-/:-@\[-`{-~]
    | (?P<ticks>`+)
    | !?\[(?P<label>(?:[^\[\]\\\n]|\\.){1,500})\]
      \((?P<url>https?://(?:[^\s()<>]|\([^\s()<>]{0,500}\)){1,1500})(?:[ ]"[^"\n]{0,200}")?\)
    | (?P<bare>https?://[^\s*<>\])]+ | \b__[a-zA-Z0-9_]{1,80}__\b)
    | (?P<run>\*+|_+|~+)""",
    re.VERBOSE,
)


def rendered(text: str, spans: Sequence[Span]) -> Rich:
    """Return a message's text as it is shown: its Markdown read, its output as code, and the rest as it is."""
    text = sound(text)
    pieces = []
    at = 0
    for span in spans:
        words = text[span.start : span.end]
        pieces += [Rich(text[at : span.start]), read(words) if span.form == "markdown" else _code("pre", words)]
        at = span.end
    return joined([*pieces, Rich(text[at:])])


def read(markdown: str) -> Rich:
    """Return the text that Markdown stands for."""
    blocks: list[Rich] = []
    running: list[str] = []

    def end_block() -> None:
        if running:
            blocks.append(_inline("\n".join(running)))
            running.clear()

    lines = iter(markdown.split("\n"))
    for line in lines:
        if fence := _FENCE.fullmatch(line):
            end_block()
            blocks.append(_fenced(fence, lines))
        elif heading := _HEADING.match(line):
            end_block()
            blocks.append(_heading(line[heading.end() :].rstrip()))
        else:
            if _APART.match(line):
                end_block()
            running.append(line)
    end_block()
    return joined([piece for block in blocks for piece in (Rich("\n"), block)][1:])


def _fenced(fence: re.Match[str], lines: Iterator[str]) -> Rich:
    """Read code up to the end of its fence, or of the text: an answer that still comes has no end yet."""
    indent, mark, about = fence[1], fence[2], fence[3].split()
    code = []
    for line in lines:
        closing = line.strip()
        if len(closing) >= len(mark) and not closing.strip(mark[0]):
            break
        code.append(line.removeprefix(indent))
    language = about[0] if about and _LANGUAGE.fullmatch(about[0]) else ""
    return _code("pre", "\n".join(code), language)


def _heading(line: str) -> Rich:
    bare = line.rstrip("#")
    words = _inline(bare.rstrip() if bare.endswith((" ", "\t")) else line)
    inner = (one for one in words.entities if one.kind != "bold")
    return Rich(words.text, (Entity("bold", 0, len(words.text)), *inner))


def _inline(text: str) -> Rich:
    pieces = Emphasis()
    nowhere: set[int] = set()  # lengths of runs of backticks of which no second one follows
    at = 0
    while match := _INLINE.search(text, at):
        pieces.add(text[at : match.start()])
        at = match.end()
        if match["ticks"]:
            end = _same_run(text, at, len(match["ticks"]), nowhere)
            if end is None:
                pieces.add(match[0])
            else:
                code = _code("code", _unpadded(text[at : end - len(match["ticks"])]))
                pieces.add(code.text, code.entities)
                at = end
        elif match["url"]:
            label = _inline(match["label"])
            pieces.add(label.text, (Entity("text_link", 0, len(label.text), match["url"]), *label.entities))
        elif match["run"]:
            pieces.run(match[0], text[match.start() - 1 : match.start()], text[at : at + 1])
        else:
            pieces.add(match[0] if match["bare"] else match[0][1:])
    pieces.add(text[at:])
    return pieces.whole()


def _same_run(text: str, at: int, length: int, nowhere: set[int]) -> int | None:
    """Return where the next run of so many backticks ends."""
    if length not in nowhere:
        for run in _TICKS.finditer(text, at):
            if run.end() - run.start() == length:
                return run.end()
        nowhere.add(length)
    return None


def _unpadded(code: str) -> str:
    """Return inline code without the space at each end that a backtick at its edge needs."""
    padded = len(code) > 2 and code[0] == code[-1] == " " and code.strip()
    return code[1:-1] if padded else code


def _code(kind: str, text: str, language: str = "") -> Rich:
    end = len(text.rstrip("\n"))
    return Rich(text, (Entity(kind, 0, end, language),) if text.strip() else ())
