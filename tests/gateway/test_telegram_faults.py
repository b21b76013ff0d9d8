"""Telegram away, refusing, polled by another, and a disk without room: nothing is lost, and each chat keeps its order."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.faults.places import fault
from support.models.telegram_story import Story

from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.conversations.store import Store

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

LONG = pytest.mark.nightly


@pytest.fixture
def make_story(make_telegram, configure, tmp_path):
    """Chats that are told to a bot with this configuration."""

    def make(chats, messages, more=""):
        return Story(make_telegram(), configure, tmp_path, chats, messages, more)

    return make


def lasts(gateway, seconds):
    """Let a state last."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        gateway.process.wait(seconds)
    assert gateway.process.poll() is None, gateway.log


@pytest.mark.parametrize("seconds", [0.0, pytest.param(60.0, marks=LONG)], ids=["noticed", "a-minute"])
def test_telegram_is_away_and_is_told_afterwards_what_was_said_meanwhile(make_story, start, telegram_figures, seconds):
    story = make_story(3, 6)
    gateway = start().ready()
    story.say_some(3)
    story.telegram.until(lambda: story.telegram.calls("sendChatAction"), "a turn")
    story.telegram.away()
    found = story.stands(gateway, "offline")
    assert found.problem is not None
    assert found.problem[0].startswith("Telegram cannot be reached")
    story.say_some(9)
    lasts(gateway, seconds)
    story.telegram.back()
    assert story.stands(gateway, "polling").problem is None
    telegram_figures(f"Telegram away for {seconds:.0f} s, noticed", story.end(gateway))


@pytest.mark.parametrize(("messages", "seconds"), [(4, 1), pytest.param(20, 5, marks=LONG)], ids=["short", "long"])
def test_every_tenth_call_is_refused_for_a_while(make_story, start, telegram_figures, messages, seconds):
    story = make_story(3, messages)
    story.telegram.flood("", seconds, 1 << 30, every=10)
    story.telegram.flood("getUpdates", 1, 1 << 30, every=4)
    gateway = start().ready()
    figures = story.end(gateway)
    assert figures.faults["refuse"] >= 2
    assert figures.strays + figures.untold == 0
    for chat in story.chats:
        calls = [call for call in story.telegram.calls() if call.arguments.get("chat_id") == chat.id]
        for one, following in itertools.pairwise(calls):
            assert one.status != 429 or following.at - one.at >= seconds - 0.1, "a call within the penalty"
    polls = story.telegram.calls("getUpdates")
    assert all(after.at - one.at >= 0.9 for one, after in itertools.pairwise(polls) if one.status == 429)
    telegram_figures(f"429 with {seconds} s on every tenth call", figures)


@pytest.mark.parametrize("seconds", [0.0, pytest.param(20.0, marks=LONG)], ids=["noticed", "long"])
def test_a_second_poller_is_shown_and_when_it_goes_everything_goes_on(make_story, start, telegram_figures, seconds):
    story = make_story(2, 4)
    gateway = start().ready()
    story.say_some(2)
    story.stands(gateway, "polling")
    gone = threading.Event()

    def poll():
        """What another program does; it confirms nothing, or Telegram would give us nothing that it has read."""
        while not gone.wait(0.05):
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(
                    f"{story.telegram.base_url}/bot{story.telegram.token}/getUpdates?timeout=50", timeout=1
                ).close()

    other = threading.Thread(target=poll)
    other.start()
    try:
        assert story.stands(gateway, "conflict").problem == (
            "another program polls this bot",
            "end it, or give this gateway a bot of its own",
        )
        story.say_some(4)
        lasts(gateway, seconds)
    finally:
        gone.set()
        other.join()
    assert story.stands(gateway, "polling").problem is None
    conflicts = sum(call.status == 409 for call in story.telegram.calls("getUpdates"))
    telegram_figures(f"a second poller for {seconds:.0f} s, noticed; {conflicts} conflicts", story.end(gateway))


COMMITS = [Store.accept_batch, Store.begin, Store.finish, Ledger.next, Ledger.placed, Ledger.done, Ledger.settle]
SEEN = {"begin": "cannot be kept on disk", "finish": "cannot be kept on disk"}
SEEN |= dict.fromkeys(("accept_batch", "next"), "messages could not be stored")
SEEN |= dict.fromkeys(("placed", "done"), "a delivery could not be noted")


