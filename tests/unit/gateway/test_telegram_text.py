"""What a model writes and what Telegram is sent for it: entities that are valid, in parts that are short enough."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes_cli.gateway.channels.telegram.markdown import read, rendered
from hermes_cli.gateway.channels.telegram.preview import Preview
from hermes_cli.gateway.channels.telegram.text import LONGEST, Entity, Rich, split, tail, units
from hermes_cli.gateway.conversations.forms import Forms, Span


def shown(rich):
    """The text, and what is what in it."""
    return rich.text, [
        (one.kind, rich.text[one.start : one.end], *([one.about] if one.about else [])) for one in rich.entities
    ]


@pytest.mark.parametrize(
    ("markdown", "text", "entities"),
    [
        ("**bold** and *italic*", "bold and italic", [("bold", "bold"), ("italic", "italic")]),
        ("__so bold__ and _italic_", "so bold and italic", [("bold", "so bold"), ("italic", "italic")]),
        ("***both***", "both", [("bold", "both"), ("italic", "both")]),
        ("***a** b*", "a b", [("italic", "a b"), ("bold", "a")]),
        ("**a *b* c**", "a b c", [("bold", "a b c"), ("italic", "b")]),
        ("**over\nlines**", "over\nlines", [("bold", "over\nlines")]),
        ("~~gone~~ `code` ``a`b``", "gone code a`b", [("strikethrough", "gone"), ("code", "code"), ("code", "a`b")]),
        ("[a **b**](https://x.y/z_(q))", "a b", [("text_link", "a b", "https://x.y/z_(q)"), ("bold", "b")]),
        ('![it](http://x.y "title")', "it", [("text_link", "it", "http://x.y")]),
        ("**https://x.y/a_b_c**", "https://x.y/a_b_c", [("bold", "https://x.y/a_b_c")]),
        ("这是**重点**内容", "这是重点内容", [("bold", "重点")]),
        ("# Head **x** ##\n\ntext", "Head x\n\ntext", [("bold", "Head x")]),
        ("* *a*\n- b\n1. c", "* a\n- b\n1. c", [("italic", "a")]),
        ("see\n```python\nx = 1\n\n**y**\n```\nend", "see\nx = 1\n\n**y**\nend", [("pre", "x = 1\n\n**y**", "python")]),
        ("- a\n  ~~~\n  b\n  ~~~", "- a\nb", [("pre", "b")]),
        ("```sh\nit still comes", "it still comes", [("pre", "it still comes", "sh")]),
        (r"\*as it is\* \`x\`", "*as it is* `x`", []),
    ],
)
def test_markdown_becomes_text_with_entities(markdown, text, entities):
    assert shown(read(markdown)) == (text, entities)


@pytest.mark.parametrize(
    "text",
    [
        *("**bold*", "*a **b", "** a **", "a * b * c", "`open", "~one~ ~~~", "[x](y) [x] (https://y)", "[a](ftp://b)"),
        *(
            "2*3*4",
            "snake_case_name",
            "__init__.py is_not",
            "ls *.py *.txt",
            "f(*a, **b) and g(*a, **b)",
            "____ of ____",
        ),
        *("#!/bin/sh", "#5", "a\n***\nb", "---", "| a | b |\n|---|---|", "> quoted", "", "\n\n", "C:\\new", "*\n\n*"),
    ],
)
def test_what_is_no_markup_is_shown_as_it_is(text):
    assert shown(read(text)) == (text, [])


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "*",
                "**",
                "***",
                "_",
                "__",
                "~~",
                "`",
                "``",
                "```",
                "```py\n",
                "\n",
                "\n\n",
                "# ",
                "- ",
                "> ",
                "|",
                "\\",
            ),
            *("[", "]", "](", ")", "(", "https://x.y", " ", "a", "b c", "é", "😀", "重", "\u200d", "\ud800", "\0"),
        ]
    ),
    max_size=60,
).map("".join)


def valid(rich):
    """Whether the wire's entities lie within the text and begin and end between its characters."""
    encoded = rich.text.encode("utf-16-le")
    for entity in rich.wire() or ():
        start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
        assert 0 <= start < end <= len(encoded)
        encoded[start:end].decode("utf-16-le")
    json.dumps(rich.wire())


