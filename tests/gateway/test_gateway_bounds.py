"""What clients, commands and time may take of a gateway is bounded (rule 14); docs/reliability.md lists every bound."""

import contextlib
import json
import os
import sqlite3
import time

import psutil
import pytest

from hermes_cli.gateway.conversations import database
from hermes_cli.gateway.conversations.message import Reply
from hermes_cli.gateway.conversations.room import FullError, Room
from hermes_cli.gateway.conversations.store import Store, open_store
from hermes_cli.system import durable

PATIENCE = 20.0  # seconds
LIMITS = "[limits]\nclients = 4\nline_timeout = 0.5\nidle_timeout = 0.5\nturns = 2\nqueued = 5\noutput = 2048\n"


@pytest.fixture
def limited(configure, start):
    configure(LIMITS)
    return start().ready()


def farewell(client):
    """The last event before the gateway hangs up."""
    events = []
    while (event := client.receive()) is not None:
        events.append(event)
    return events[-1]


def test_beyond_so_many_clients_the_next_is_refused_until_one_leaves(limited):
    held = [limited.following() for _ in range(4)]
    for one in held:
        one.send(op="ping")
        one.until(lambda event: event["event"] == "pong")
    assert farewell(limited.client())["text"] == "4 clients are connected already: repeat later"
    held[0].say("still there", "m1")
    held[1].close()
    deadline = time.monotonic() + PATIENCE
    while True:
        another = limited.client()
        another.send(op="ping")
        if another.receive() == {"event": "pong"}:
            break
        assert time.monotonic() < deadline


def test_half_a_line_ends_that_client(limited):
    client = limited.client()
    client.socket.sendall(b'{"op": "pi')
    assert farewell(client)["text"] == "a line has no end after 0.5 s: goodbye"


def test_who_follows_nothing_and_says_nothing_is_hung_up_on_and_a_follower_is_not(limited):
    follower, silent = limited.following(), limited.client()
    assert farewell(silent)["text"] == "nothing was said for 0.5 s: goodbye"
    other = limited.client()
    assert farewell(other)["text"].startswith("nothing was said")  # the follower was silent for as long, twice
    follower.say("hello", "m1")
    assert follower.reply_to("m1")["text"]


def test_so_many_characters_of_a_command_are_shown_and_the_reply_says_so(limited):
    client = limited.following()
    client.say("!seq 1 2000; echo end", "m1")
    events = client.until(lambda event: event.get("id") == "reply:m1")
    reply = events[-1]
    whole = "".join(f"{number}\n" for number in range(1, 2001)) + "end\n"
    assert "".join(one["text"] for one in events if one["event"] == "chunk") == whole[:2048]
    assert reply["streamed"] == 2048
    assert reply["text"] == whole.removesuffix("\n")
    assert f"[{len(whole) - 2048} more characters were not shown while it ran" in reply["rest"]


def test_beyond_so_many_queued_messages_the_next_is_refused_and_none_is_lost(limited, tmp_path):
    os.mkfifo(tmp_path / "go")
    client = limited.following()
    client.say(f"!cat {tmp_path}/go", "m0")
    limited.await_state(lambda found: found.active_turns == 1)
    for number in range(1, 6):
        assert client.say("hello", f"m{number}")["event"] == "accepted"
    refused = client.say("hello", "m6")
    assert refused["event"] == "error"
    assert "5 messages wait for their turn already: repeat later" in refused["text"]
    assert client.say("hello", "m5")["event"] == "accepted"  # it is stored already
    (tmp_path / "go").write_text("")
    assert client.reply_to("m5")
    assert client.say("hello", "m6")["event"] == "accepted"


def test_so_many_turns_run_at_once_and_the_others_follow(limited, tmp_path):
    os.mkfifo(tmp_path / "go")
    clients = [limited.following(f"s{number}") for number in range(3)]
    for number, client in enumerate(clients):
        client.say(f"!cat '{tmp_path}/go'", f"m{number}", f"s{number}")
    limited.await_state(lambda found: found.active_turns == 2)
    clients[0].send(op="status")
    assert clients[0].until(lambda event: event["event"] == "status")[-1]["active_turns"] == 2
    for number, client in enumerate(clients):
        while not any(one["role"] == "assistant" for one in client.history(f"s{number}")):
            with contextlib.suppress(
                OSError
            ):  # ENXIO: nobody reads at this moment, and an open that waits could wait for ever
                os.close(os.open(tmp_path / "go", os.O_WRONLY | os.O_NONBLOCK))


