"""Turns and their commands in a running gateway."""

import json
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def ask(client, text, identifier="m1", session="main"):
    client.say(text, identifier, session)
    return client.reply_to(identifier)


def test_a_command_streams_and_its_reply_holds_the_same(resident):
    client = resident.following()
    client.say("!echo hi", "m1")
    events = client.until(lambda event: event.get("id") == "reply:m1")
    assert "".join(event["text"] for event in events if event["event"] == "chunk") == "hi\n"
    assert (events[-1]["text"], events[-1]["streamed"], events[-1]["rest"]) == ("hi", 3, "")


def test_a_command_in_backquotes_is_run(resident):
    assert ask(resident.following(), "please run `echo $((6*7))` for me")["text"] == "42"


def test_an_exit_code_is_the_last_line(resident):
    assert ask(resident.following(), "!printf out; printf err >&2; exit 3")["text"] == "outerr\n[exit 3]"


def test_a_command_that_died_of_a_signal_says_so(resident):
    assert ask(resident.following(), "!kill -KILL $$")["text"] == "[ended by SIGKILL]"


def test_a_silent_command_is_answered(resident):
    assert ask(resident.following(), "!true")["text"] == "(no output)"


def test_a_command_that_cannot_be_started_is_answered(resident):
    assert ask(resident.following(), "!echo a\x00b")["text"].startswith("[not started: ")


def test_standard_input_is_empty(resident):
    assert ask(resident.following(), "!cat; echo end")["text"] == "end"


def test_characters_cut_in_two_by_the_pipe_arrive_whole(resident):
    # The pause makes two reads of it, mostly; one read of both proves less, and fails nothing.
    reply = ask(resident.following(), "!printf '\\303'; sleep 0.1; printf '\\251\\377'")
    assert reply["text"] == "é\ufffd"


def test_long_output_streams_whole_and_is_kept_in_part(resident):
    client = resident.following()
    client.say("!seq 1 40000", "m1")
    events = client.until(lambda event: event.get("id") == "reply:m1")
    whole = "".join(f"{number}\n" for number in range(1, 40001))
    assert "".join(event["text"] for event in events if event["event"] == "chunk") == whole
    first, _, kept = events[-1]["text"].partition("\n")
    assert first == f"[the first {len(whole) - 65536} characters are not kept]"
    assert whole.endswith(f"{kept}\n")


def test_a_command_that_takes_too_long_is_ended_with_its_children(start, configure, tmp_path, await_end):
    configure("[terminal]\ntimeout = 0.5\n")
    client = start().ready().following()
    reply = ask(client, f"!sleep 600 & echo $! > '{tmp_path}/pid'; echo begun; wait")
    assert reply["text"] == "begun\n[ended: it ran longer than 0.5 s]"
    assert await_end(int((tmp_path / "pid").read_text()))


def test_a_command_that_ignores_sigterm_is_killed(start, configure, tmp_path, await_end):
    configure("[terminal]\ntimeout = 0.5\n[gateway]\nteardown_timeout = 1\n")
    client = start().ready().following()
    reply = ask(client, f"!trap '' TERM; echo $$ > '{tmp_path}/pid'; while :; do sleep 600; done")
    assert "longer than 0.5 s" in reply["text"]
    assert await_end(int((tmp_path / "pid").read_text()))


def test_a_daemon_that_keeps_the_pipe_holds_up_no_turn_and_lives_on(resident, tmp_path):
    os.mkfifo(tmp_path / "go")
    script = f"( read line < '{tmp_path}/go'; echo late; echo survived > '{tmp_path}/out' ) & echo done"
    client = resident.following()
    assert ask(client, f"!{script}")["text"] == "done"
    os.mkfifo(tmp_path / "out")
    (tmp_path / "go").write_text("\n")
    assert (tmp_path / "out").read_text() == "survived\n"
    # Its late output belongs to no turn.
    assert [message["text"] for message in client.history()][1:] == ["done"]


