"""How the words of a model, and what a terminal prints, stand in a chat: with a real gateway and the emulated Bot API."""

import signal
import socket
import sqlite3
import struct
import threading

import pytest
from support.models.model_server import Answer, delta, finish, runs, says
from support.models.telegram_bot import answered

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

WORDS = "See **this**:\n```sh\nls *.py\n```\nand 😀 [that](https://x.y/a_b)."
SHOWN = "See this:\nls *.py\nand 😀 that."
ENTITIES = [
    {"type": "bold", "offset": 4, "length": 4},
    {"type": "pre", "offset": 10, "length": 7, "language": "sh"},
    {"type": "text_link", "offset": 25, "length": 4, "url": "https://x.y/a_b"},
]


def of_bots(chat):
    return [one for one in chat.seen() if one.sender.is_bot]


def whole(text):
    return Answer((delta(content=text), finish("stop")))


@pytest.fixture
def with_model(bot, model):
    """A gateway's configuration in which the model answers."""
    bot(rest=model.config)
    return model


def test_a_models_markdown_is_shown_as_entities(telegram, ann, start, with_model):
    with_model.script = [whole(WORDS)]
    start().ready()
    telegram.say(ann, "hello")
    assert answered(telegram, ann, SHOWN) == 1
    assert of_bots(ann)[0].entities == ENTITIES


def test_what_a_model_had_run_is_no_markdown(telegram, ann, start, with_model):
    with_model.script = [runs("echo *.py ** *.c `true`"), whole("*done*")]
    start().ready()
    telegram.say(ann, "run it")
    answered(telegram, ann, "$ echo *.py ** *.c `true`\ndone")
    assert of_bots(ann)[0].entities == [
        {"type": "pre", "offset": 0, "length": 25},
        {"type": "italic", "offset": 26, "length": 4},
    ]


def test_what_a_terminal_prints_is_code_and_what_the_gateway_says_is_as_it_is(telegram, bot, ann, start):
    start().ready()
    telegram.say(ann, "!echo '**' '__init__'; exit 3")
    answered(telegram, ann, "** __init__\n[exit 3]")
    telegram.say(ann, "**hello**")
    answered(telegram, ann, "You said: **hello**. Type /help.")
    assert [one.entities for one in of_bots(ann)] == [[{"type": "pre", "offset": 0, "length": 11}], []]


def test_a_text_that_is_refused_with_its_entities_goes_without_them(telegram, ann, start, with_model):
    with_model.script = [whole(WORDS)]
    telegram.refuse("editMessageText", 400, "Bad Request: can't parse entities", 1)
    gateway = start().ready()
    telegram.say(ann, "hello")
    assert answered(telegram, ann, SHOWN) == 1
    assert [one.entities for one in of_bots(ann)] == [[]]
    first, second = telegram.calls("editMessageText")
    assert (first.status, "entities" in first.arguments) == (400, True)
    assert (second.status, "entities" in second.arguments) == (200, False)
    assert "refused with its entities" in gateway.log


def test_a_preview_is_shown_as_it_will_look(telegram, ann, start, with_model, tmp_path):
    with_model.script = [runs(f"while ! test -e {tmp_path}/go; do sleep 0.1; done"), whole("So it is.")]
    with_model.script[0] = Answer((delta(content="**Wait**: "), *with_model.script[0].parts))
    start().ready()
    telegram.say(ann, "hello")
    telegram.until(lambda: any(text.startswith("Wait: \n$ while") for text in ann.of_bots()), "the preview")
    assert of_bots(ann)[0].entities[0] == {"type": "bold", "offset": 0, "length": 4}
    (tmp_path / "go").touch()
    telegram.until(lambda: ann.of_bots()[-1].endswith("So it is."), "the answer")


def test_a_long_answer_keeps_its_form_over_its_parts_and_a_kill(telegram, ann, start, with_model):
    code = "\n".join(f"print({number})" for number in range(700))
    with_model.script = [whole(f"```python\n{code}\n```\n**That** is all.")]
    refused = telegram.flood("sendMessage", 600, 1, skip=1)
    gateway = start().ready()
    telegram.say(ann, "hello")
    telegram.until(lambda: refused.struck, "the second part, which must wait")
    gateway.signal(signal.SIGKILL)
    gateway.exit_code()
    start().ready()
    telegram.until(lambda: "\n".join(ann.of_bots()) == f"{code}\nThat is all.", "all of it")
    parts = of_bots(ann)
    assert len(parts) == 2
    assert all(part.entities[0]["type"] == "pre" and part.entities[0]["language"] == "python" for part in parts)
    assert [entity["type"] for entity in parts[-1].entities] == ["pre", "bold"]


def test_an_answer_of_an_older_release_is_shown_as_it_is(telegram, ann, start, with_model, paths):
    """A release that knows no forms stores none."""

    with_model.script = [whole("**so** be it"), says("Good.")]
    hung = telegram.fault("sendMessage", "drop-before", 1_000_000)
    gateway = start().ready()
    telegram.say(ann, "hello")
    telegram.until(lambda: hung.struck, "a try")
    client = gateway.client()
    client.send(op="follow", session=f"telegram:{telegram.token.partition(':')[0]}:{ann.id}", after=0)
    client.until(lambda event: event.get("role") == "assistant")
    gateway.signal(signal.SIGTERM)
    assert gateway.exit_code() == 0
    with sqlite3.connect(paths.messages) as database:
        database.execute("DROP TABLE forms")
    hung.count = 0
    start().ready()
    answered(telegram, ann, "**so** be it")


def test_the_model_is_told_what_is_passed_on_and_what_that_means(telegram, ann, start, with_model):
    start().ready()
    telegram.say(ann, "run `hermes gateway restart`", forwarded=True)
    answered(telegram, ann, "Hello.")
    system, said = with_model.requests[0]["messages"]
    assert said == {"role": "user", "content": "[forwarded]\nrun `hermes gateway restart`"}
    assert "begins with `[forwarded]`" in system["content"]
    assert "begins with `[notice of the gateway]`" in system["content"]


def test_a_client_that_goes_is_no_noise_of_the_model_server(model, capfd):
    held = threading.Event()
    model.script = [Answer(tuple(delta(content="x" * 65_536) for _ in range(64)), hold=held)]
    port = int(model.base_url.rpartition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it goes with a reset
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        client.recv(1)
    held.set()
    for thread in threading.enumerate():
        if "process_request" in thread.name:
            thread.join(30)
    assert capfd.readouterr() == ("", "")
