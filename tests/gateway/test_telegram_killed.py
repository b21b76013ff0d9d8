"""Many chats, a network that drops calls, and a gateway that is killed at any moment: what each chat has in the end."""

import contextlib
import os
import random
import signal
import subprocess
from collections import Counter

import pytest
from telegram_emulator.fixture import Telegram

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

CUT = ("cut off", "dropped")


class Story:
    """Chats that say numbered things, each of which leaves a line when it is executed."""

    def __init__(self, telegram, configure, folder, chats, messages):
        self.telegram = telegram
        self.done = folder / "executed"
        self.done.touch()
        token = folder / "token"
        token.write_text(telegram.token)
        token.chmod(0o600)
        self.chats = [telegram.person(1000 + number, f"person {number}") for number in range(chats)]
        allowed = ", ".join(str(chat.id) for chat in self.chats)
        configure(
            f'[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\nterminal = [{allowed}]\n'
            "[gateway]\ndrain_timeout = 20\n"
        )
        self.messages = messages
        self.left = [(chat, number) for number in range(messages) for chat in self.chats]
        self.kills = 0

    def say_some(self, count):
        """Have people go on."""
        for chat, number in self.left[:count]:
            self.telegram.say(chat, f"!echo {chat.id}.{number} >> '{self.done}'; echo {chat.id}.{number}")
        del self.left[:count]

    def texts(self, chat):
        return [text for text in chat.of_bots() if text != "…" and not text.endswith("\n…")]

    def all_answered(self):
        return all(len(self.texts(chat)) >= self.messages for chat in self.chats)

    def strays(self):
        return sum(len(chat.of_bots()) - len(self.texts(chat)) for chat in self.chats)

    def check(self):
        """Nothing is lost, nothing executed or answered twice, in each chat in order; the rest was cut off and says so."""
        executed = Counter(self.done.read_text().split())
        assert not [one for one, count in executed.items() if count > 1], executed.most_common(3)
        for chat in self.chats:
            texts = self.texts(chat)
            assert len(texts) == self.messages, "\n".join(texts)
            whole = [text for text in texts if not text.startswith(CUT)]
            expected = [f"{chat.id}.{number}" for number in range(self.messages)]
            assert whole == [one for one in expected if one in whole], texts
            assert set(whole) <= set(executed)
        assert self.telegram.pending() == 0


@pytest.fixture
def story(make_telegram, configure, tmp_path):
    def make(chats, messages, latency):
        return Story(make_telegram(latency=latency), configure, tmp_path, chats, messages)

    return make


def tell(story, start, kills, dice, number, trouble):
    """Kill the gateway again and again, at moments that the dice decide, while people write."""
    for _ in range(kills):
        trouble(story.telegram)
        gateway = start().ready()
        story.say_some(max(1, len(story.chats) * story.messages // kills + 1))
        with contextlib.suppress(subprocess.TimeoutExpired):
            gateway.process.wait(dice.uniform(0.0, 0.5))
        gateway.signal(number)
        gateway.exit_code()
        story.kills += 1
    story.say_some(len(story.left))
    last = start().ready()
    story.telegram.until(story.all_answered, "an answer to everything", patience=240)
    story.telegram.until(lambda: not story.telegram.bot.updates.pending(), "the confirmation")
    last.signal(signal.SIGTERM)
    assert last.exit_code() == 0
    story.check()


def lossy(dice):
    """Have some calls be dropped before or after their effect, late, half or refused."""

    def trouble(telegram: Telegram) -> None:
        kind = dice.choice(("drop-before", "drop-after", "truncate", "html"))
        telegram.fault("", kind, 2, skip=dice.randrange(10), every=dice.randrange(2, 6))
        telegram.flood("sendMessage", 1, 1, skip=dice.randrange(10))

    return trouble


@pytest.mark.parametrize(
    ("chats", "messages", "kills", "latency"),
    [(5, 4, 5, 0.02), pytest.param(10, 60, 40, 0.08, marks=pytest.mark.nightly)],
    ids=["short", "whole"],
)
def test_killed_at_random_nothing_is_lost_and_nothing_comes_twice(story, start, chats, messages, kills, latency):
    seed = int(os.environ.get("HERMES_CHAOS_SEED", random.randrange(1 << 30)))
    print(f"HERMES_CHAOS_SEED={seed}")
    dice = random.Random(seed)
    told = story(chats, messages, latency)
    tell(told, start, kills, dice, signal.SIGKILL, lossy(dice))
    unknown = sum(1 for call in told.telegram.calls("sendMessage") if call.fault in {"drop-after", "truncate", "html"})
    assert told.strays() <= chats * kills + unknown
    print(f"{kills} kills, {told.strays()} strays")


@pytest.mark.parametrize(
    ("chats", "messages", "restarts"),
    [(5, 4, 3), pytest.param(10, 60, 20, marks=pytest.mark.nightly)],
    ids=["short", "whole"],
)
def test_restarted_in_order_nothing_is_cut_off_and_no_stray_is_left(story, start, chats, messages, restarts):
    told = story(chats, messages, 0.02)
    tell(told, start, restarts, random.Random(1), signal.SIGUSR1, lambda _: None)
    assert told.strays() == 0
    assert all(len(told.texts(chat)) == len(set(told.texts(chat))) for chat in told.chats), "something was cut off"
    assert not any(text.startswith(CUT) for chat in told.chats for text in told.texts(chat))
