"""What `hermes gateway doctor` says of the bot: asked of Telegram itself, within a bound, with the token nowhere."""

import json
import os
import stat
import subprocess
import sys

import pytest
from support import PATIENCE

from hermes_cli.cli import ask_telegram
from hermes_cli.status import telegram as states

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e


@pytest.fixture
def token(tmp_path, telegram):
    file = tmp_path / "token"
    file.write_text(telegram.token)
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return file


@pytest.fixture(autouse=True)
def bot(telegram, token, configure):
    configure(f'[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\nterminal = [4711]\n')


@pytest.fixture
def check(paths):
    def look():
        (found,) = ask_telegram.checks(paths)
        return found.passed, [one.text for one in found.problems]

    return look


def test_it_names_the_bot_and_what_waits_to_be_fetched(telegram, check):
    telegram.say(telegram.person(4711), "hello")
    assert check() == ("Telegram knows the bot as @hermes_test_bot, 1 update to fetch", [])
    assert telegram.calls("getUpdates") == []
    telegram.bot.updates.webhook = "https://example.org"
    assert check()[0].endswith("a webhook is set, which the gateway takes away")


def test_a_refused_token_is_a_problem_that_does_not_show_it(telegram, check, token):
    token.write_text("123456:AAE-this-one-is-not-known")
    passed, problems = check()
    assert problems == ["Telegram refuses the bot's token (401)"]
    assert "not-known" not in passed
    token.chmod(0o644)
    assert "can be read or changed by somebody else" in check()[1][0]
    token.chmod(0o600)
    telegram.refuse("getMe", 403, f"Forbidden: /bot{telegram.token}/getMe")
    token.write_text(telegram.token)
    (problem,) = check()[1]
    assert problem.startswith("Telegram does not say who the bot is: 403 Forbidden: ")
    assert telegram.token.partition(":")[2] not in problem


@pytest.mark.parametrize("trouble", ["away", "hang", "html", "drop-before"])
def test_no_answer_is_no_problem_and_no_wait_without_end(telegram, check, monkeypatch, trouble):
    monkeypatch.setattr(ask_telegram, "_PATIENCE", 0.5 if trouble == "hang" else 5.0)
    if trouble == "away":
        telegram.away()
    else:
        telegram.fault("getMe", trouble)
    passed, problems = check()
    assert passed.startswith("not known whether Telegram takes the bot's token: ")
    assert problems == []


def test_a_server_without_an_address_is_not_known_either(telegram, token, configure, check):
    configure(f'[telegram]\ntoken_file = "{token}"\napi = "https://telegram.invalid"\n')
    assert check() == ("not known whether Telegram takes the bot's token: telegram.invalid has no address here", [])


def test_the_command_says_how_the_running_gateway_stands_with_another_poller(telegram, start, paths):
    gateway = start().ready()
    telegram.refuse("getUpdates", 409, "Conflict: terminated by other getUpdates request", 1_000_000)
    telegram.say(telegram.person(4711), "hello")  # ends the poll

    def in_conflict():
        found = states.read(paths, gateway.pid)
        return found is not None and found.state == "conflict"

    telegram.until(in_conflict, "the conflict")
    done = subprocess.run(
        [sys.executable, "-m", "hermes_cli", "gateway", "doctor", "--json"],
        env=os.environ | {"HERMES_HOME": os.path.dirname(paths.state), "HERMES_SERVICE_MANAGER": "embedded"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    found = json.loads(done.stdout)["checks"]
    assert "another program polls this bot" in [one["text"] for each in found for one in each["problems"]]
    assert found[-1]["check"].startswith("Telegram knows the bot as @hermes_test_bot")
    assert "; the gateway: conflict as @hermes_test_bot, " in found[-1]["check"]
    assert " 0 undelivered" in found[-1]["check"]
    assert telegram.token.partition(":")[2] not in done.stdout + done.stderr