@pytest.mark.parametrize("commit", COMMITS, ids=lambda commit: commit.__name__)
def test_a_disk_without_room_at_each_commit(make_story, start, tmp_path, commit):
    full = tmp_path / "full"
    full.touch()
    story = make_story(2, 2)
    gateway = start(HERMES_TEST_FAULT=fault(f"store:{full}", commit)).ready()
    story.say_some(2)
    seen = SEEN.get(commit.__name__)
    if seen is None:
        story.stands(gateway, "polling")
    else:  # twice: what is tried again must not leave anything each time
        tries = 1 if commit in {Store.begin, Store.finish} else 2
        story.telegram.until(lambda: gateway.log.count(seen) >= tries, seen)
    full.unlink()
    figures = story.end(gateway)
    assert figures.strays + figures.untold == 0


@pytest.fixture
def small_disk(paths):
    """A file system of 2 MiB below the home, and a function that fills it."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root on Linux can mount a small tmpfs")
    home = os.path.dirname(paths.state)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", home], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount a tmpfs")

    def fill():
        ballast = Path(home, "ballast")
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 1024)
        return ballast

    yield fill
    subprocess.run(["umount", "-l", home], check=True)


def test_a_disk_that_is_really_full(small_disk, make_story, start):
    story = make_story(4, 6)
    gateway = start().ready()
    story.stands(gateway, "polling")
    ballast = small_disk()
    story.say_some(20)
    story.telegram.until(lambda: "disk is full" in gateway.log, "the trouble")
    ballast.unlink()
    figures = story.end(gateway)
    assert figures.strays + figures.untold == 0


def peak(gateway):
    """Most memory that a gateway has had so far: MB."""
    (line,) = [one for one in Path(f"/proc/{gateway.pid}/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux")
@pytest.mark.parametrize(
    ("people", "each", "spam"), [(3, 20, 9_940), pytest.param(20, 500, 0, marks=LONG)], ids=["strangers", "people"]
)
def test_ten_thousand_updates_wait_at_the_start(
    make_telegram, configure, tmp_path, start, telegram_figures, people, each, spam
):
    telegram = make_telegram()
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(telegram.token)
    allowed = [1000 + number for number in range(people)]
    limits = "[limits]\nqueued = 50\n" if spam else ""
    configure(f'[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\nallow = {allowed}\n{limits}')
    chats = [telegram.person(identifier, f"person {identifier}") for identifier in allowed]
    mallory = telegram.person(666, "Mallory")
    telegram.say_all([(mallory, "spam")] * spam)
    telegram.say_all([(chat, f"{number}") for number in range(each) for chat in chats])
    gateway = start().ready()
    before = peak(gateway)
    wanted = [f"You said: {number}. Type /help." for number in range(each)]
    telegram.until(lambda: all(chat.of_bots()[-1:] == wanted[-1:] for chat in chats), "all answers", patience=3000)
    assert all(chat.of_bots() == wanted for chat in chats)
    assert mallory.of_bots() == []
    telegram.until(lambda: not telegram.bot.updates.pending(), "the confirmation")
    more = peak(gateway) - before
    telegram_figures(f"10,000 updates at the start, {people * each} of people", f"in order, once; {more:.1f} MB more")
    assert more < 25
    gateway.signal(signal.SIGTERM)
    assert gateway.exit_code() == 0


def test_a_refusal_that_quotes_the_token_is_shown_without_it(make_story, start, paths):
    story = make_story(1, 1)
    telegram = story.telegram
    telegram.refuse("getUpdates", 400, f"Bad Request: /bot{telegram.token}/getUpdates is wrong")
    gateway = start().ready()
    problem = story.stands(gateway, "refused").problem
    assert problem is not None
    assert problem[0].startswith("Telegram refuses to be polled: Bad Request: ")
    assert "is wrong" in gateway.log
    story.end(gateway)
    secret = telegram.token.partition(":")[2]
    assert secret not in gateway.log + str(problem)
    for file in Path(os.path.dirname(paths.state)).rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file
