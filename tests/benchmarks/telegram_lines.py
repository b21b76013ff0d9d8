"""What Telegram costs: nothing where it is not configured, and what an idle bot and a message cost where it is."""

import json
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count, pairwise

import psutil
from bench import CONFIG, QUICK, Bench
from gateway_lines import ready_after_spawn
from measure import Figure, Limits, Row, Samples, interleave, timed
from support.machines.installation import Installation
from telegram_emulator import Telegram

from hermes_cli.programs import own as instance
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle

_BEFORE = "ac4fcf2^"  # the last code that knew neither Telegram nor models
_ANN = 4711
_PATIENCE = 40.0  # seconds


def rows(bench: Bench) -> Iterator[Row | Figure]:
    """Nothing configured against the code before; then a bot: idle, a message, a restart."""
    yield from _unused(bench)
    if find_spec("httpx2") is None:
        print("  telegram: the extra is not installed", flush=True)
        return
    with Telegram() as telegram:
        yield _ready_without_it(bench)
        running = _installed(bench, "telegram", telegram)
        plain = _installed(bench, "plain", None)
        yield from _idle(bench, running, telegram)
        yield _typing(bench, telegram)
        yield from _restarts(bench, running, plain, telegram)


def _configured(bench: Bench, name: str, base_url: str, token: str) -> Installation:
    found = bench.installation(name)
    secret = found.home / "token"
    secret.touch(0o600)
    secret.write_text(token, encoding="ascii")
    text = f"{CONFIG}[telegram]\ntoken_file = {json.dumps(str(secret))}\napi = {json.dumps(base_url)}\nallow = {list(range(_ANN, _ANN + 100))}\n"
    (found.home / "config.toml").write_text(text, encoding="utf-8")
    return found


def _installed(bench: Bench, name: str, telegram: Telegram | None) -> Installation:
    found = _configured(bench, name, telegram.base_url, telegram.token) if telegram else bench.installation(name)
    found.install()
    return found


# --- where nothing of it is configured


def _unused(bench: Bench) -> Iterator[Figure]:
    """Pairs of one gateway of this code and one of the code before, which also had less of everything else."""
    before, now = bench.of_release("before", _BEFORE), bench.installation("unused")
    if before is None:
        print("  telegram: there is no history to compare with", flush=True)
        return
    seen: list[tuple[float, float]] = []  # seconds and MB more

    for number in range(-2, bench.effort.restarts * 2):
        pair = {one: ready_after_spawn(bench, one) for one in ((before, now) if number % 2 else (now, before))}
        if number >= 0:
            seen.append((pair[now][0] - pair[before][0], pair[now][1] - pair[before][1]))
    yield Figure("nothing configured: later ready than before", _of([one for one, _ in seen]), "ms", 1e3, 5)
    yield Figure("nothing configured: more memory of its own", _of([one for _, one in seen]), "MB", 1, 0.5)


# --- a bot


def _ready_without_it(bench: Bench) -> Row:
    """Ready although nobody listens where Telegram should be."""
    plain = bench.installation("without a bot")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        found = _configured(bench, "unreachable", url, "123456:AAE-unreachable")
        floor, ours = interleave(
            bench.effort.restarts,
            (lambda: ready_after_spawn(bench, plain)[0], lambda: ready_after_spawn(bench, found)[0]),
        )
    return Row(
        "ready, Telegram unreachable", "the same without Telegram", floor, ours, Limits(ratio=1.25, seconds=0.25)
    )


def _idle(bench: Bench, running: Installation, telegram: Telegram) -> Iterator[Figure]:
    before = running.ready()
    _await_poll(telegram, 0)
    memory = psutil.Process(before.identity.pid).memory_full_info()
    yield Figure("resident memory, idle, with Telegram", _of([memory.rss / 1e6]), "MB", 1, 40)
    yield Figure("  of it its own (uss)", _of([memory.uss / 1e6]), "MB", 1)
    if bench.effort is QUICK:
        return
    first = len(telegram.calls()) - 1
    telegram.until(lambda: len(telegram.journal) >= first + 3, "two more polls")
    calls = telegram.calls()[first : first + 3]
    spans = [after.at - one.at for one, after in pairwise(calls)]
    yield Figure("requests in 50 s, idle", _of([50 / span for span in spans]), "", 1, 1.01)


