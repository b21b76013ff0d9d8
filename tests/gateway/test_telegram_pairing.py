"""Strangers, their codes, and who was let in: with a real gateway, the real command line and the emulated Bot API."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import PATIENCE
from support.faults.places import fault, on_call, on_return
from support.machines.interpreter import FAULTS
from telegram_emulator import User

from hermes_cli.gateway import people
from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.people import MOST_ANSWERS, MOST_CODES, MOST_WRONG, People
from hermes_cli.status import telegram as states

jsonschema = pytest.importorskip("jsonschema", reason="the group proof is not installed")
pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

SCHEMA = Path(__file__).parents[2] / "hermes_cli" / "schemas" / "pairing.schema.json"
ANN, EVE = 4711, 666
WELCOME = "You may write here now. /help says what is answered at once."


@pytest.fixture
def bot(telegram, configure, tmp_path):
    token = tmp_path / "token"
    token.write_text(telegram.token)
    token.chmod(stat.S_IRUSR | stat.S_IWUSR)

    def write(more="pairing = true"):
        configure(f'[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\nterminal = [{ANN}]\n{more}\n')

    write()
    return write


@pytest.fixture
def ann(telegram):
    return telegram.person(ANN, "Ann")


@pytest.fixture
def eve(telegram):
    return telegram.person(EVE, "Eve")


@pytest.fixture
def pairing(paths):
    """Run `hermes pairing` on this gateway's profile."""

    def run(*words, **variables):
        home = os.path.dirname(paths.state)
        return subprocess.run(
            [sys.executable, "-m", "hermes_cli", "pairing", *words],
            env=os.environ | {"HERMES_HOME": home} | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


def code_of(telegram, chat):
    """The code that this chat was told last, once one is there."""

    def told():
        texts = [text for text in chat.of_bots() if "pairing approve" in text]
        return re.findall(r"[A-Z0-9]{4}-[A-Z0-9]{4}", texts[-1])[0] if texts else None

    return telegram.until(told, f"a code in {chat.title}")


def answered(telegram, chat, text):
    telegram.until(lambda: chat.of_bots()[-1:] == [text], f"{text!r} in {chat.title}")


def taken(telegram):
    telegram.until(lambda: not telegram.bot.updates.pending(), "the confirmation")


def rows(paths, table):
    store = Store(paths.messages)
    try:
        People(store)
        return store.beside("").execute(f"SELECT * FROM {table}").fetchall()
    finally:
        store.close()


def test_a_stranger_is_let_in_by_the_code_that_only_they_were_told(telegram, bot, eve, start, pairing, paths):
    start().ready()
    telegram.say(eve, "!echo hi")
    code = code_of(telegram, eve)
    listed = pairing("list", "--json")
    assert code not in listed.stdout
    assert [one["user"] for one in json.loads(listed.stdout)["waiting"]] == [str(EVE)]
    done = pairing("approve", code.lower().replace("-", " "))
    assert (done.returncode, done.stdout) == (0, "Eve (666) may write to the bot, without the terminal\n"), done.stderr
    answered(telegram, eve, WELCOME)
    telegram.say(eve, "hello")
    answered(telegram, eve, "You said: hello. Type /help.")
    telegram.say(eve, "!echo hi")
    answered(telegram, eve, "[not run: who asked may not use the terminal]")
    assert len(eve.of_bots()) == 4
    assert pairing("approve", code).returncode == 1
    document = json.loads(pairing("list", "--json").stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert [(one["name"], one["terminal"]) for one in document["people"]] == [("Eve", False)]


def test_nobody_is_told_a_code_unless_it_is_turned_on(telegram, bot, ann, eve, start, paths):
    bot("")
    start().ready()
    telegram.say(eve, "let me in")
    telegram.say(ann, "hello")
    answered(telegram, ann, "You said: hello. Type /help.")
    taken(telegram)
    assert eve.of_bots() == []
    assert rows(paths, "pairing") == []


def test_with_the_terminal_commands_are_run_and_others_are_let_in_in_the_chat(telegram, bot, eve, start, pairing):
    start().ready()
    telegram.say(eve, "hello")
    assert pairing("approve", code_of(telegram, eve), "--terminal").returncode == 0
    answered(telegram, eve, WELCOME)
    telegram.say(eve, "!echo hi")
    answered(telegram, eve, "hi")


def test_of_what_a_stranger_writes_nothing_is_stored_and_repetition_gets_the_same_code(
    telegram, bot, ann, eve, start, paths
):
    start().ready()
    for number in range(MOST_ANSWERS + 3):
        telegram.say(eve, f"sesame {number}")
        taken(telegram)
    telegram.say(ann, "hello")
    answered(telegram, ann, "You said: hello. Type /help.")
    telegram.until(lambda: len(eve.of_bots()) == MOST_ANSWERS, "the answers")
    assert len(set(eve.of_bots())) == 1
    home = os.path.dirname(paths.state)
    for folder, _, files in os.walk(home):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    assert b"sesame" not in file.read(), path


def test_strangers_flood_neither_the_store_nor_the_network(telegram, bot, ann, start, paths):
    many = [telegram.person(1000 + number, f"Eve {number}") for number in range(MOST_CODES + 15)]
    for _ in range(MOST_ANSWERS + 2):
        for one in many:
            telegram.say(one, "hello")
    gateway = start().ready()
    telegram.say(ann, "hello")
    answered(telegram, ann, "You said: hello. Type /help.")
    telegram.until(lambda: sum(bool(one.of_bots()) for one in many) == MOST_CODES, "as many codes as there may be")
    taken(telegram)
    assert len(rows(paths, "pairing")) == MOST_CODES
    assert all(len(one.of_bots()) <= MOST_ANSWERS for one in many)
    found = states.read(gateway.paths, gateway.pid)
    assert found is not None


def test_a_group_pairs_nobody(telegram, bot, ann, start, paths):
    bot("pairing = true\ngroups = [-100123]")
    start().ready()
    telegram.until(lambda: telegram.calls("getUpdates"), "the first poll")
    team = telegram.group()
    telegram.say(team, "@hermes_test_bot let me in", user=User(EVE, "Eve"))
    telegram.say(ann, "hello")
    answered(telegram, ann, "You said: hello. Type /help.")
    taken(telegram)
    assert team.of_bots() == []
    assert rows(paths, "pairing") == []


def test_revoke_ends_a_running_turn_what_waits_and_what_comes(telegram, bot, eve, start, pairing, tmp_path):
    start().ready()
    telegram.say(eve, "hello")
    assert pairing("approve", code_of(telegram, eve), "--terminal").returncode == 0
    answered(telegram, eve, WELCOME)
    telegram.say(eve, "!echo secret; sleep 600")
    telegram.until(lambda: any("secret" in text for text in eve.of_bots()), "the turn")
    telegram.say(eve, f"!touch {tmp_path}/queued")
    taken(telegram)
    done = pairing("revoke", str(EVE))
    assert (done.returncode, done.stdout) == (0, "666 may not write to the bot any more\n")
    telegram.until(
        lambda: "not run: who wrote this may not write here any more" in eve.of_bots(), "the end of what waited"
    )
    cut = next(text for text in eve.of_bots() if text.startswith("cut off after"))
    assert cut.endswith("who wrote this may not write here any more")
    assert not any("secret" in text for text in eve.of_bots())
    before = len(eve.of_bots())
    telegram.say(eve, f"!touch {tmp_path}/later")
    code_of(telegram, eve)
    taken(telegram)
    telegram.until(lambda: len(eve.of_bots()) == before + 1, "a new code")
    assert not (tmp_path / "queued").exists()
    assert not (tmp_path / "later").exists()
    assert pairing("revoke", str(EVE)).returncode == 0  # the new code
    assert pairing("revoke", str(EVE)).returncode == 1


def test_who_is_named_in_the_configuration_is_revoked_there(bot, start, pairing):
    start().ready()
    done = pairing("revoke", str(ANN))
    assert done.returncode == 1
    assert f"{ANN} may write by telegram.terminal of config.toml" in done.stderr


def test_what_was_approved_or_revoked_while_the_gateway_was_away_counts_when_it_is_back(
    telegram, bot, eve, start, pairing, tmp_path
):
    first = start().ready()
    telegram.say(eve, "hello")
    code = code_of(telegram, eve)
    first.signal(signal.SIGKILL)
    first.exit_code()
    done = pairing("approve", code, "--terminal")
    assert done.stdout.endswith("; they are told when the gateway runs\n"), done.stderr
    telegram.say(eve, "early")
    second = start().ready()
    answered(telegram, eve, "You said: early. Type /help.")
    assert eve.of_bots().count(WELCOME) == 1
    telegram.say(eve, "!echo begun; sleep 600")
    telegram.say(eve, f"!touch {tmp_path}/queued")
    telegram.until(lambda: any("begun" in text for text in eve.of_bots()), "the turn")
    second.signal(signal.SIGKILL)
    second.exit_code()
    assert pairing("revoke", str(EVE)).returncode == 0
    start().ready()
    answered(telegram, eve, "not run: who wrote this may not write here any more")
    assert not (tmp_path / "queued").exists()


def test_wrong_codes_end_those_that_are_open(telegram, bot, eve, start, pairing, paths):
    start().ready()
    telegram.say(eve, "hello")
    code = code_of(telegram, eve)
    assert pairing("approve", "hunter2").returncode == 2
    store, found = people.opened(paths.messages)
    for _ in range(MOST_WRONG - 1):
        assert found.approve("AAAA-AAAA", time.time(), terminal=False, welcome="") is None
    assert [one.code for one in found.waiting(time.time())] == [people.plain(code)]
    assert pairing("approve", "AAAA-AAAA").returncode == 1
    assert found.waiting(time.time()) == []
    store.close()
    assert pairing("approve", code).returncode == 1


def test_a_code_is_over_after_an_hour_and_after_a_clock_that_was_set_back(telegram, bot, eve, start, paths):
    start().ready()
    telegram.say(eve, "hello")
    code = code_of(telegram, eve)
    store, found = people.opened(paths.messages)
    now = time.time()
    assert found.approve(code, now + people.CODE_LIFE, terminal=False, welcome="") is None
    assert found.waiting(now) == []
    telegram.say(eve, "again")
    telegram.until(lambda: code_of(telegram, eve) != code, "another code")
    assert found.waiting(now - 3600) == []
    store.close()


@pytest.mark.parametrize("step", [on_call(Store.accept_batch), on_return(Store.accept_batch), on_call(Ledger.placed)])
def test_a_gateway_that_is_killed_with_a_stranger_tells_one_code(telegram, bot, eve, start, tmp_path, step):
    struck = tmp_path / "struck"
    telegram.say(eve, "hello")
    first = start(HERMES_TEST_FAULT=fault("kill", step, struck))
    first.exit_code()
    assert struck.exists()
    start().ready()
    code_of(telegram, eve)
    taken(telegram)
    assert len([text for text in eve.of_bots() if text != "…"]) == 1


def test_an_approval_whose_command_line_dies_is_told_at_the_next_message(
    telegram, bot, ann, eve, start, pairing, tmp_path
):
    start().ready()
    telegram.say(eve, "hello")
    killed = fault("kill", on_return(People.approve), tmp_path / "struck")
    done = pairing("approve", code_of(telegram, eve), HERMES_TEST_FAULT=killed, PYTHONPATH=str(FAULTS))
    assert done.returncode == -signal.SIGKILL
    telegram.say(ann, "hello")
    answered(telegram, eve, WELCOME)


def test_status_counts_people_and_codes(telegram, bot, eve, start, pairing, paths):
    gateway = start().ready()
    telegram.say(eve, "hello")
    code = code_of(telegram, eve)

    def count(wanted):
        found = states.read(paths, gateway.pid)
        return found is not None and (found.paired, found.codes) == wanted

    telegram.until(lambda: count((0, 1)), "an open code")
    assert pairing("approve", code).returncode == 0
    telegram.until(lambda: count((1, 0)), "a person")


def test_without_a_store_nobody_was_let_in(pairing):
    assert pairing("list").stdout == "nobody was let in by a code, and nobody waits\n"
    assert pairing("approve", "ABCD-EFGH").returncode == 1
    assert pairing("revoke", "12").returncode == 1
