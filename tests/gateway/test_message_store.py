"""The store on its own: nothing twice, nothing lost, and a corrupt file is no reason not to start."""

import os
import sqlite3
import stat
import subprocess
import sys

import pytest
from support.faults.recorded import STRACE, need_strace

from hermes_cli.gateway.conversations.message import MessageOrigin, Reply
from hermes_cli.gateway.conversations.store import Store, open_store

TOPIC = MessageOrigin("telegram", "99", "-100", "7", "4711", "5")


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "messages.sqlite")


@pytest.fixture
def store(path):
    store = Store(path)
    yield store
    store.close()


def test_the_same_id_is_the_same_message(store):
    assert store.accept("main", "m1", "hello") is not None
    assert store.accept("main", "m1", "hello") is None
    assert len(store.history("main", 10)) == 1


def test_seq_grows_over_all_sessions(store):
    seqs = [store.accept(session, f"m-{session}", "x").seq for session in ("a", "b", "c")]
    assert seqs == sorted(set(seqs))
    assert store.last_seq() == seqs[-1]


def test_a_message_waits_until_its_turn_begins(store):
    message = store.accept("main", "m1", "hello")
    assert store.next_queued("main") == message
    store.begin(message, "1:2")
    assert store.next_queued("main") is None
    assert [one.id for one in store.running()] == ["m1"]


def test_messages_of_a_session_are_taken_in_order(store):
    for number in range(3):
        store.accept("main", f"m{number}", "x")
    assert store.next_queued("main").id == "m0"


def test_sessions_with_waiting_messages_are_listed_longest_wait_first(store):
    store.accept("b", "m1", "x")
    store.accept("a", "m2", "x")
    store.accept("b", "m3", "x")
    assert store.queued_sessions() == ["b", "a"]


def test_a_message_gets_one_reply(store):
    message = store.accept("main", "m1", "hello")
    store.begin(message, "1:2")
    assert store.finish(message, Reply("first"), "answered") is not None
    assert store.finish(message, Reply("second"), "answered") is None
    assert [one.text for one in store.history("main", 10)] == ["hello", "first"]


def test_a_reply_that_cannot_be_stored_leaves_the_message_running(store):
    message = store.accept("main", "m1", "hello")
    store.begin(message, "1:2")
    with pytest.raises(sqlite3.Error):
        store.finish(message, Reply(None), "answered")
    assert [one.id for one in store.running()] == ["m1"]


def test_an_outcome_is_stored_once(store):
    assert store.notice("main", "outcome:1", "restarted", "1", "restarted") is not None
    assert store.notice("main", "outcome:1", "restarted", "1", "restarted") is None


def test_a_session_is_known_from_its_first_message_on(store):
    message = store.accept("main", "m1", "hello")
    assert store.origin_in("main", "local", message.at) == MessageOrigin("local", chat="main")
    assert store.origin_in("main", "local", message.at - 1) is None
    assert store.origin_in("other", "local", message.at) is None


def test_a_session_is_known_to_the_channels_of_its_messages_only(store):
    message = store.accept("telegram:99:-100:7", "m1", "hello", TOPIC)
    assert store.origin_in(message.session, "telegram", message.at) == TOPIC
    assert store.origin_in(message.session, "local", message.at) is None


def test_a_message_keeps_where_it_came_from(store):
    accepted = store.accept("topic", "m1", "hello", TOPIC)
    assert accepted.origin == TOPIC
    assert store.accept("topic", "m1", "hello", MessageOrigin("other")) is None
    assert store.next_queued("topic") == accepted


def test_a_reply_goes_where_its_message_came_from(store):
    message = store.accept("topic", "m1", "hello", TOPIC)
    store.begin(message, "1:2")
    reply = store.finish(message, Reply("answer"), "answered")
    assert reply.origin == TOPIC
    assert store.reply_to("m1") == reply


def test_a_notice_goes_where_it_is_sent(store):
    there = store.notice("topic", "n1", "news", origin=TOPIC.of_notice())
    here = store.notice("topic", "n2", "news")
    assert store.history("topic", 10) == [there, here]
    assert there.origin == MessageOrigin("telegram", "99", "-100", "7")
    assert here.origin == MessageOrigin("local", chat="topic")


def test_a_message_that_could_not_be_stored_leaves_no_origin(store):
    with pytest.raises(sqlite3.Error):
        store.accept("topic", "m1", None, TOPIC)
    message = store.accept("topic", "m1", "hello")
    assert store.next_queued("topic") == message
    assert message.origin.channel == "local"


