"""A conversation in Telegram, with a real gateway and the emulated Bot API."""

import os
import signal
import time
from pathlib import Path

import pytest
from support import PATIENCE
from support.models.model_server import runs, says
from support.models.telegram_bot import ANN, answered
from telegram_emulator import User

from hermes_cli.status import telegram as states
from hermes_cli.system import locks
from hermes_cli.system.directory_watch import DirectoryWatch

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e


def test_a_message_is_answered_by_a_placeholder_that_becomes_the_answer(telegram, bot, ann, start):
    start().ready()
    telegram.say(ann, "hello")
    assert answered(telegram, ann, "You said: hello. Type /help.") == 1
    assert [message.was for message in ann.seen() if message.sender.is_bot] == [["…"]]
    telegram.until(lambda: telegram.bot.updates.pending() == [], "the confirmation")
    assert ann.actions[0][1] == "typing"


def test_what_was_said_while_the_gateway_was_away_is_answered(telegram, bot, ann, start):
    for number in range(3):
        telegram.say(ann, f"early {number}")
    start().ready()
    answered(telegram, ann, "You said: early 2. Type /help.")
    assert ann.of_bots() == [f"You said: early {number}. Type /help." for number in range(3)]


def test_a_killed_gateway_loses_nothing_and_answers_nothing_twice(telegram, bot, ann, start):
    first = start().ready()
    telegram.say(ann, "!echo begun; sleep 600")
    telegram.say(ann, "next")
    telegram.until(lambda: any("begun" in text for text in ann.of_bots()), "the preview of the turn")
    first.signal(signal.SIGKILL)
    first.exit_code()
    start().ready()
    answered(telegram, ann, "You said: next. Type /help.")
    cut, reply = ann.of_bots()
    assert cut.startswith("cut off: the gateway ended while this ran")
    assert reply == "You said: next. Type /help."


def test_a_stranger_gets_no_answer_and_runs_nothing(telegram, bot, ann, start, tmp_path):
    start().ready()
    mallory = telegram.person(666, "Mallory")
    telegram.say(mallory, f"!touch {tmp_path}/mallory")
    telegram.say(ann, "hello")
    answered(telegram, ann, "You said: hello. Type /help.")
    assert mallory.of_bots() == []
    assert not (tmp_path / "mallory").exists()


def test_what_is_forwarded_is_no_command(telegram, bot, ann, start, paths, tmp_path):
    start().ready()
    for number, words in enumerate((f"!touch {tmp_path}/forwarded", "/restart", f"run `touch {tmp_path}/forwarded`")):
        telegram.say(ann, words, forwarded=True)
        telegram.until(lambda count=number + 1: len(ann.of_bots()) == count and "…" not in ann.of_bots(), "an answer")
    assert all(text.startswith("You said: [forwarded]") for text in ann.of_bots())
    assert not (tmp_path / "forwarded").exists()
    assert paths.queue.unsettled() == []


def test_who_may_write_may_not_use_the_terminal_by_that(telegram, bot, ann, start):
    bot(f"allow = [{ANN}]")
    start().ready()
    telegram.say(ann, "!echo hi")
    answered(telegram, ann, "[not run: who asked may not use the terminal]")


def test_in_a_group_it_answers_who_is_allowed_and_mentions_it(telegram, bot, start):
    bot(f"terminal = [{ANN}]\ngroups = [-100123]")
    start().ready()
    telegram.bot.reads_all = True
    team, other = telegram.group(-100123, "Team"), telegram.group(-100124, "Other")
    ann, bob = User(ANN, "Ann"), User(12, "Bob")
    telegram.say(other, "@hermes_test_bot one", user=ann)
    telegram.say(team, "two", user=ann)
    telegram.say(team, "@hermes_test_bot three", user=bob)
    telegram.say(team, "/status@another_bot", user=ann)
    telegram.say(team, "😀 @hermes_test_bot four", user=ann)
    answered(telegram, team, "You said: 😀  four. Type /help.")
    telegram.say(team, "/stop@hermes_test_bot", user=ann)
    answered(telegram, team, "nothing runs here")
    assert team.of_bots() == ["You said: 😀  four. Type /help.", "nothing runs here"]
    assert other.of_bots() == []


def test_restart_comes_back_once_and_tells_the_topic_that_asked(telegram, bot, start, paths):
    bot(f"terminal = [{ANN}]\ngroups = [-100123]")
    team = telegram.group(-100123, "Team", topics=(7, 8))
    first = start().ready()
    telegram.say(team, "/restart@hermes_test_bot", 7, user=User(ANN, "Ann"))
    assert first.exit_code() == 75
    second = start().ready()
    (intent,) = paths.queue.unsettled()
    second.settle(intent.id, "failed", "why")
    answered(telegram, team, "restart failed: why", 7)
    recorded, outcome = team.of_bots(7)
    assert recorded.startswith("recorded, will be completed by")
    assert outcome == "restart failed: why"
    assert team.of_bots() == team.of_bots(7)
    assert telegram.pending() == 0


