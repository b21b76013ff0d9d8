"""`hermes chat` as a person or a script uses it, through restarts."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from support import PATIENCE

from hermes_cli.intents import desired

pytestmark = pytest.mark.e2e
_COMMAND = [sys.executable, "-m", "hermes_cli", "chat"]


@pytest.fixture
def served(request):
    """The gateway that the module shares, if the test talks to it."""
    return request.getfixturevalue("resident") if "resident" in request.fixturenames else None


@pytest.fixture
def command(served):
    return [*_COMMAND, *(("--session", served.mark + "main") if served else ())]


@pytest.fixture
def environment(paths, served):
    paths = served.paths if served else paths
    found = {name: value for name, value in os.environ.items() if not name.startswith("HERMES_")}
    return found | {"HERMES_HOME": os.path.dirname(paths.state), "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def chat(environment, command):
    """Start a chat; all are ended afterwards."""
    started = []

    def begin(*arguments, lines=None):
        process = subprocess.Popen(
            [*command, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL if lines is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        if lines is not None:
            process.stdin.write(lines)
            process.stdin.close()
            process.stdin = None
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def prompt(environment, command):
    """An interactive chat in a terminal."""
    started = []

    def begin():
        child = pexpect.spawn(command[0], command[1:], env=environment, encoding="utf-8", timeout=PATIENCE)
        started.append(child)
        return child

    yield begin
    for child in started:
        child.close(force=True)


def ended(process):
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def begun(gateway, session="main"):
    """Wait until the session's turn prints."""
    gateway.following(session).until(lambda event: event["event"] == "chunk")


def test_a_command_is_shown_once(resident, chat):
    assert ended(chat("!echo hi")) == (0, "hi\n", "")


def test_output_without_a_last_newline_and_an_exit_code_end_in_lines(resident, chat):
    assert ended(chat("!printf hi; exit 3")) == (1, "hi\n[exit 3]\n", "")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("!false", 1),
        ("!kill -9 $$", 1),
        ("!echo '[exit 3]'", 0),
        ("!printf '[exit 3]'", 0),
        ("!true", 0),
        ("run `false`", 0),  # a sentence was answered
    ],
)
def test_a_script_hears_that_its_command_failed(resident, chat, message, code):
    assert ended(chat(message))[0] == code


def test_who_does_not_wait_any_longer_hears_that_the_command_goes_on(resident, chat):
    process = chat("!echo begun; sleep 600")
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    code, _, said = ended(process)
    assert code == 130
    assert "no longer waiting; what was asked goes on" in said
    session = said.partition("--session ")[2].partition(" ")[0]
    assert said.rstrip().endswith("/stop ends it")
    assert ended(chat("/stop", "--session", session) if session else chat("/stop"))[0] == 0


def test_an_answer_that_does_not_stream_is_shown(resident, chat):
    assert ended(chat("hello")) == (0, "You said: hello. Type /help.\n", "")


def test_output_is_shown_as_it_comes(resident, chat, tmp_path):
    os.mkfifo(tmp_path / "go")
    process = chat(f"!echo first; cat '{tmp_path}/go'")
    assert process.stdout.readline() == "first\n"
    (tmp_path / "go").write_text("second\n")
    assert ended(process)[1] == "second\n"


def test_sessions_are_apart(resident, chat):
    assert ended(chat("hello", "--session", "other"))[0] == 0
    assert resident.client().history("main") == []


def test_without_a_gateway_it_says_so(chat, paths):
    assert ended(chat("hello")) == (4, "", "hermes: the gateway is not running: hermes gateway install\n")


def test_after_a_killed_gateway_it_says_so(start, chat):
    gateway = start().ready()
    gateway.signal(signal.SIGKILL)
    gateway.exit_code()
    assert ended(chat("hello"))[0] == 4  # nothing is installed that could start it


def test_each_line_of_a_pipe_is_a_message(resident, chat):
    assert ended(chat(lines="!echo one\n\n!echo two\n")) == (0, "one\ntwo\n", "")


def test_a_message_sent_into_a_drain_is_answered_after_it(start, chat, tmp_path):
    os.mkfifo(tmp_path / "go")
    first = start().ready()
    blocking = first.following()
    blocking.say(f"!echo begun; cat '{tmp_path}/go'", "m1", "main")
    blocking.chunk_of("m1")
    first.signal(signal.SIGUSR1)
    first.await_state(lambda found: found.state == "draining")
    process = chat("hello", "--session", "other")
    assert "restarting" in process.stderr.readline()
    (tmp_path / "go").write_text("")
    assert first.exit_code() == 75
    start().ready()
    assert ended(process) == (0, "You said: hello. Type /help.\n", "")


def test_a_turn_cut_off_by_a_restart_shows_its_output_once_and_says_so(start, configure, chat):
    configure("[gateway]\ndrain_timeout = 0.2\n")
    first = start().ready()
    process = chat("!echo begun; sleep 600")
    begun(first)
    first.signal(signal.SIGUSR1)
    assert first.exit_code() == 75
    start().ready()
    code, out, _ = ended(process)
    assert code == 1
    assert out.startswith("begun\n[cut off by the restart after ")
    assert out.count("begun") == 1


