"""A question with buttons, once it is decided: it says how and by whom, and its buttons are gone."""

import signal

import pytest
from support.faults.places import fault, on_call, on_return
from support.models.model_server import runs, says
from support.models.telegram_bot import ANN

from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.conversations.changes import Changes

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

SESSION = f"telegram:123456:{ANN}"


@pytest.fixture
def asked(telegram, bot, ann, start, model):
    """Have a model want to run a dangerous command. Returns the chat, the question and a way to find it again."""

    def begin(command="rm -rf /nothing/of/that/name", more="", **variables):
        bot(rest=f"{model.config}\n[gateway]\nstop_timeout = 0.2\n{more}")
        model.script = [runs(command), says("So be it.")]
        gateway = start(**variables).ready()
        telegram.say(ann, "clean up")
        telegram.until(lambda: any(one.buttons for one in ann.seen()), "the question")
        (question,) = [one for one in ann.seen() if one.buttons]
        return gateway, ann, question

    return begin


def decided(telegram, question, end):
    telegram.until(lambda: question.text.endswith(f"\n\n{end}") and not question.buttons, f"{end!r} in the question")
    assert question.text.startswith("May this run? ")
    assert "/approve" not in question.text


def by_button(telegram, gateway, ann, question, word):
    telegram.press(ann, question, word.capitalize())


def typed(telegram, gateway, ann, question, word):
    telegram.say(ann, f"/{word}")


def typed_on_the_machine(telegram, gateway, ann, question, word):
    gateway.client().say(f"/{word}", "m1", SESSION)


@pytest.mark.parametrize(
    ("act", "word", "end"),
    [
        (by_button, "approve", "approved by Ann (4711)"),
        (by_button, "deny", "denied by Ann (4711)"),
        (typed, "deny", "denied by Ann (4711)"),
        (typed_on_the_machine, "deny", "denied by somebody on the gateway's machine"),
    ],
)
def test_a_decided_question_says_by_whom_and_has_no_buttons(telegram, asked, act, word, end):
    gateway, ann, question = asked()
    act(telegram, gateway, ann, question, word)
    decided(telegram, question, end)
    assert "rm -rf /nothing/of/that/name" in question.text
    telegram.until(lambda: ann.of_bots()[-1].endswith("So be it."), "the end of the turn")
    assert sum(text.startswith("May this run?") for text in ann.of_bots()) == 1


def test_a_question_that_nobody_decides_expires(telegram, asked):
    _, _, question = asked(more="[terminal]\napproval_timeout = 1\n")
    decided(telegram, question, "expired: nobody decided within 1 s")


def test_a_question_of_a_turn_that_is_cut_off_is_over(telegram, asked):
    gateway, ann, question = asked()
    telegram.say(ann, "/stop")
    decided(telegram, question, "its turn was cut off before anybody decided")
    gateway.signal(signal.SIGTERM)
    assert gateway.exit_code() == 0


def test_what_a_gateway_left_open_is_closed_by_the_next(telegram, asked, start):
    gateway, ann, question = asked()
    gateway.signal(signal.SIGKILL)
    gateway.exit_code()
    start().ready()
    decided(telegram, question, "expired: the gateway ended before anybody decided")
    telegram.press(ann, question_with_button(question), "Approve")
    telegram.until(lambda: any(text.startswith("nothing waits under") for text in ann.of_bots()), "the answer")


def question_with_button(question):
    """Show the button again: somebody's Telegram has not had the edit yet."""
    question.buttons = [[{"text": "Approve", "callback_data": "approve:abcde"}]]
    return question


@pytest.mark.parametrize("step", [on_return(Changes.replace), on_call(Ledger.done)])
def test_a_gateway_that_is_killed_between_the_decision_and_its_edit_leaves_it_to_the_next(
    telegram, asked, start, tmp_path, step
):
    struck = tmp_path / "struck"
    gateway, ann, question = asked()
    gateway.signal(signal.SIGKILL)
    gateway.exit_code()
    second = start(HERMES_TEST_FAULT=fault("kill", step, struck))
    second.exit_code()
    assert struck.exists()
    start().ready()
    decided(telegram, question, "expired: the gateway ended before anybody decided")
    assert sum(text.startswith("May this run?") for text in ann.of_bots()) == 1


@pytest.mark.parametrize("over", [10, -10], ids=["in two parts", "in two parts, then in one"])
def test_a_long_question_reads_whole_with_its_end(telegram, asked, over):
    around = len("May this run? it removes files without asking:\n\n") + len("\n\ndenied by Ann (4711)")
    command = f"rm -rf /nothing/{'x' * (4096 + over - around - len('rm -rf /nothing/'))}"
    _, ann, question = asked(command)
    telegram.press(ann, question, "Deny")
    telegram.until(lambda: any(text.endswith("denied by Ann (4711)") for text in ann.of_bots()), "the decision")
    telegram.until(lambda: sum("/nothing/" in text for text in ann.of_bots()) >= 2, "the result")
    assert not any(one.buttons for one in ann.seen())
    whole = "".join(text for text in ann.of_bots() if not text.startswith("$")).replace("\n", "").replace(" ", "")
    assert whole.count("x" * (len(command) - len("rm -rf /nothing/"))) == 1
    assert "/approve" not in whole