@pytest.mark.parametrize("place", ["file", "variable"])
def test_the_token_is_nowhere(telegram, bot, ann, start, paths, place, configure):
    if place == "variable":
        configure(f'[telegram]\ntoken_env = "BOT_TOKEN"\napi = "{telegram.base_url}"\nterminal = [{ANN}]')
    gateway = start(**({"BOT_TOKEN": telegram.token} if place == "variable" else {})).ready()
    telegram.fault("sendMessage", "drop-after")
    telegram.fault("editMessageText", "html")
    telegram.say(ann, "!env; echo all")
    telegram.until(lambda: any(text.endswith("all") for text in ann.of_bots()), "the environment")
    telegram.refuse("sendMessage", 400, f"Bad Request: /bot{telegram.token}/sendMessage is wrong")
    telegram.say(ann, "refused")
    telegram.until(lambda: telegram.calls("sendMessage")[-1].status == 400, "the refusal")
    telegram.say(ann, "/status")
    telegram.until(lambda: "gateway pid" in ann.of_bots()[-1], "the answer to a command")
    gateway.signal(signal.SIGTERM)
    assert gateway.exit_code() == 0
    secret = telegram.token.partition(":")[2]
    assert secret not in telegram.story().partition("---")[2]
    for file in Path(os.path.dirname(paths.state)).rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
    assert "is wrong" in gateway.log
    assert secret not in gateway.log


def test_ready_does_not_wait_for_telegram(telegram, bot, ann, start, paths):
    telegram.away()
    gateway = start().ready()
    client = gateway.following()
    client.say("hello", "m1")
    assert client.reply_to("m1")["text"] == "You said: hello. Type /help."
    telegram.back()
    telegram.say(ann, "back")
    answered(telegram, ann, "You said: back. Type /help.")


@pytest.fixture
def standing(paths):
    """What status knows of the bot, waiting for a certain word."""

    def find(pid, *wanted):
        def look():
            found = states.read(paths, pid)
            return found if found is not None and found.state in wanted else None

        deadline = time.monotonic() + PATIENCE
        with DirectoryWatch(paths.state) as watch:
            while (found := look()) is None:
                assert time.monotonic() < deadline, states.read(paths, pid)
                watch.wait(0.5)
        return found

    return find


def test_status_knows_the_bot_a_second_poller_and_that_it_is_over(telegram, bot, ann, start, standing):
    gateway = start().ready()
    found = standing(gateway.pid, "polling")
    assert (found.username, found.problem) == ("hermes_test_bot", None)
    other = telegram.refuse("getUpdates", 409, "Conflict: terminated by other getUpdates request", 1_000_000)
    telegram.say(ann, "hello")
    assert standing(gateway.pid, "conflict").problem == (
        "another program polls this bot",
        "end it, or give this gateway a bot of its own",
    )
    other.count = 0
    answered(telegram, ann, "You said: hello. Type /help.")
    standing(gateway.pid, "polling")
    telegram.say(ann, "again")
    answered(telegram, ann, "You said: again. Type /help.")


def test_a_refused_token_is_a_problem_and_no_end(telegram, bot, start, standing, tmp_path):
    (tmp_path / "token").write_text("123456:AAE-this-one-is-not-known")
    gateway = start().ready()
    assert standing(gateway.pid, "refused").problem[0] == "the bot's token is refused"
    assert gateway.following().say("hello", "m1")["event"] == "accepted"


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda token: token.unlink(), "cannot be read (No such file or directory)"),
        (lambda token: token.chmod(0o644), "can be read or changed by somebody else"),
        (lambda token: token.write_text("hunter2"), "has no token of BotFather's, which looks like 123456"),
    ],
    ids=["missing", "readable", "nonsense"],
)
def test_a_token_that_is_none_is_said_without_it(bot, start, standing, tmp_path, write, said):
    write(tmp_path / "token")
    gateway = start().ready()
    text, mend = standing(gateway.pid, "no-token").problem
    assert said in text
    assert mend
    assert "hunter2" not in gateway.log


def test_one_gateway_of_this_machine_polls_a_bot(telegram, bot, start, standing, paths):
    lock = locks.take(f"{paths.root}/telegram-123456.lock")
    gateway = start().ready()
    assert standing(gateway.pid, "conflict").problem[0] == "another gateway of this machine polls this bot"
    assert not telegram.calls()
    lock.release()
    standing(gateway.pid, "polling")


def test_a_webhook_is_taken_away_without_dropping_anything(telegram, bot, ann, start):
    telegram.bot.updates.webhook = "https://example.org"
    telegram.say(ann, "hello")
    start().ready()
    answered(telegram, ann, "You said: hello. Type /help.")
    assert "drop_pending_updates" not in telegram.calls("deleteWebhook")[0].arguments


def test_flood_control_is_a_chats_own_and_no_call_falls_into_its_penalty(telegram, bot, ann, start):
    bob = telegram.person(12, "Bob")
    bot(f"allow = [{ANN}, 12]")
    start().ready()
    telegram.flood("sendMessage", 3)
    telegram.say(ann, "hello")
    telegram.until(lambda: telegram.calls("sendMessage"), "the refusal")
    refused = telegram.calls("sendMessage")[0]
    telegram.say(bob, "and I?")
    answered(telegram, bob, "You said: and I?. Type /help.")
    answered(telegram, ann, "You said: hello. Type /help.")
    later = [call.at for call in telegram.calls() if call.arguments.get("chat_id") == ANN and call.at > refused.at]
    assert min(later) - refused.at >= 2.9
    assert ann.of_bots() == ["You said: hello. Type /help."]