@given(PIECES | st.text(max_size=200), st.integers(9, 60))
@example("**" + "😀" * 40 + "**", 9)
@example("a" * 9 + " " * 20 + "b", 9)
def test_whatever_is_written_is_sent_in_valid_parts_that_are_the_text(markdown, longest):
    whole = rendered(markdown, [Span("markdown", 0, len(markdown))])
    valid(whole)
    parts = split(whole, longest)
    at = 0
    for part in parts:
        valid(part)
        assert units(part.text) <= longest
        assert part.text.strip()
        if whole.text.strip():
            found = whole.text.index(part.text, at)
            assert not whole.text[at:found].strip()
            covered = {
                (one.kind, one.about, position) for one in whole.entities for position in range(one.start, one.end)
            }
            here = {
                (one.kind, one.about, found + position)
                for one in part.entities
                for position in range(one.start, one.end)
            }
            assert here == {one for one in covered if found <= one[2] < found + len(part.text)}
            at = found + len(part.text)
    assert not whole.text[at:].strip()
    end = tail(whole, longest)
    valid(end)
    assert units(end.text) <= longest
    assert whole.text.endswith(end.text)


@given(PIECES)
def test_no_word_is_lost(markdown):
    kept = [character for character in read(markdown).text if character.isalnum()]
    assert len(kept) <= sum(character.isalnum() for character in markdown)
    if "https" not in markdown and "```" not in markdown:  # an address is in its entity, a language too
        assert kept == [character for character in markdown if character.isalnum()]


def test_an_entity_that_is_cut_goes_on_in_the_next_part():
    lines = "\n".join(f"line {number}" for number in range(2000))
    parts = split(read(f"```sh\n{lines}\n```"))
    assert len(parts) > 3
    assert "\n".join(part.text for part in parts) == lines
    assert all(
        part.wire() == [{"type": "pre", "offset": 0, "length": units(part.text), "language": "sh"}] for part in parts
    )


def test_a_part_is_cut_between_characters_and_no_surrogate_pair():
    (first, second) = split(Rich("x" + "😀" * LONGEST, (Entity("bold", 1, 1 + LONGEST),)), LONGEST + 2)
    assert (units(first.text), units(second.text)) == (LONGEST + 1, LONGEST)
    assert first.wire() == [{"type": "bold", "offset": 1, "length": LONGEST}]


@pytest.mark.parametrize(
    "text",
    [
        *("*a " * 5_000, "*a " * 2_500 + "b** " * 2_500, "*a* " * 4_000, "_a" * 8_000, "[a" * 8_000, "```a\n" * 3_000),
        *("[a](https://x(" * 1_000, "# a" + " " * 16_000, "`" * 16_000 + "x`", "__a" * 5_000),
    ],
    ids=range(10),
)
def test_no_text_takes_longer_than_it_is_long(text):
    def seconds(words):
        begin = time.process_time()
        split(read(words))
        return time.process_time() - begin

    assert min(seconds(text) for _ in range(2)) < 8 * max(0.02, *(seconds(text[: len(text) // 4]) for _ in range(2)))


def test_the_forms_of_what_is_kept_stay_where_they_belong():
    forms = Forms()
    forms.grow(4, "markdown")
    forms.grow(2, "markdown")
    forms.grow(3, None)
    forms.grow(5, "output")
    assert forms.of_last(14) == (Span("markdown", 0, 6), Span("output", 9, 14))
    assert forms.of_last(10, 2) == (Span("markdown", 2, 4), Span("output", 7, 12))
    forms.keep(5)
    assert forms.of_last(5) == (Span("output", 0, 5),)


def test_a_preview_shows_the_end_of_what_has_come_as_it_will_look():
    preview = Preview(0.0)
    preview.grow("**bold** ", "markdown")
    preview.grow("$ ls *.py *.c\n", "output")
    preview.grow("```sh\nls", "markdown")
    assert shown(preview.words()) == (
        "bold $ ls *.py *.c\nls\n…",
        [("bold", "bold"), ("pre", "$ ls *.py *.c"), ("pre", "ls", "sh")],
    )
    for _ in range(40):
        preview.grow("*x* " * 200, "markdown")
    assert units(preview.words().text) <= LONGEST
    assert len(preview.text) <= 16_384
