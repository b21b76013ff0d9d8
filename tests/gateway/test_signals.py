"""Signals to a running gateway: how it drains, what it cuts off, what it leaves behind."""

import os
import signal
import sqlite3
import time

import pytest

from hermes_cli.system import durable, locks

pytestmark = pytest.mark.e2e


@pytest.fixture
def go(tmp_path):
    """A command that waits for us, and the way to end it."""
    os.mkfifo(tmp_path / "go")

    class Go:
        command = f"!echo begun; cat '{tmp_path}/go'"

        def now(self):
            (tmp_path / "go").write_text("ended\n")

    return Go()


def begin(gateway, text, identifier="m1", session="main"):
    """A turn that has begun to print."""
    client = gateway.following(session)
    client.say(text, identifier, session)
    client.chunk_of(identifier)
    return client


def draining(gateway, turns=1):
    return gateway.await_state(lambda found: found.drain is not None and found.drain.turns == turns)


def origin(message="m1", session="main"):
    return {"channel": "local", "chat": session, "session": session, "message": message, "turn": message}


def test_an_idle_gateway_exits_75_at_once_and_says_so(gateway, paths):
    began = time.monotonic()
    gateway.signal(signal.SIGUSR1)
    assert gateway.exit_code() == 75
    assert time.monotonic() - began < 1
    described = gateway.described()
    assert (described.state, described.exit_code, described.ready) == ("exited", 75, False)
    assert not os.path.exists(paths.socket)
    assert not locks.is_held(paths.gateway_lock)


def test_a_running_turn_is_waited_for(gateway, go):
    client = begin(gateway, go.command)
    gateway.signal(signal.SIGUSR1)
    described = draining(gateway)
    assert (described.state, described.active_turns) == ("draining", 1)
    assert described.drain.deadline - described.drain.since == pytest.approx(180, abs=1)
    go.now()
    assert client.reply_to("m1")["text"] == "begun\nended"
    assert gateway.exit_code() == 75


def test_what_runs_beyond_the_deadline_is_cut_off_told_so_and_not_run_again(start, configure, tmp_path):
    configure("[gateway]\ndrain_timeout = 0.3\n")
    gateway = start().ready()
    client = begin(gateway, f"!echo x >> '{tmp_path}/runs'; echo begun; sleep 600")
    gateway.signal(signal.SIGUSR1)
    reply = client.reply_to("m1")
    assert gateway.exit_code() == 75
    assert reply["text"].startswith("cut off by the restart after ")
    assert reply["text"].endswith("What it printed so far:\nbegun")
    assert reply["rest"].startswith("[cut off by the restart after ")
    after = start().ready()
    client = after.following()
    client.say("hello", "m2")
    client.reply_to("m2")
    assert [message["id"] for message in client.history()] == ["m1", "reply:m1", "m2", "reply:m2"]
    assert (tmp_path / "runs").read_text() == "x\n"


def test_a_command_that_was_cut_off_is_gone_when_the_gateway_is(start, configure, tmp_path, await_end):
    configure("[gateway]\ndrain_timeout = 0.1\nteardown_timeout = 1\n")
    gateway = start().ready()
    begin(gateway, f"!trap '' TERM; echo $$ > '{tmp_path}/pid'; echo begun; while :; do sleep 600; done")
    gateway.signal(signal.SIGUSR1)
    assert gateway.exit_code() == 75
    assert await_end(int((tmp_path / "pid").read_text()))


def test_messages_that_arrive_while_draining_are_answered_by_the_next_instance(start, go):
    gateway = start().ready()
    client = begin(gateway, go.command)
    gateway.signal(signal.SIGUSR1)
    draining(gateway)
    assert client.say("kept", "m2")["draining"] is True
    go.now()
    assert gateway.exit_code() == 75
    client = start().ready().following()
    assert client.reply_to("m2")["text"].startswith("You said: kept")
    assert [one["id"] for one in client.history()] == ["m1", "m2", "reply:m1", "reply:m2"]


def test_messages_queued_behind_a_turn_are_not_begun_in_a_drain(gateway, go, tmp_path):
    client = begin(gateway, go.command)
    client.say(f"!echo ran > '{tmp_path}/ran'", "m2")
    gateway.signal(signal.SIGUSR1)
    draining(gateway)
    go.now()
    assert gateway.exit_code() == 75
    assert not (tmp_path / "ran").exists()


def test_the_turn_that_asked_does_not_block_the_restart_it_waits_for(start, go):
    gateway = start().ready()
    client = begin(gateway, go.command)
    intent = gateway.restart_intent(origin=origin())
    began = time.monotonic()
    gateway.signal(signal.SIGUSR1)
    reply = client.reply_to("m1")
    assert gateway.exit_code() == 75
    assert 2.5 < time.monotonic() - began < 10
    assert reply["restart"] == intent