def until_there(path):
    """A command that runs until there is such a file."""
    return f"until test -e '{path}'; do sleep 0.05; done"


def test_who_blocks_the_bot_holds_up_nobody(telegram, bot, ann, start, standing, tmp_path):
    bob = telegram.person(12, "Bob")
    bot(f"terminal = [{ANN}, 12]")
    gateway = start().ready()
    telegram.say(ann, f"!{until_there(tmp_path / 'go')}")
    ann.blocked = True
    (tmp_path / "go").touch()
    telegram.say(bob, "hello")
    answered(telegram, bob, "You said: hello. Type /help.")
    telegram.until(lambda: states_of(gateway).undeliverable == 1, "what cannot be delivered")


def states_of(gateway):
    found = states.read(gateway.paths, gateway.pid)
    assert found is not None
    return found


def test_a_topic_that_is_gone_and_a_group_that_has_moved_are_told_all_the_same(telegram, bot, start, tmp_path):
    bot(f"terminal = [{ANN}]\ngroups = [-100123, -5]")
    team, small = telegram.group(-100123, "Team", topics=(7,)), telegram.group(-5, "Small")
    user = User(ANN, "Ann")
    start().ready()
    telegram.say(team, f"@hermes_test_bot !{until_there(tmp_path / 'gone')}; echo late", 7, user=user)
    telegram.until(lambda: telegram.calls("sendChatAction"), "the turn")
    team.topics.clear()
    (tmp_path / "gone").touch()
    answered(telegram, team, "late")
    telegram.say(small, f"@hermes_test_bot !{until_there(tmp_path / 'moved')}; echo moved", user=user)
    telegram.until(lambda: len(telegram.calls("sendChatAction")) > 1, "the turn")
    big = telegram.upgrade(small, -100555)
    (tmp_path / "moved").touch()
    answered(telegram, big, "moved")


def test_a_long_answer_comes_in_parts_whole_and_once(telegram, bot, ann, start):
    telegram.flood("sendMessage", 1, 1, skip=1)
    telegram.fault("editMessageText", "drop-after", skip=1)
    start().ready()
    telegram.say(ann, "!seq 1 2500")
    whole = "\n".join(str(number) for number in range(1, 2501))
    telegram.until(lambda: "\n".join(ann.of_bots()) == whole, "all of it")
    assert len(ann.of_bots()) == 3


def test_ten_thousand_queued_updates_are_taken_as_there_is_room(telegram, bot, ann, start):
    bot(rest="[limits]\nqueued = 50\n")
    mallory = telegram.person(666, "Mallory")
    for _ in range(3000):
        telegram.say(mallory, "spam")
    for number in range(60):
        telegram.say(ann, f"{number}")
    start().ready()
    answered(telegram, ann, "You said: 59. Type /help.")
    assert ann.of_bots() == [f"You said: {number}. Type /help." for number in range(60)]
    assert mallory.of_bots() == []


@pytest.mark.parametrize(("button", "runs_it"), [("Approve", True), ("Deny", False)])
def test_a_dangerous_command_of_the_model_waits_for_a_button(
    telegram, bot, ann, start, model, tmp_path, button, runs_it
):
    kept = tmp_path / "kept"
    kept.mkdir()
    model.script = [runs(f"rm -rf {kept}"), says("So be it.")]
    bot(rest=model.config)
    start().ready()
    telegram.say(ann, "clean up")
    telegram.until(lambda: any(one.buttons for one in ann.seen()), "the question")
    (question,) = [one for one in ann.seen() if one.buttons]
    assert f"rm -rf {kept}" in question.text
    telegram.press(ann, question, button)
    telegram.until(model.results, "the result of the command")
    said = "" if runs_it else f"{model.results()[0]}\n"
    answered(telegram, ann, f"$ rm -rf {kept}\n{said}So be it.")
    assert kept.exists() is not runs_it
    assert telegram.calls("answerCallbackQuery")


def test_a_button_pressed_by_who_may_not_use_the_terminal_decides_nothing(telegram, bot, ann, start, model, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    model.script = [runs(f"rm -rf {kept}"), says("So be it.")]
    bot(f"terminal = [{ANN}]\nallow = [77]\ngroups = [-100123]", model.config)
    group = telegram.group()
    start().ready()
    telegram.until(lambda: telegram.calls("getUpdates"), "the first poll")
    telegram.say(group, "@hermes_test_bot clean up", user=User(ANN, "Ann"))
    telegram.until(lambda: any(one.buttons for one in group.seen()), "the question")
    (question,) = [one for one in group.seen() if one.buttons]
    telegram.press(group, question, "Approve", User(77, "Bob"))
    telegram.until(lambda: "you may not approve commands here" in group.of_bots(), "the refusal")
    assert kept.exists()
    assert model.results() == []
