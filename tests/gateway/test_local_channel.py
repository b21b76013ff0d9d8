"""The local channel of a running gateway: acknowledged is stored, followed is shown once, nobody harms anybody else."""

import contextlib
import os
import signal
import stat
import threading
import time

import pytest
from support import PATIENCE

from hermes_cli.gateway.conversations.store import Store
from hermes_cli.system.directory_watch import DirectoryWatch

pytestmark = pytest.mark.e2e


def _send(client, data):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.socket.sendall(data)


def test_a_message_gets_one_reply(resident):
    client = resident.following()
    assert client.say("hello", "m1")["event"] == "accepted"
    assert client.reply_to("m1")["text"] == "You said: hello. Type /help."


def test_a_message_sent_again_with_its_id_is_answered_once(resident):
    client = resident.following()
    client.say("hello", "m1")
    client.reply_to("m1")
    assert client.say("hello", "m1")["event"] == "accepted"
    client.say("other", "m2")
    client.reply_to("m2")
    assert [message["id"] for message in client.history()] == ["m1", "reply:m1", "m2", "reply:m2"]


def test_a_message_is_on_disk_when_it_is_acknowledged(gateway, paths):
    client = gateway.client()
    client.say("!sleep 30", "m1")
    gateway.process.kill()
    gateway.exit_code()
    store = Store(paths.messages)
    assert [message.text for message in store.history("main", 10)] == ["!sleep 30"]
    store.close()


def test_a_follower_is_shown_what_came_before_and_nothing_twice(resident):
    first = resident.following()
    first.say("one", "m1")
    first.reply_to("m1")
    second = resident.following()
    seen = second.until(lambda event: event.get("id") == "reply:m1")
    first.say("two", "m2")
    seen += second.until(lambda event: event.get("id") == "reply:m2")
    assert [event["id"] for event in seen if event["event"] == "message"] == ["m1", "reply:m1", "m2", "reply:m2"]


def test_following_from_the_last_seq_shows_only_what_is_new(resident):
    client = resident.following()
    client.say("one", "m1")
    seq = client.reply_to("m1")["seq"]
    client.say("two", "m2")
    client.reply_to("m2")
    later = resident.following(after=seq)
    assert later.until(lambda event: event.get("id") == "reply:m2")[0]["id"] == "m2"


def test_a_seq_of_another_database_shows_everything(resident):
    client = resident.following()
    client.say("one", "m1")
    client.reply_to("m1")
    assert resident.following(after=10**9).receive()["id"] == "m1"


def test_sessions_do_not_see_each_other(resident):
    other = resident.following("other")
    client = resident.following("main")
    client.say("one", "m1")
    client.reply_to("m1")
    other.say("two", "m2", session="other")
    assert {event["id"] for event in other.until(lambda event: event.get("id") == "reply:m2")[:-1]} <= {"m2"}
    assert [message["id"] for message in client.history("other")] == ["m2", "reply:m2"]


def test_a_follower_in_mid_turn_is_given_the_output_so_far(resident, tmp_path):
    os.mkfifo(tmp_path / "go")
    first = resident.following()
    first.say(f"!echo before; cat '{tmp_path}/go'", "m1")
    first.chunk_of("m1")
    second = resident.following()
    assert second.chunk_of("m1")["text"] == "before\n"
    (tmp_path / "go").write_text("after\n")
    chunk = second.chunk_of("m1")
    assert (chunk["offset"], chunk["text"]) == (7, "after\n")


