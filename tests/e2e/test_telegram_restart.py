"""A restart that is asked for in a topic of Telegram, with everything real but Telegram itself."""

import stat
from pathlib import Path

import pytest
from support.faults.places import fault, on_call, on_return
from support.machines.installation import Installation
from telegram_emulator import User

from hermes_cli.gateway import run
from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.drain import Drain
from hermes_cli.gateway.exit import leave
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.intents import queue, request
from hermes_cli.intents.driver import Driver
from hermes_cli.restart import send

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

ANN = User(4711, "Ann")
TOPIC = 7
SLASH, TYPED = "/restart@hermes_test_bot", "@hermes_test_bot !hermes gateway restart; sleep 600"
SAMPLE = [  # where the way of the message in, the way of the request, and the way of the outcome are half done
    (SLASH, on_return(Store.accept_batch)),
    (SLASH, on_return(request.submit)),
    (TYPED, on_return(Lifecycle.exited)),
    (SLASH, on_call(Ledger.done)),
]
STEPS = [
    on_call(Store.accept_batch),
    on_return(Store.accept_batch),
    on_return(request.submit),
    on_call(send.signal_target),
    on_return(send.begin),
    on_call(Drain.wait),
    on_call(leave),
    on_call(Store.close),
    on_call(Lifecycle.exited),
    on_return(Lifecycle.exited),
    on_return(run.Gateway._poke),
    on_return(Driver._observe),
    on_return(Driver._act),
    on_call(queue.Queue.settle),
    on_return(queue.Queue.settle),
    on_call(Store.notice),
    on_return(Store.notice),
    on_call(Ledger.placed),
    on_return(Ledger.placed),
    on_call(Ledger.done),
    on_return(Ledger.done),
]


@pytest.fixture
def team(hermes: Installation, telegram, tmp_path):
    """A group with topics whose bot the installation polls; Ann may use its terminal."""
    token = tmp_path / "bot token"
    token.write_text(telegram.token)
    token.chmod(stat.S_IRUSR | stat.S_IWUSR)
    config = Path(hermes.home) / "config.toml"
    config.write_text(
        f'{config.read_text()}\n[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\n'
        f"terminal = [{ANN.id}]\ngroups = [-100123]\n"
    )
    return telegram.group(-100123, "Team", topics=(TOPIC, TOPIC + 1))


def outcomes(team):
    return [text for text in team.of_bots(TOPIC) if text.startswith(("restarted", "restart failed"))]


def comes_back_once(hermes: Installation, telegram, team, words) -> None:
    """Ask once, and see one restart, one outcome where it was asked for, and a gateway that answers."""
    telegram.say(team, words, TOPIC, user=ANN)
    telegram.until(lambda: outcomes(team), "the outcome")
    telegram.say(team, "@hermes_test_bot still there?", TOPIC, user=ANN)
    telegram.until(lambda: any("still there?" in text for text in team.of_bots(TOPIC)), "an answer")
    (outcome,) = outcomes(team)
    assert outcome.startswith("restarted: gateway is back as pid ")
    assert team.of_bots() == team.of_bots(TOPIC)
    assert hermes.pending() == []
    assert [one.outcome for one in hermes.ever_settled()] == ["restarted"]


@pytest.mark.parametrize("words", [SLASH, TYPED], ids=["slash", "typed"])
def test_one_restart_and_one_outcome_in_the_topic_that_asked(hermes: Installation, telegram, team, words):
    hermes.install()
    comes_back_once(hermes, telegram, team, words)
    assert outcomes(team)[0].startswith(f"restarted: gateway is back as pid {hermes.ready().identity.pid}, ")
    assert hermes.starts() == 2


@pytest.mark.parametrize(
    ("words", "step"),
    [
        *SAMPLE,
        *(
            pytest.param(words, step, marks=pytest.mark.nightly)
            for words in (SLASH, TYPED)
            for step in STEPS
            if (words, step) not in SAMPLE
        ),
    ],
)
def test_whoever_is_killed_meanwhile(hermes: Installation, telegram, team, words, step):
    struck = hermes.home / "struck"
    hermes.install(fault=fault("kill", step, struck))
    comes_back_once(hermes, telegram, team, words)
    assert struck.exists()
