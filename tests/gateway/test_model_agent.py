"""A gateway whose agent is a model: a real process, a real endpoint on loopback that says what the test wants."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from support import PATIENCE
from support.models.model_server import Answer, delta, event, finish, refuses, runs, says

from hermes_cli.system.directory_watch import DirectoryWatch


@pytest.fixture
def talk(model, paths, start):
    """A gateway with the model, and a client that follows its conversation; more lines for [model]."""

    def begin(*more, **environment):
        Path(paths.config).write_text(model.config + "\n".join(more) + "\n")
        gateway = start(**environment).ready()
        return gateway, gateway.following()

    return begin


def appears(file):
    deadline = time.monotonic() + PATIENCE
    with DirectoryWatch(str(file.parent)) as watch:
        while not (file.exists() and file.read_text()):
            assert time.monotonic() < deadline
            watch.wait(0.5)


def answer(client, text, identifier="m1"):
    client.say(text, identifier)
    return client.reply_to(identifier)["text"]


def test_it_answers_in_the_models_words_as_they_come(talk, model):
    model.script = [says("Hello there.")]
    _, client = talk()
    client.say("hello", "m1")
    assert client.chunk_of("m1")["text"] == "Hello "
    assert client.reply_to("m1")["text"] == "Hello there."
    (request,) = model.requests
    assert request["messages"][-1] == {"role": "user", "content": "hello"}
    assert "hermes gateway restart" in request["messages"][0]["content"]
    assert model.keys == [None]


def test_it_runs_what_the_model_calls_for_and_tells_it_the_result(talk, model):
    model.script = [runs("echo one; exit 3", "echo two"), says("Both ran.")]
    _, client = talk()
    assert answer(client, "run them") == "$ echo one; exit 3\n$ echo two\nBoth ran."
    assert model.results() == ["one\n[exit 3]", "two"]
    assert [one["role"] for one in model.requests[-1]["messages"][2:]] == ["assistant", "tool", "tool"]


def test_the_next_turn_knows_what_was_done(talk, model):
    model.script = [runs("echo done"), says("It is done."), says("You are welcome.")]
    _, client = talk()
    answer(client, "do it")
    answer(client, "thanks", "m2")
    roles = [(one["role"], one.get("content")) for one in model.requests[-1]["messages"][1:]]
    assert roles == [
        ("user", "do it"),
        ("assistant", ""),
        ("tool", "done"),
        ("assistant", "It is done."),
        ("user", "thanks"),
    ]


def test_a_new_conversation_begins_without_the_old_one(talk, model):
    _, client = talk()
    answer(client, "hello")
    answer(client, "/new", "m2")
    answer(client, "again", "m3")
    assert [one["content"] for one in model.requests[-1]["messages"][1:]] == ["again"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param(Answer((delta(content="Half"),), cut=True), "ended in the middle of its answer", id="cut"),
        pytest.param(Answer((delta(content="Half"),)), "ended in the middle of its answer", id="no end"),
        pytest.param(
            Answer((delta(content="a"), event({"error": {"message": "out of memory"}}))), "out of memory", id="error"
        ),
        pytest.param(Answer((b"data: {nonsense\n\n",)), "an event that is no JSON", id="no JSON"),
        pytest.param(refuses(401, "bad key"), "HTTP 401 (bad key): it refuses the key: see key_file", id="401"),
        pytest.param(refuses(404, "no such model"), "HTTP 404 (no such model): it does not know the model", id="404"),
        pytest.param(refuses(503, "loading", Retry_After="0"), "HTTP 503 (loading): it is not ready", id="503"),
        pytest.param(refuses(500, "x" * 5000), "HTTP 500 (xxx", id="500"),
    ],
)
def test_whatever_goes_wrong_is_one_line_and_the_next_message_is_answered(talk, model, bad, said):
    model.script = [bad]
    gateway, client = talk()
    text = answer(client, "hello")
    assert said in text
    assert len(text.splitlines()) <= 2
    assert len(text) < 700
    model.script = [says("Well again.")]
    assert answer(client, "now?", "m2") == "Well again."
    assert "Traceback" not in gateway.log


def test_an_answer_without_an_end_is_given_up(talk, model):
    model.script = [Answer(tuple(delta(content="x" * 65_536) for _ in range(200)))]
    _, client = talk()
    text = answer(client, "hello")
    assert text.endswith("answers with more than 8,388,608 characters; nothing of that answer was run]")
    assert len(text) < 70_000


def test_an_endpoint_that_is_not_there_is_said(talk, model):
    model.close()
    _, client = talk()
    assert "cannot be reached: see that it runs, and base_url in [model]" in answer(client, "hello")


def test_an_endpoint_that_says_nothing_is_given_up(talk, model):
    never = threading.Event()
    model.script = [Answer((), hold=never)]
    _, client = talk("timeout = 0.5")
    assert "has said nothing for 0.5 s" in answer(client, "hello")
    never.set()


def test_nothing_is_run_of_half_a_call(talk, model, tmp_path):
    made = tmp_path / "made"
    whole = runs(f"touch {made}")
    model.script = [Answer(whole.parts[:-1], cut=True), says("?")]
    _, client = talk()
    assert "nothing of that answer was run" in answer(client, "go")
    assert not made.exists()


def test_it_is_asked_again_where_it_says_that_it_is_busy(talk, model):
    model.script = [refuses(429, "slow down", Retry_After="0"), says("Here.")]
    _, client = talk()
    assert answer(client, "hello") == "Here."


def test_thoughts_alone_are_no_answer(talk, model):
    thinks = Answer((delta(reasoning_content="hm"), finish("stop")))
    model.script = [thinks, says("Yes.")]
    _, client = talk()
    assert answer(client, "hello") == "Yes."
    model.script = [thinks]
    assert answer(client, "hello?", "m2") == "[the model ended without an answer]"


def test_a_call_of_nothing_that_exists_is_told_to_the_model(talk, model):
    def call(name, arguments):
        function = {"name": name, "arguments": arguments}
        return Answer((delta(tool_calls=[{"index": 0, "id": "1", "function": function}]), finish("tool_calls")))

    model.script = [call("browser", "{}"), call("terminal", "no JSON"), call("terminal", "{}"), says("I see.")]
    _, client = talk()
    assert answer(client, "go") == "I see."
    assert "there is no tool 'browser'" in model.results()[0]
    assert all("nothing was run" in one for one in model.results()[1:])


def test_calls_as_text_are_not_run_and_said_once(talk, model, tmp_path):
    model.script = [says(f'<tool_call> {{"command": "touch {tmp_path}/made"}} </tool_call>')]
    _, client = talk()
    assert "this endpoint writes calls as text, so nothing was run" in answer(client, "go")
    assert "nothing was run" not in answer(client, "go", "m2")
    assert not (tmp_path / "made").exists()


def test_a_turn_has_no_more_commands_than_it_may(talk, model):
    model.script = [runs("true")]
    _, client = talk("calls = 3")
    assert answer(client, "go").endswith("[ended: 3 commands in one turn are the most]")
    assert len(model.results()) == 3
    answer(client, "go on", "m2")
    assert "was not begun" in model.results(4)[3]


def test_a_dangerous_command_waits_for_a_person(talk, model, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    model.script = [runs(f"rm -rf {kept}"), says("Denied, then.")]
    _, client = talk()
    client.say("clean up", "m1")
    question = client.until(lambda one: one["event"] == "message" and one["role"] == "notice")[-1]["text"]
    assert f"rm -rf {kept}" in question
    client.say("/deny", "m2")
    assert client.reply_to("m1")["text"].endswith("Denied, then.")
    assert "it was denied" in model.results()[0]
    assert kept.exists()


def test_its_key_is_sent_and_goes_nowhere_else(talk, model, paths, tmp_path):
    secret = "sk-very-secret"
    key = tmp_path / "key"
    key.write_text(f"{secret}\n")
    key.chmod(0o600)
    model.script = [runs("env; cat /proc/$PPID/cmdline"), refuses(500, f"no such key {secret}")]
    gateway, client = talk(f'key_file = "{key}"')
    text = answer(client, "go")
    assert model.keys == [f"Bearer {secret}"] * 2
    assert "no such key …" in text
    for file in Path(os.path.dirname(paths.state)).rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
    assert secret not in model.results()[0] + text + gateway.log


def test_a_key_that_is_missing_is_said_to_whoever_asks(talk):
    _, client = talk('key_env = "NO_SUCH_KEY"')
    assert "the variable NO_SUCH_KEY is not set" in answer(client, "hello")


def test_a_turn_that_was_killed_is_not_resumed_and_the_model_is_told(talk, model, start, tmp_path):
    counted = tmp_path / "counted"
    model.script = [runs(f"echo once >> {counted}; sleep 60", "echo never"), says("I see.")]
    gateway, client = talk()
    client.say("go", "m1")
    client.chunk_of("m1")
    appears(counted)
    gateway.signal(signal.SIGKILL)
    gateway.exit_code()
    second = start().ready().following()
    assert "It is not run again." in second.reply_to("m1")["text"]
    assert answer(second, "what became of it?", "m2") == "I see."
    begun, not_begun = model.results()
    assert "Whether it had an effect is not known" in begun
    assert "was not begun" in not_begun
    assert counted.read_text() == "once\n"


def test_a_stopped_turn_is_told_too(talk, model, tmp_path):
    begun = tmp_path / "begun"
    model.script = [runs(f"echo > {begun}; sleep 60"), says("Stopped.")]
    _, client = talk()
    client.say("go", "m1")
    appears(begun)
    client.say("/stop", "m2")
    assert "cut off by /stop" in client.reply_to("m1")["text"]
    assert answer(client, "well?", "m3") == "Stopped."
    assert "cut off" in model.results()[0]


def test_the_turn_that_asked_for_a_restart_may_wait_for_the_models_last_words(talk, model):
    hold = threading.Event()
    words = says("I am back soon.")
    model.script = [runs("true"), Answer(words.parts, hold=hold)]
    gateway, client = talk()
    client.say("restart yourself", "m1")
    client.until(lambda event: event["event"] == "chunk" and event["text"].startswith("I"))
    gateway.restart_intent(origin={"channel": "local", "chat": "main", "message": "m1", "session": "main"})
    gateway.signal(signal.SIGUSR1)
    drain = gateway.await_state(lambda found: found.drain is not None and found.drain.turns == 1).drain
    assert drain is not None
    assert drain.deadline - drain.since > 20
    hold.set()
    assert client.reply_to("m1")["text"] == "$ true\nI am back soon."
    assert gateway.exit_code() == 75