def test_a_gateway_killed_in_mid_turn_is_waited_for(start, chat):
    first = start().ready()
    process = chat("!echo begun; sleep 600")
    assert process.stdout.readline() == "begun\n"  # shown by the client itself, so it cannot be lost any more
    first.signal(signal.SIGKILL)
    first.exit_code()
    start().ready()
    code, out, _ = ended(process)
    assert code == 1
    assert out.startswith("cut off: the gateway ended")


def test_a_gateway_that_was_stopped_is_not_waited_for(gateway, chat, paths):
    process = chat("!echo begun; sleep 600")
    begun(gateway)
    desired.write(paths.desired, "stopped", "test")
    gateway.signal(signal.SIGKILL)
    gateway.exit_code()
    code, _, err = ended(process)
    assert code == 4  # nobody has installed it
    assert err == "hermes: the gateway was stopped, what was accepted stays: hermes gateway install\n"


@pytest.mark.parametrize(
    ("outcome", "code", "words"), [("restarted", 0, "restarted: gateway is back"), ("failed", 1, "restart failed: why")]
)
def test_who_asks_for_a_restart_stays_for_the_outcome(start, chat, outcome, code, words):
    first = start().ready()
    process = chat("/restart")
    recorded = process.stdout.readline()
    assert recorded.startswith("recorded, will be completed by ")
    assert first.exit_code() == 75
    second = start().ready()
    second.settle(recorded.rpartition("(intent ")[2].rstrip(")\n"), outcome, "why")
    found, out, _ = ended(process)
    assert found == code
    assert out.startswith(words)


def test_an_outcome_that_comes_before_the_reply_is_not_waited_for_again(gateway, chat, tmp_path):
    os.mkfifo(tmp_path / "go")
    process = chat(f"!echo $HERMES_SESSION_MESSAGE_ID; cat '{tmp_path}/go'")
    message = process.stdout.readline().strip()
    intent = gateway.restart_intent(origin={"channel": "local", "session": "main", "message": message})
    follower = gateway.following()
    gateway.settle(intent, "cancelled", "nothing to do")
    follower.until(lambda event: event.get("role") == "notice")
    (tmp_path / "go").write_text("")
    assert ended(process) == (0, "restart cancelled: nothing to do\n", "")


def test_a_restart_typed_in_the_agents_terminal_is_followed_to_its_outcome(start, chat):
    first = start().ready()
    process = chat(f"!{sys.executable} -m hermes_cli gateway restart")
    recorded = process.stdout.readline()
    assert first.exit_code() == 75
    second = start().ready()
    second.settle(recorded.rpartition("(intent ")[2].rstrip(")\n"), "restarted")
    code, out, _ = ended(process)
    assert code == 0
    assert out.startswith(f"restarted: gateway is back as pid {second.pid}")


def test_a_prompt_answers_and_leaves_at_the_end_of_input(resident, prompt):
    child = prompt()
    child.expect("you> ")
    child.sendline("!echo $((6*7))")
    child.expect("42\r\n")
    child.expect("you> ")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0


def test_a_prompt_shows_what_was_said_and_quits_by_word(gateway, prompt, paths):
    client = gateway.following()
    client.say("earlier words", "m1")
    client.reply_to("m1")
    child = prompt()
    child.expect("you> earlier words\r\nYou said: earlier words")
    child.expect("you> ")
    child.sendline("/quit")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0
    assert stat.S_IMODE(os.stat(f"{paths.state}/chat_history").st_mode) == 0o600
    assert "/quit" in Path(f"{paths.state}/chat_history").read_text()


def test_an_outcome_appears_at_the_prompt_over_a_restart(start, prompt):
    first = start().ready()
    client = first.following()
    client.say("hello", "m1")
    client.reply_to("m1")
    child = prompt()
    child.expect("you> hello")
    child.expect("you> ")
    child.send("half a li")
    child.expect("half a li")
    intent = first.restart_intent(origin={"channel": "local", "session": "main", "message": "m1"})
    first.signal(signal.SIGUSR1)
    assert first.exit_code() == 75
    second = start().ready()
    second.settle(intent, "restarted")
    child.expect(f"restarted: gateway is back as pid {second.pid}")
    child.expect("you> half a li")
    child.sendline("ne")
    child.expect("You said: half a line")


def test_ctrl_c_leaves_the_wait_and_not_the_program(resident, prompt, tmp_path):
    os.mkfifo(tmp_path / "go")
    child = prompt()
    child.expect("you> ")
    child.sendline(f"!echo begun; cat '{tmp_path}/go'")
    child.expect("begun\r\n")
    child.sendintr()
    child.expect("no longer waiting")
    child.expect("you> ")
    (tmp_path / "go").write_text("ended\n")
    child.expect("ended\r\n")
    child.sendintr()
    child.expect("you> ")
    child.sendline("still here")
    child.expect("You said: still here")