def _typing(bench: Bench, telegram: Telegram) -> Row:
    """From a person's message to the typing that it causes: one commit and one call."""
    import httpx2

    database = sqlite3.connect(bench.root / "bare.sqlite", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE messages (text TEXT)")
    client = httpx2.Client(base_url=telegram.base_url)

    def bare() -> float:
        def both() -> None:
            database.execute("INSERT INTO messages VALUES (?)", ("hello",))
            client.post(f"/bot{telegram.token}/sendChatAction", json={"chat_id": _ANN, "action": "typing"})

        return timed(both)

    people = count(telegram.person(_ANN).id + 1)

    def ours() -> float:
        person = telegram.person(next(people), "somebody")  # each time another chat, in which nothing was typed lately
        _await_poll(telegram, len(telegram.calls("getUpdates")) - 1)
        before = time.monotonic()
        telegram.say(person, "hello")
        telegram.until(lambda: any(text != "…" for text in person.of_bots()), "the answer")
        return (
            next(call.at for call in telegram.calls("sendChatAction") if call.arguments["chat_id"] == person.id)
            - before
        )

    floor, found = interleave(bench.effort.scans, (bare, ours))
    client.close()
    database.close()
    return Row(
        "Telegram: message → typing", "a commit and a call, in process", floor, found, Limits(ratio=5, seconds=0.015)
    )


def _restarts(bench: Bench, running: Installation, plain: Installation, telegram: Telegram) -> Iterator[Row]:
    """SIGUSR1 in a long poll, in turns with a gateway that has no bot; then the next one's first poll."""
    ready: list[float] = []
    first_poll: list[float] = []

    def without() -> float:
        taken, dead = _signalled(plain)
        ready.append(time.monotonic() - dead)
        return taken

    def with_it() -> float:
        polls = len(telegram.calls("getUpdates"))
        _await_poll(telegram, polls - 1)
        taken, dead = _signalled(running)
        telegram.until(lambda: len(telegram.calls("getUpdates")) > polls, "the next poll")
        first_poll.append(telegram.calls("getUpdates")[polls].at - dead)
        _await_poll(telegram, polls)
        return taken

    floor, found = interleave(bench.effort.restarts, (without, with_it))
    without_it = "the same without Telegram"
    yield Row("SIGUSR1 → exit 75 in a long poll", without_it, floor, found, Limits(ratio=1.5, seconds=0.05))
    until_ready = "exit 75 → ready, without Telegram"
    yield Row(
        "exit 75 → first poll of the next",
        until_ready,
        _of(ready[2:]),
        _of(first_poll[2:]),
        Limits(ratio=2.5, seconds=0.5),
    )


def _signalled(running: Installation) -> tuple[float, float]:
    """How long the exit took, and when it was (seconds of the monotonic clock); the next is ready when this returns."""
    before = running.ready()
    with Handle(before.identity) as handle:
        asked = time.monotonic()
        handle.send(signal.SIGUSR1)
        assert handle.wait(_PATIENCE), running.log()
        dead = time.monotonic()
    with DirectoryWatch(running.paths.state) as watch:
        while (
            (found := instance.read(running.paths)) is None
            or not found.ready
            or found.identity.is_same_as(before.identity)
        ):
            assert watch.wait(_PATIENCE), running.log()
    return dead - asked, dead


def _await_poll(telegram: Telegram, after: int) -> None:
    """Wait until a poll waits that is not among the first `after`."""
    telegram.until(
        lambda: len(polls := telegram.calls("getUpdates")) > after and polls[-1].status is None, "a poll that waits"
    )


def _of(values: list[float]) -> Samples:
    return Samples(tuple(values))