def test_a_session_takes_one_turn_at_a_time_in_order(resident, tmp_path):
    client = resident.following()
    client.send(
        op="send",
        session="main",
        id="m1",
        text=f"!echo one >> '{tmp_path}/log'; until test -e '{tmp_path}/go'; do sleep 0.05; done; echo end >> '{tmp_path}/log'",
    )
    client.say(f"!echo two >> '{tmp_path}/log'", "m2")
    (tmp_path / "go").touch()
    client.reply_to("m2")
    assert (tmp_path / "log").read_text().split() == ["one", "end", "two"]


def test_sessions_run_side_by_side(resident, tmp_path):
    os.mkfifo(tmp_path / "meet")
    reader, writer = resident.following("a"), resident.following("b")
    reader.say(f"!cat '{tmp_path}/meet'", "m1", "a")
    writer.say(f"!echo met > '{tmp_path}/meet'", "m2", "b")
    assert reader.reply_to("m1")["text"] == "met"


def test_the_file_counts_running_turns(resident, tmp_path):
    os.mkfifo(tmp_path / "go")
    client = resident.following()
    client.say(f"!cat '{tmp_path}/go'", "m1")
    resident.await_state(lambda found: found.active_turns == 1)
    (tmp_path / "go").write_text("")
    resident.await_state(lambda found: found.active_turns == 0)


def test_a_command_knows_where_it_runs_and_who_asked(start, paths):
    gateway = start(
        HERMES_SESSION_PLATFORM="telegram",
        HERMES_SESSION_USER_ID="7",
        HERMES_GATEWAY_INSTANCE="1:2:/elsewhere",
        HERMES_SUPERVISOR="999999999:1",
        HERMES_SERVICE_MANAGER="none-of-ours",  # no real supervisor is started for a test
    ).ready()
    text = ask(
        gateway.following("chät"),
        f"!'{sys.executable}' -c 'import json, os; print(json.dumps(dict(os.environ)))'",
        session="chät",
    )
    found = {name: value for name, value in json.loads(text["text"]).items() if name.startswith("HERMES_")}
    described = gateway.described()
    assert found == {
        "HERMES_SERVICE_MANAGER": "none-of-ours",
        "HERMES_HOME": os.path.dirname(paths.state),
        "HERMES_GATEWAY_INSTANCE": f"{gateway.pid}:{described.identity.start_ticks or ''}:{paths.state}",
        "HERMES_SESSION_PLATFORM": "local",
        "HERMES_SESSION_CHAT_ID": "chät",
        "HERMES_SESSION_THREAD_ID": "",
        "HERMES_SESSION_MESSAGE_ID": "m1",
        "HERMES_SESSION_KEY": "chät",
    }
    assert json.loads(text["text"])["PATH"].split(os.pathsep)[0] == os.path.dirname(sys.executable)


def test_a_named_profile_is_passed_on(start, tmp_path):
    gateway = start(HERMES_PROFILE="work")
    gateway.paths = type(gateway.paths)("work", gateway.paths.root, str(tmp_path), str(tmp_path))
    gateway.ready()
    assert ask(gateway.following(), "!echo $HERMES_PROFILE")["text"] == "work"


def test_a_command_takes_signals_as_usual(resident):
    client = resident.following()
    for number, name in enumerate(("HUP", "USR1", "TERM", "INT", "PIPE")):
        assert ask(client, f"!kill -{name} $$", f"m{number}")["text"] == f"[ended by SIG{name}]"


def test_slash_commands_answer(resident):
    client = resident.following()
    assert "/restart" in ask(client, "/help", "m1")["text"]
    assert f"pid {resident.pid}" in ask(client, "/status", "m2")["text"]
    assert ask(client, "/frobnicate now", "m3")["text"] == "/frobnicate is not a command. Type /help."


def test_a_command_holds_neither_lock_nor_socket_of_the_gateway(resident):
    text = ask(resident.following(), "!ls -l /dev/fd/ | cat")["text"]
    assert "gateway.lock" not in text
    assert "socket" not in text


def test_the_log_has_no_message_texts(resident):
    ask(resident.following(), "!echo my-secret-word")
    assert "my-secret-word" not in resident.log
    assert Path(resident.paths.instance).exists()