@pytest.mark.parametrize("line", [b"not json\n", b"[]\n", b"\xff\xfe\n", b'"' + b"x" * (1024 * 1024 + 10) + b'"\n'])
def test_a_bad_line_ends_that_client_only(resident, line):
    good, bad = resident.following(), resident.client()
    # In a thread: the gateway stops reading, so a long line may not be taken whole.
    sender = threading.Thread(target=lambda: _send(bad, line))
    sender.start()
    assert bad.receive()["event"] == "error"
    assert bad.receive() is None
    sender.join()
    good.say("hello", "m1")
    good.reply_to("m1")


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "explode"},
        {},
        {"op": "send", "session": "main", "id": "outcome:1", "text": "x"},
        {"op": "send", "session": "", "id": "m1", "text": "x"},
        {"op": "send", "session": "main", "id": "m1", "text": None},
        {"op": "follow", "session": "main", "after": -1},
        {"op": "history", "session": "main", "limit": "all"},
    ],
    ids=str,
)
def test_a_wrong_operation_is_refused_and_the_connection_goes_on(resident, operation):
    resident.mark = ""  # as they stand, since names are what is wrong with some
    client = resident.client()
    client.send(**operation)
    assert client.receive()["event"] == "error"
    client.send(op="ping")
    assert client.receive() == {"event": "pong"}


def test_a_client_that_does_not_read_holds_up_nobody(resident, tmp_path):
    slow, quick = resident.following(), resident.following()
    os.mkfifo(tmp_path / "go")
    megabyte = "head -c 1000000 /dev/zero | tr '\\0' 'x'"
    slow.say(f"!for part in $(seq 12); do {megabyte}; cat '{tmp_path}/go'; done", "m1")
    for part in range(1, 13):  # never more than the quick one has read, on however busy a machine
        quick.until(
            lambda event, wanted=part * 1_000_000: event.get("offset", 0) + len(event.get("text", "")) >= wanted
        )
        (tmp_path / "go").write_text("")
    assert quick.reply_to("m1")["streamed"] == 12_000_000
    quick.say("hello", "m2")
    quick.reply_to("m2")
    taken = 0
    while data := slow.socket.recv(1 << 20):  # ends, and long before it has everything
        taken += len(data)
    assert taken < 12_000_000


def test_a_client_that_leaves_in_mid_turn_costs_the_turn_nothing(resident, tmp_path):
    os.mkfifo(tmp_path / "go")
    leaver = resident.following()
    leaver.say(f"!echo before; cat '{tmp_path}/go'; echo done", "m1")
    leaver.chunk_of("m1")
    leaver.close()
    (tmp_path / "go").write_text("")
    assert resident.following().reply_to("m1")["text"] == "before\ndone"


def test_status_says_what_the_file_says(resident):
    client = resident.client()
    client.send(op="status")
    status = client.receive()
    assert (status["pid"], status["state"], status["pending"]) == (resident.pid, "ready", [])


def test_the_socket_is_the_owners_only(resident):
    assert stat.S_IMODE(os.stat(resident.paths.socket).st_mode) == 0o600


def test_odd_text_comes_back_as_it_went(resident):
    client = resident.following()
    text = "héllo ☃ \u2028 \x00 \x1b[31m \"quotes\" 'n' \\ back"
    client.say(text, "m1")
    client.reply_to("m1")
    assert client.history()[0]["text"] == text


def test_a_socket_that_somebody_took_away_is_there_again_with_the_next_heartbeat(configure, start):
    configure("[gateway]\nheartbeat_interval = 0.1\n")
    gateway = start().ready()
    before = gateway.following()
    before.history()  # the gateway has taken it: who is not taken yet goes with the listener
    os.unlink(gateway.paths.socket)
    with DirectoryWatch(gateway.paths.state) as watch:
        deadline, other = time.monotonic() + PATIENCE, None
        while other is None:
            try:
                other = gateway.following()
            except (FileNotFoundError, ConnectionRefusedError):  # a name is there a moment before anybody listens
                assert time.monotonic() < deadline
                watch.wait(0.1)
    other.say("hello", "m1")
    assert other.reply_to("m1")["text"] == "You said: hello. Type /help."
    before.say("still here", "m2")
    assert before.reply_to("m2")["text"] == "You said: still here. Type /help."
    gateway.signal(signal.SIGTERM)
    assert gateway.exit_code() == 0
    assert not os.path.exists(gateway.paths.socket)
