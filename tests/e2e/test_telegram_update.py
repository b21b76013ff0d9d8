"""`/update` in a topic of Telegram: one message that is edited from the first line to the outcome, whoever is killed."""

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import Installation
from support.releases.changes import DIES_AT_START, DIES_LATER, SOUND
from support.releases.checkout import Checkout
from telegram_emulator import User
from telegram_emulator.emulator import Telegram
from telegram_emulator.people import Chat

from hermes_cli.gateway import run
from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.conversations.updates import Updates
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.intents.driver import Driver
from hermes_cli.update import chat_job

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

ANN = User(4711, "Ann")
TOPIC = 7
GATEWAY = "gateway run"
SAMPLE = [
    (GATEWAY, on_return(Updates._deliver)),
    (GATEWAY, on_call(Ledger.done)),
    ("", on_return(Lifecycle.exited)),
]
STEPS = [
    (GATEWAY, on_call(Store.accept_batch)),
    (GATEWAY, on_return(Store.accept_batch)),
    (GATEWAY, on_call(Store.finish)),
    (GATEWAY, on_return(Store.finish)),
    (GATEWAY, on_call(Updates._deliver)),
    (GATEWAY, on_call(Store.notice)),
    (GATEWAY, on_return(Store.notice)),
    (GATEWAY, on_call(Ledger.placed)),
    (GATEWAY, on_return(Ledger.placed)),
    (GATEWAY, on_return(Ledger.done)),
    (GATEWAY, on_return(run.Gateway._poke)),
    ("", on_return(Driver._observe)),
    ("", on_return(Driver._act)),
]


@pytest.fixture
def team(telegram: Telegram) -> Chat:
    return telegram.group(-100123, "Team", topics=(TOPIC, TOPIC + 1))


@pytest.fixture
def install(
    checkout: Checkout, make_installation: Callable[..., Installation], telegram: Telegram, tmp_path: Path, team: Chat
) -> Callable[..., Installation]:
    """Install a gateway whose bot Ann may use in the group."""

    def make(struck: str | None = None) -> Installation:
        token = tmp_path / "bot token"
        token.write_text(telegram.token)
        token.chmod(stat.S_IRUSR | stat.S_IWUSR)
        made = make_installation(code=checkout.path)
        config = Path(made.home) / "config.toml"
        config.write_text(
            f'{config.read_text()}\n[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\n'
            f"terminal = [{ANN.id}]\ngroups = [-100123]\n"
        )
        made.install(**({} if struck is None else {"fault": struck}))
        return made

    return make


def ask(telegram: Telegram, team: Chat) -> None:
    telegram.say(team, "/update@hermes_test_bot", TOPIC, user=ANN)


def progress(team: Chat) -> str:
    """What the topic has, but for the answer at the end; placeholders whose fate nobody knew are counted elsewhere."""
    found = [text for text in team.of_bots(TOPIC) if text != "…" and "still there?" not in text]
    assert len(found) <= 1, "\n---\n".join(found)
    return found[0] if found else ""


def ended(telegram: Telegram, team: Chat, hermes: Installation, outcome: str) -> str:
    """Wait for the outcome, and for everything; return the one message."""
    telegram.until(lambda: re.search(outcome, "\n".join(team.of_bots(TOPIC)), re.MULTILINE), "the outcome")
    hermes.until(lambda: not _left(hermes), "the end of the update's output")
    telegram.say(team, "@hermes_test_bot still there?", TOPIC, user=ANN)
    telegram.until(lambda: any("still there?" in text for text in team.of_bots(TOPIC)), "an answer")
    text = progress(team)
    assert len(re.findall(outcome, text, re.MULTILINE)) == 1, text
    assert text.count("restarted: ") + text.count("failed: ") == 1, text
    assert team.of_bots() == team.of_bots(TOPIC)
    return text


def _left(hermes: Installation) -> list[str]:
    folder = Path(chat_job.folder(hermes.paths))
    return [entry.name for entry in folder.iterdir()] if folder.exists() else []


