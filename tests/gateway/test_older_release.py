"""Messages over a rollback and back: release 0.1.0 itself works on the file that this code has written."""

import contextlib
import io
import signal
import sqlite3
import subprocess
import zipfile
from pathlib import Path

import pytest
from support import PATIENCE
from support.models.telegram_story import Story

from hermes_cli.gateway.conversations.message import MessageOrigin, Reply
from hermes_cli.gateway.conversations.store import Store, open_store

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
RELEASE = "b587629"
SESSION = "telegram:99:-100:7"
TOPIC = MessageOrigin("telegram", "99", "-100", "7", "4711", "5")
HERE = MessageOrigin("local", chat="main")


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """The code of that release, in a folder of its own."""
    folder = tmp_path_factory.mktemp("release")
    command = ["git", "-C", str(REPOSITORY), "archive", "--format=zip", RELEASE, "hermes_cli"]
    archive = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True).stdout
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(folder)
    return folder


@pytest.fixture
def start_release(start, release, monkeypatch):
    """Start a gateway of that release: Python looks for modules in the working directory first."""

    def begin():
        with monkeypatch.context() as there:
            there.chdir(release)
            gateway = start().ready()
        client = gateway.client()
        client.send(op="status")
        assert "channels" not in client.receive()  # as every later release says
        return gateway

    return begin


def stop(gateway) -> None:
    gateway.signal(signal.SIGTERM)
    assert gateway.exit_code() == 0


def test_the_older_release_answers_what_this_one_stored_and_keeps_where_it_came_from(start, start_release, paths):
    stop(start().ready())
    store = Store(paths.messages)
    store.accept("main", "m1", "here")
    store.accept(SESSION, "m2", "there", TOPIC)
    store.close()

    older = start_release()
    client = older.following("main")
    assert client.reply_to("m1")["text"] == "You said: here. Type /help."
    assert older.following(SESSION).reply_to("m2")["text"] == "You said: there. Type /help."
    client.say("meanwhile", "m3")
    client.reply_to("m3")
    stop(older)

    store, aside = open_store(paths.messages)
    assert aside is None
    assert [(message.id, message.origin) for message in store.history(SESSION, 10)] == [
        ("m2", TOPIC),
        ("reply:m2", TOPIC),
    ]
    assert [(message.id, message.origin) for message in store.history("main", 10)] == [
        (identifier, HERE) for identifier in ("m1", "reply:m1", "m3", "reply:m3")
    ]
    store.close()


def test_this_release_answers_what_the_older_one_stored(start, start_release, paths):
    older = start_release()
    older.following().say("!sleep 600", "m1")
    older.client().say("queued", "m2")
    older.process.kill()
    older.exit_code()
    client = start().ready().following()
    assert client.reply_to("m1")["text"].startswith("cut off: ")
    assert client.reply_to("m2")["text"] == "You said: queued. Type /help."


def test_the_older_release_runs_nothing_again_that_was_running_here(start, start_release, paths):
    stop(start().ready())
    store = Store(paths.messages)
    message = store.accept(SESSION, "m1", "!false", TOPIC)
    store.begin(message, "1:2")
    store.close()
    assert start_release().following(SESSION).reply_to("m1")["text"].startswith("cut off: ")
    store = Store(paths.messages)
    assert store.finish(message, Reply("again"), "answered") is None
    store.close()


def test_what_telegram_is_owed_over_a_rollback_is_delivered_when_this_code_is_back(
    start, start_release, make_telegram, configure, tmp_path, paths
):
    pytest.importorskip("httpx2", reason="the extra telegram is not installed")
    story = Story(make_telegram(), configure, tmp_path, 2, 5)
    telegram = story.telegram
    telegram.fault("editMessageText", "drop-before", 1 << 30)  # placeholders come, answers do not
    first = start().ready()
    story.say_some(8)
    telegram.until(lambda: len({call.arguments["chat_id"] for call in telegram.calls("editMessageText")}) == 2, "edits")
    first.process.kill()
    first.exit_code()
    story.ended(killed=True)

    older = start_release()
    waits = "SELECT count(*) FROM messages WHERE state IN ('queued', 'running')"
    telegram.until(lambda: _one(paths.messages, waits) == 0, "all answers of the older release")
    client = older.following("main")
    client.say("meanwhile", "m1")
    client.reply_to("m1")
    story.say_some(1)  # Telegram keeps it
    stop(older)
    story.ended(killed=False)

    telegram.heal()
    story.end(start().ready())


def _one(path, query):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchone()[0]
