"""Answers that are longer than a few messages: the first part, and a file with the whole. A real gateway, an emulated API."""

import signal
import threading

import pytest
from support.models.model_server import Answer, delta, finish
from support.models.telegram_bot import answered

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

LAST = 4500
WHOLE = "\n".join(str(number) for number in range(1, LAST + 1))  # five parts and a bit
COMMAND = f"!seq 1 {LAST}"


def of_bots(chat):
    return [one for one in chat.seen() if one.sender.is_bot]


def files(chat):
    return [one.document for one in of_bots(chat) if one.document is not None]


def is_whole(chat):
    """Whether the answer stands there as it should: once, a part and a file."""
    shown = [one for one in of_bots(chat) if one.text != "…"]
    if len(shown) != 2 or shown[1].document is None:
        return False
    assert WHOLE.startswith(shown[0].text)
    assert 2000 < len(shown[0].text) <= 4096
    assert shown[1].text == f"[the whole answer, {len(WHOLE)} characters]"
    assert shown[1].document == ("answer.txt", WHOLE.encode())
    return True


def test_a_long_answer_is_its_first_part_and_a_file(telegram, bot, ann, start):
    start().ready()
    telegram.say(ann, COMMAND)
    telegram.until(lambda: is_whole(ann), "the answer and its file")
    telegram.say(ann, "next")
    answered(telegram, ann, "You said: next. Type /help.")
    assert len(of_bots(ann)) == 3


@pytest.mark.parametrize(
    "trouble",
    [
        lambda telegram: telegram.fault("editMessageMedia", "drop-before"),
        lambda telegram: telegram.fault("editMessageMedia", "drop-after"),
        lambda telegram: telegram.fault("editMessageMedia", "truncate"),
        lambda telegram: telegram.fault("editMessageMedia", "html"),
        lambda telegram: telegram.flood("editMessageMedia", 1),
        lambda telegram: telegram.refuse("editMessageMedia", 400, "Bad Request: message to edit not found"),
    ],
    ids=["not sent", "no answer", "half an answer", "front end", "flood control", "removed"],
)
def test_whatever_becomes_of_the_call_there_is_one_file(telegram, bot, ann, start, trouble):
    ordered = trouble(telegram)
    start().ready()
    telegram.say(ann, COMMAND)
    telegram.until(lambda: is_whole(ann), "the answer and its file")
    telegram.say(ann, "next")
    answered(telegram, ann, "You said: next. Type /help.")
    assert ordered.struck == 1
    assert len(files(ann)) == 1


@pytest.mark.parametrize(
    ("method", "kind", "skip"),
    [
        ("sendMessage", "hang", 1),
        ("sendMessage", "late", 1),
        ("editMessageMedia", "hang", 0),
        ("editMessageMedia", "late", 0),
    ],
)
def test_a_kill_before_and_after_a_call_was_carried_out_leaves_no_second_file(
    telegram, bot, ann, start, method, kind, skip
):
    ordered = telegram.fault(method, kind, 1, skip=skip, seconds=600)
    first = start().ready()
    telegram.say(ann, COMMAND)
    stands = {"sendMessage": lambda: len(of_bots(ann)) == 2, "editMessageMedia": lambda: files(ann)}[method]
    telegram.until(lambda: stands() if kind == "late" else ordered.struck, "the call")
    first.signal(signal.SIGKILL)
    first.exit_code()
    start().ready()
    telegram.until(lambda: is_whole(ann), "the answer and its file")
    telegram.say(ann, "next")
    answered(telegram, ann, "You said: next. Type /help.")
    assert len(files(ann)) == 1
    assert ann.of_bots().count("…") == (1 if (method, kind) == ("sendMessage", "late") else 0)


def test_where_files_are_refused_all_of_it_is_text(telegram, bot, ann, start):
    telegram.refuse("editMessageMedia", 400, "Bad Request: not enough rights to send documents to the chat", 1_000)
    later = telegram.flood("sendMessage", 600, 1, skip=3)
    first = start().ready()
    telegram.say(ann, COMMAND)
    telegram.until(lambda: later.struck, "a part of the text")
    first.signal(signal.SIGKILL)
    first.exit_code()
    start().ready()
    telegram.until(lambda: "\n".join(ann.of_bots()) == WHOLE, "all of it as text")
    assert len(telegram.calls("editMessageMedia")) == 1
    assert files(ann) == []


def memory(gateway):
    """Bytes that it had at most."""
    with open(f"/proc/{gateway.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def test_four_mebibytes_of_a_model_are_one_file_and_hold_up_nobody(telegram, bot, ann, start, model):
    held = threading.Event()
    line = "**word** and `code` and more of it\n"
    chunk = delta(content=line * 60)
    count = (4 << 20) // (60 * len(line))
    half = (chunk,) * (count // 2)
    model.script = [Answer((b"".join(half), b"".join(half) + finish("stop")), hold=held)]
    bob = telegram.person(12, "Bob")
    bot("terminal = [4711, 12]", model.config)
    gateway = start().ready()
    before = memory(gateway)
    telegram.say(ann, "tell me everything")
    telegram.until(lambda: any(text.endswith("…") and "word" in text for text in ann.of_bots()), "the preview")
    telegram.say(bob, "/status")
    telegram.until(lambda: bob.of_bots() and "gateway pid" in bob.of_bots()[0], "an answer to somebody else")
    assert files(ann) == []
    held.set()
    telegram.until(lambda: files(ann), "the file")
    ((name, content),) = files(ann)
    assert name == "answer.md"
    assert content.startswith(b"[the first 4")
    assert content.endswith(b"\n" + line.strip().encode())
    assert 60_000 < len(content) < 70_000
    assert len(of_bots(ann)) == 2
    assert memory(gateway) - before < 32 << 20, memory(gateway) - before
    telegram.say(ann, "and?")
    telegram.until(lambda: len(model.requests) == 2, "what the model is told of it")
    assert 60_000 < sum(len(one["content"]) for one in model.requests[1]["messages"]) < 70_000