def test_other_turns_still_get_the_whole_drain(gateway, go):
    asking = begin(gateway, "!echo begun; sleep 600")
    other = begin(gateway, go.command, "m2", "other")
    gateway.restart_intent(origin=origin())
    gateway.signal(signal.SIGUSR1)
    assert asking.reply_to("m1")["text"].startswith("cut off by the restart")
    assert draining(gateway, 1).state == "draining"
    go.now()
    assert other.reply_to("m2")["text"] == "begun\nended"
    assert gateway.exit_code() == 75


def test_a_turn_of_the_same_name_in_another_chat_is_waited_for(gateway, go):
    client = begin(gateway, go.command)
    gateway.restart_intent(origin=origin(session="elsewhere"))
    gateway.signal(signal.SIGUSR1)
    assert draining(gateway).drain.deadline > time.time() + 60
    go.now()
    assert client.reply_to("m1")["text"] == "begun\nended"


def test_an_intent_shortens_the_drain(gateway):
    begin(gateway, "!echo begun; sleep 600")
    gateway.restart_intent(drain_timeout=0.2)
    gateway.signal(signal.SIGUSR1)
    assert gateway.exit_code() == 75


def test_a_forced_restart_shortens_a_drain_under_way(gateway):
    begin(gateway, "!echo begun; sleep 600")
    gateway.signal(signal.SIGUSR1)
    draining(gateway)
    gateway.restart_intent(force=True)
    gateway.signal(signal.SIGUSR1)
    assert gateway.exit_code() == 75


def test_a_repeated_signal_changes_nothing_else(gateway, go):
    client = begin(gateway, go.command)
    for _ in range(5):
        gateway.signal(signal.SIGUSR1)
        since = draining(gateway).drain.since
    assert draining(gateway).drain.since == since
    go.now()
    assert client.reply_to("m1")["text"] == "begun\nended"
    assert gateway.exit_code() == 75


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_exits_0(gateway, number):
    gateway.signal(number)
    assert gateway.exit_code() == 0
    assert gateway.described().exit_code == 0


def test_a_stop_lets_turns_finish_briefly(gateway, go):
    client = begin(gateway, go.command)
    gateway.signal(signal.SIGTERM)
    assert draining(gateway).drain.deadline - time.time() < 10.5
    go.now()
    assert client.reply_to("m1")["text"] == "begun\nended"
    assert gateway.exit_code() == 0


def test_a_stop_cuts_off_what_takes_longer(start, configure):
    configure("[gateway]\nstop_timeout = 0.2\n")
    gateway = start().ready()
    client = begin(gateway, "!echo begun; sleep 600")
    gateway.signal(signal.SIGTERM)
    assert client.reply_to("m1")["text"].startswith("cut off by the stop after ")
    assert gateway.exit_code() == 0


def test_a_stop_wins_over_a_restart_under_way(start, configure):
    configure("[gateway]\nstop_timeout = 0.2\n")
    gateway = start().ready()
    begin(gateway, "!echo begun; sleep 600")
    gateway.signal(signal.SIGUSR1)
    draining(gateway)
    gateway.signal(signal.SIGTERM)
    assert gateway.exit_code() == 0


def test_a_restart_does_not_undo_a_stop_under_way(gateway, go):
    begin(gateway, go.command)
    gateway.signal(signal.SIGTERM)
    draining(gateway)
    gateway.signal(signal.SIGUSR1)
    gateway.client().send(op="ping")
    go.now()
    assert gateway.exit_code() == 0


def test_a_second_stop_ends_it_now(gateway):
    begin(gateway, "!echo begun; sleep 600")
    gateway.signal(signal.SIGTERM)
    draining(gateway)
    gateway.signal(signal.SIGTERM)
    began = time.monotonic()
    assert gateway.exit_code() == 0
    assert time.monotonic() - began < 2
    assert gateway.described().state == "exited"


def test_a_second_stop_leaves_no_command_behind(gateway, tmp_path, await_end):
    begin(gateway, f"!trap '' TERM; echo $$ > '{tmp_path}/pid'; echo begun; while :; do sleep 600; done")
    gateway.signal(signal.SIGTERM)
    draining(gateway)
    gateway.signal(signal.SIGTERM)
    assert gateway.exit_code() == 0
    assert await_end(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
def test_a_closed_terminal_and_a_foreign_signal_are_no_reason_to_end(gateway, number):
    gateway.signal(number)
    client = gateway.following()
    client.say("hello", "m1")
    client.reply_to("m1")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGUSR1, 75), (signal.SIGTERM, 0)])
def test_a_signal_in_mid_start_takes_effect_when_the_start_is_through(start, paths, number, code):
    durable.make_private_directory(paths.state)
    other = sqlite3.connect(paths.messages, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")  # holds the start up for as long as we like
    gateway = start()
    assert gateway.await_state(lambda found: found.state == "starting").handles_signal
    gateway.signal(number)
    other.execute("ROLLBACK")
    other.close()
    assert gateway.exit_code() == code
    assert "ready" in gateway.log