def test_what_was_accepted_is_there_after_reopening(path):
    first = Store(path)
    first.accept("main", "m1", "héllo ☃")
    first.close()
    second, aside = open_store(path)
    assert aside is None
    assert second.next_queued("main").text == "héllo ☃"
    second.close()


def test_all_files_are_the_owners_only(path):
    previous = os.umask(0)
    try:
        store = Store(path)
        store.accept("main", "m1", "x")
    finally:
        os.umask(previous)
    modes = {
        name: stat.S_IMODE(os.stat(os.path.join(os.path.dirname(path), name)).st_mode)
        for name in os.listdir(os.path.dirname(path))
    }
    assert len(modes) == 3  # with -wal and -shm
    assert set(modes.values()) == {0o600}
    store.close()


@pytest.mark.parametrize("rubbish", [b"not a database" * 500, b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_corrupt_file_makes_way_and_is_kept(path, rubbish):
    with open(path, "wb") as file:
        file.write(rubbish)
    store, aside = open_store(path)
    assert store.accept("main", "m1", "x") is not None
    assert aside is not None
    with open(aside, "rb") as file:
        assert file.read() == rubbish
    store.close()


def test_pages_overwritten_in_the_middle_are_found_at_the_start(path):
    store = Store(path)
    for number in range(200):
        store.accept("main", f"m{number}", "x" * 500)
    store.close()
    with open(path, "r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * 4096 * 4)
    store, aside = open_store(path)
    assert aside is not None
    store.close()


def test_a_database_of_another_shape_makes_way(path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE messages (seq INTEGER PRIMARY KEY, session TEXT, state TEXT)")
    database.close()
    store, aside = open_store(path)
    assert aside is not None
    store.close()


def test_a_locked_database_is_not_taken_for_a_corrupt_one(path, monkeypatch):
    Store(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: connect(*args, **{**kwargs, "timeout": 0}))
    with pytest.raises(sqlite3.OperationalError):
        open_store(path)
    other.close()
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)] or os.path.exists(path)


def test_an_id_is_unique_within_its_session_only(path):
    first = Store(path)
    for session in ("a", "b"):
        assert first.accept(session, "1", f"of {session}").id == "1"
        assert first.accept(session, "1", "again") is None
    first.close()
    store = Store(path)
    for session in ("a", "b"):
        message = store.next_queued(session)
        assert (message.id, message.text) == ("1", f"of {session}")
        store.begin(message, "1:2")
        assert store.finish(message, Reply(f"to {session}"), "answered").reply_to == "1"
        assert store.reply_to("1", session).text == f"to {session}"
        assert [(one.id, one.reply_to) for one in store.history(session, 9)] == [("1", None), ("reply:1", "1")]
    assert store.running() == []
    store.close()


def test_a_qualified_message_keeps_where_it_came_from(store):
    store.accept("main", "1", "x")
    assert store.accept("topic", "1", "x", TOPIC) == store.next_queued("topic")
    assert store.next_queued("topic").origin == TOPIC
    assert store.next_queued("main").origin == MessageOrigin("local", chat="main")


_OPENS = """
import sqlite3, sys
from hermes_cli.gateway.conversations.store import open_store
try:
    store, aside = open_store(sys.argv[1])
except (OSError, sqlite3.Error) as error:
    sys.exit(f"cannot be read: {error}")
assert aside is None, aside
assert store.next_queued("main").id == "m1"
"""


@pytest.mark.parametrize("reads", ["1", "2", "3", "5", "8", "12", "18", "24", "30", "36", "1+", "6+", "20+", "32+"])
def test_a_store_that_cannot_be_read_is_never_set_aside(path, tmp_path, reads):
    """EIO at one read, or from one read on (`+`). A check of the pages reports it like a page that is wrong."""
    need_strace()
    store = Store(path)
    store.accept("main", "m1", "hello")
    for number in range(40):
        store.notice(f"s{number}", f"n{number}", "x" * 3000)
    store.close()
    inject = ["-f", "-qq", "-o", str(tmp_path / "strace"), "-P", path, "-e", f"inject=pread64:error=EIO:when={reads}"]
    done = subprocess.run(
        [STRACE, *inject, sys.executable, "-c", _OPENS, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "cannot be read: " in done.stderr, done.stderr
    assert "(INJECTED)" in (tmp_path / "strace").read_text()
    assert [name for name in os.listdir(tmp_path) if "corrupt" in name] == []
    again, aside = open_store(path)
    assert aside is None
    assert again.next_queued("main").id == "m1"
    again.close()
