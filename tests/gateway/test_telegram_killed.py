"""Many chats, a network that drops calls, and a gateway that is ended again and again: what each chat has in the end."""

import os
import random
import signal

import pytest
from support.faults.places import all_of, fault, on_call, on_return
from support.models.telegram_story import Story
from telegram_emulator import Telegram

from hermes_cli.gateway.channels.telegram.ledger import Ledger

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

SIZES = pytest.mark.parametrize(
    ("chats", "messages", "lives"),
    [(5, 4, 6), pytest.param(10, 60, 150, marks=pytest.mark.nightly)],
    ids=["short", "whole"],
)


@pytest.fixture
def dice():
    """Chance that can be had again."""
    seed = int(os.environ.get("HERMES_CHAOS_SEED", random.randrange(1 << 30)))
    print(f"HERMES_CHAOS_SEED={seed}")
    return random.Random(seed)


def trouble(telegram: Telegram, dice: random.Random) -> None:
    """Have some of the next calls be dropped before or after their effect, late, half or refused."""
    kind = dice.choice(("drop-before", "drop-after", "truncate", "html", "late"))
    telegram.fault("", kind, 2, skip=dice.randrange(10), every=dice.randrange(2, 6), seconds=dice.uniform(0.1, 0.6))
    telegram.flood("sendMessage", 1, 1, skip=dice.randrange(10))


@SIZES
def test_killed_at_random_nothing_is_lost_and_nothing_comes_twice(
    make_telegram, configure, tmp_path, start, dice, telegram_figures, chats, messages, lives
):
    story = Story(make_telegram(latency=0.08), configure, tmp_path, chats, messages)
    while not story.is_over() and lives > 0:
        lives -= 1
        trouble(story.telegram, dice)
        story.live(start, signal.SIGKILL, dice, words=chats)
    figures = story.end(start().ready())
    telegram_figures(f"kill -9 again and again, {chats} chats of {messages}", figures)


@SIZES
def test_restarted_in_order_nothing_is_cut_off_and_no_stray_is_left(
    make_telegram, configure, tmp_path, start, dice, telegram_figures, chats, messages, lives
):
    story = Story(make_telegram(latency=0.08), configure, tmp_path, chats, messages, "[gateway]\ndrain_timeout = 120\n")
    while not story.is_over() and lives > 0:
        lives -= 1
        story.live(start, signal.SIGUSR1, dice, words=chats)
    figures = story.end(start().ready())
    assert (figures.cut_off, figures.strays, figures.untold) == (0, 0, 0)
    telegram_figures(f"graceful restarts again and again, {chats} chats of {messages}", figures)


STEPS = [on_return(Ledger.placed), on_call(Ledger.done)]


@pytest.mark.parametrize(
    "step",
    [
        *STEPS,
        *(pytest.param(one, marks=pytest.mark.nightly) for one in (on_call(Ledger.placed), on_return(Ledger.done))),
    ],
)
def test_an_answer_of_several_parts_is_whole_and_there_once_whoever_is_killed_between_them(
    make_telegram, configure, tmp_path, start, step
):
    story = Story(make_telegram(), configure, tmp_path, 1, 1)
    strikes = [tmp_path / f"struck {number}" for number in range(3)]
    story.telegram.say(story.chats[0], "!seq 1 2500")
    whole = "\n".join(str(number) for number in range(1, 2501))
    for _ in strikes:
        gateway = start(HERMES_TEST_FAULT=all_of(*(fault("kill", step, once) for once in strikes)))
        assert gateway.exit_code() == -signal.SIGKILL
    assert all(one.exists() for one in strikes)
    last = start().ready()
    story.telegram.until(lambda: "\n".join(story.texts(story.chats[0])) == whole, "all of it, once")
    strays = len(story.chats[0].of_bots()) - len(story.texts(story.chats[0]))
    assert strays == (3 if step == on_call(Ledger.placed) else 0)
    last.signal(signal.SIGTERM)
    assert last.exit_code() == 0