def test_an_update_is_one_message_from_its_first_line_to_its_outcome(
    install: Callable[..., Installation], checkout: Checkout, telegram: Telegram, team: Chat
) -> None:
    hermes = install()
    before = hermes.ready()
    new = checkout.release(*SOUND)
    ask(telegram, team)
    after = hermes.ready(other_than=before)
    text = ended(telegram, team, hermes, r"^restarted: gateway is back as pid \d+, revision ")
    assert after.revision == new
    lines = text.splitlines()
    assert lines[0].startswith("fetching origin")
    assert any(line.startswith("proving that") for line in lines)
    assert any(line.startswith("restarting the gateway") for line in lines)
    assert lines[-1].startswith(f"restarted: gateway is back as pid {after.identity.pid}, ")
    assert len(lines) == len(set(lines))
    (shown,) = [one for one in team.seen(TOPIC) if one.text == text]
    assert shown.was[0] == "…"
    assert team.of_bots(TOPIC).count("…") == 0


def test_a_release_that_does_not_stay_is_taken_back_in_the_same_message(
    install: Callable[..., Installation], checkout: Checkout, telegram: Telegram, team: Chat
) -> None:
    hermes = install()
    before = hermes.ready()
    checkout.release(*DIES_AT_START)
    ask(telegram, team)
    text = ended(telegram, team, hermes, r"^restart failed: ")
    assert hermes.ready().revision == before.revision
    assert text.splitlines()[0].startswith("fetching origin")


def test_a_release_that_is_taken_back_after_its_outcome_is_said_to_be_in_a_message_that_rings(
    install: Callable[..., Installation], checkout: Checkout, telegram: Telegram, team: Chat
) -> None:
    hermes = install()
    old = hermes.ready().revision
    bad = checkout.release(*DIES_LATER)
    ask(telegram, team)
    said = f"rollback of {bad} (gateway, after 3 crashes): restarted: gateway is back as pid "
    telegram.until(lambda: any(text.startswith(said) for text in team.of_bots(TOPIC)), "the rollback")
    outcome, taken_back = [text for text in team.of_bots(TOPIC) if "restarted: " in text]
    assert f", revision {bad}, " in outcome
    assert f", revision {old}, " in taken_back
    assert team.of_bots() == team.of_bots(TOPIC)


def test_a_rollback_that_a_person_types_in_a_shell_is_said_where_the_release_was_asked_for(
    install: Callable[..., Installation], checkout: Checkout, telegram: Telegram, team: Chat
) -> None:
    hermes = install()
    old = hermes.ready().revision
    new = checkout.release(*SOUND)
    ask(telegram, team)
    ended(telegram, team, hermes, r"^restarted: gateway is back as pid \d+, revision ")
    assert hermes.run("update", "--rollback").returncode == 0
    said = f"rollback of {new} (hermes update --rollback): restarted: gateway is back as pid "
    telegram.until(lambda: team.of_bots(TOPIC)[-1].startswith(said), "the rollback")
    assert f", revision {old}, " in team.of_bots(TOPIC)[-1]
    assert team.of_bots() == team.of_bots(TOPIC)


def test_nothing_new_is_one_message_and_no_outcome(
    install: Callable[..., Installation], checkout: Checkout, telegram: Telegram, team: Chat
) -> None:
    hermes = install()
    hermes.ready()
    ask(telegram, team)
    telegram.until(lambda: "already up to date" in progress(team), "the answer")
    hermes.until(lambda: not _left(hermes), "the end of the update's output")
    assert "restarted" not in progress(team)


@pytest.mark.parametrize(
    ("program", "step"),
    [*SAMPLE, *(pytest.param(*one, marks=pytest.mark.nightly) for one in STEPS)],
    ids=lambda one: str(one) or "any",
)
def test_whoever_is_killed_meanwhile_it_stays_one_message_with_one_outcome(
    install: Callable[..., Installation],
    checkout: Checkout,
    telegram: Telegram,
    team: Chat,
    tmp_path: Path,
    program: str,
    step: Place,
) -> None:
    struck = tmp_path / "struck"
    hermes = install(fault("kill", step, struck, program))
    new = checkout.release(*SOUND)
    ask(telegram, team)
    hermes.until(struck.exists, "the blow")
    text = ended(telegram, team, hermes, r"^restarted: gateway is back as pid \d+, revision ")
    assert hermes.ready().revision == new
    lines = [line for line in text.splitlines() if not line.startswith(("restarted: ", "the gateway ended while"))]
    said = [line.split(" ", 2)[2] for line in Path(hermes.paths.logs, "update.log").read_text().splitlines()]
    assert [line for line in lines if line in said] == said
    assert team.of_bots(TOPIC).count("…") <= 1