def test_a_client_that_catches_up_with_more_than_may_wait_for_it_is_not_dropped(start, paths):
    durable.make_private_directory(paths.state)
    store = Store(paths.messages)
    for number in range(24):  # 12 MiB
        store.accept("main", f"m{number}", "x" * 524288)
        message = store.next_queued("main")
        store.begin(message, "test")
        store.finish(message, Reply("done"), "answered")
    store.close()
    client = start().ready().following()
    events = client.until(lambda event: event.get("id") == "reply:m23")
    assert sum(event.get("id", "").startswith("m") for event in events) == 24
    # And history is cut by its size before it is read.
    assert sum(len(one["text"]) for one in client.history(limit=500)) <= 1 << 20


def test_daemons_that_keep_their_pipes_take_no_more_than_so_many_descriptors(gateway):
    client = gateway.following()
    process = psutil.Process(gateway.pid)
    before = process.num_fds()
    for number in range(70):
        client.say("!sleep 60 & echo $!", f"m{number}", f"s{number}")
    daemons = []
    for number in range(70):
        while len(found := client.history(f"s{number}")) < 2:
            gateway.await_state(lambda found: found.active_turns < 32)
        daemons.append(int(found[1]["text"]))
    assert process.num_fds() - before <= 64 + 5
    assert sum(psutil.pid_exists(pid) for pid in daemons) >= 64
    for pid in daemons:
        os.kill(pid, 15)


# The store.


def fill(store, count, size=10000, prefix="m"):
    for number in range(count):
        store.accept("main", f"{prefix}{number:05}", "x" * size)
        message = store.next_queued("main")
        store.begin(message, "test")
        store.finish(message, Reply("y" * size), "answered")


def test_the_store_stays_within_its_room_and_the_oldest_messages_go(tmp_path):
    path = f"{tmp_path}/messages.sqlite"
    store = Store(path, Room(bytes=2 * 1024 * 1024))
    store.notice("main", "outcome:20260101T000000.000000Z-1-abcd", "restarted")
    fill(store, 400)  # 8 MB
    assert os.path.getsize(path) <= 2 * 1024 * 1024 + 64 * 1024
    kept = [message.id for message in store.history("main", 100000)]
    assert kept[-1] == "reply:m00399"
    assert kept[0] == "outcome:20260101T000000.000000Z-1-abcd"  # one that is not there would be told again
    assert 20 < len(kept) < 220


def test_what_waits_for_its_turn_never_makes_room(tmp_path):
    store = Store(f"{tmp_path}/messages.sqlite", Room(bytes=1024 * 1024))
    for number in range(60):
        store.accept("waiting", f"w{number}", "x" * 20000)
    fill(store, 200)
    assert len([one for one in store.history("waiting", 100) if one.state == "queued"]) == 60


def test_a_store_with_room_for_nobody_says_so(tmp_path):
    store = Store(f"{tmp_path}/messages.sqlite", Room(queued=2))
    assert store.accept("a", "m1", "x")
    assert store.accept("b", "m2", "x")
    with pytest.raises(FullError, match="2 messages wait"):
        store.accept("c", "m3", "x")
    assert store.accept("a", "m1", "x") is None
    assert issubclass(FullError, sqlite3.Error)  # what every channel refuses


def test_of_corrupt_stores_the_newest_few_are_kept(tmp_path, monkeypatch):
    path = f"{tmp_path}/messages.sqlite"
    for number in range(6):
        with open(path, "wb") as file:
            file.write(b"no database" * 100)
        monkeypatch.setattr(database.time, "strftime", lambda *_, number=number: f"2026010{number}T000000Z")
        store, aside = open_store(path)
        store.close()
        assert os.path.exists(aside)
    aside = sorted(name for name in os.listdir(tmp_path) if "corrupt" in name)
    assert [name.split("-")[1] for name in aside] == [f"2026010{number}T000000Z" for number in (3, 4, 5)]


def test_a_status_of_thousands_of_requests_still_fits_a_line():
    assert len(json.dumps({"pending": ["20261123T160511.123456Z-4321-9f3a"] * 10_000})) < 1 << 20
