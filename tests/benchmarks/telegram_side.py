"""hermes-agent and ours as bots of an emulated Bot API each, asked in turns: memory, a message, a restart.

hermes-agent is unmodified; its own setting `extra.base_url` names the server, and the package that it wants for Telegram
lies beside it. Both have the same model, which says one word. Neither waits for a service manager: the next process of
hermes-agent is started here, in the moment in which the old one ends; ours by its own supervisor.
"""

import compileall
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from bench import CONFIG, Bench
from measure import interleave
from peers import PATIENCE, Peer, ours, theirs, versions
from support.agent.installed import CLOSED, NotToBeHadError, installed
from support.models.model_server import ModelServer, says
from telegram_emulator import Telegram

_ANN = 4711
_REST = 3.0  # seconds in which what a start leaves for later is over
_WANTED = "python-telegram-bot==22.6"  # as its own list of what it installs for Telegram says
_PUBLIC = "149.154.167.220"  # an address of Telegram's: without one it asks the network for some at every start


@dataclass(slots=True)
class Bot:
    """One of the two, polling. `respawn` has the next one come after an end, if nobody else does."""

    peer: Peer
    telegram: Telegram
    respawn: Callable[[], object]
    at_rest: list[tuple[float, float]] = field(default_factory=list)  # resident and own memory, MB
    exit: list[float] = field(default_factory=list)
    poll: list[float] = field(default_factory=list)

    def await_poll(self, after: float) -> float:
        """Wait for a poll that waits, made after that moment; the first one's moment."""

        def first() -> float | None:
            polls = [call for call in self.telegram.calls("getUpdates") if call.at > after]
            return polls[0].at if polls and polls[-1].status is None else None

        return self.telegram.until(first, "a poll that waits", PATIENCE)

    def memory(self) -> tuple[float, float]:
        """What the gateway has now, MB: all that is resident, and of it its own."""
        found = psutil.Process(self.peer.await_ready().pid).memory_full_info()
        return found.rss / 1e6, found.uss / 1e6

    def message(self, number: int) -> float:
        """Seconds from a message of somebody who was answered before to the typing that it causes."""
        ann = self.telegram.person(_ANN, "Ann")
        before, begun = len(ann.of_bots()), time.monotonic()
        self.telegram.say(ann, f"hello {number}")
        typed = self.telegram.until(lambda: self._typed_after(begun), "typing", PATIENCE)
        self.telegram.until(lambda: "Hello." in _plain(ann.of_bots()[before:]), "the answer", PATIENCE)
        with suppress(AssertionError):  # and no typing goes on into the next one
            self.telegram.until(lambda: False, patience=_REST)
        return typed - begun

    def restart(self) -> float:
        """SIGUSR1 in a long poll: how long the end takes, and the next first poll after that."""
        before = self.peer.await_ready()
        self.peer.rest()
        self.await_poll(0.0)
        self.at_rest.append(self.memory())
        asked = time.monotonic()
        process = psutil.Process(before.pid)
        process.send_signal(signal.SIGUSR1)
        process.wait(PATIENCE)
        ended = time.monotonic()
        self.respawn()
        self.exit.append(ended - asked)
        self.poll.append(self.await_poll(ended) - ended)
        self.peer.await_ready(before)
        with suppress(AssertionError):
            self.telegram.until(lambda: False, patience=_REST)
        return self.poll[-1]

    def _typed_after(self, moment: float) -> float | None:
        return next((call.at for call in self.telegram.calls("sendChatAction") if call.at > moment), None)


def samples(bench: Bench, times: int) -> Iterator[tuple[str, str, list[float], list[float]]]:
    """Ask both. Yield a name, a unit, and what was found of theirs and of ours."""
    with ExitStack() as closing:
        both = _their_bot(closing, bench), _our_bot(closing, bench)
        for bot in both:
            bot.await_poll(0.0)
        interleave(times, [bot.restart for bot in both], warm_up=1)
        rest = [bot.at_rest[-times:] for bot in both]
        yield "with Telegram: memory at rest", "MB", *([one[0] for one in found] for found in rest)
        yield "of that its own (uss), Telegram", "MB", *([one[1] for one in found] for found in rest)
        numbers = iter(range(10**6))
        typed = interleave(times, [lambda bot=bot: bot.message(next(numbers)) for bot in both], warm_up=1)
        yield "message → first typing, Telegram", "ms", *([one * 1e3 for one in found.values] for found in typed)
        yield "memory after these messages, Telegram", "MB", *([bot.memory()[0]] for bot in both)
        exits, polls = ([getattr(bot, name)[-times:] for bot in both] for name in ("exit", "poll"))
        yield "SIGUSR1 → exit 75 in a long poll", "ms", *([one * 1e3 for one in found] for found in exits)
        yield "exit 75 → first poll of the next", "ms", *([one * 1e3 for one in found] for found in polls)


def _made(closing: ExitStack) -> tuple[Telegram, ModelServer]:
    telegram, model = closing.enter_context(Telegram()), ModelServer(says("Hello."))
    closing.callback(model.close)
    return telegram, model


def _our_bot(closing: ExitStack, bench: Bench) -> Bot:
    telegram, model = _made(closing)
    found = bench.installation("our bot")
    secret = found.home / "token"
    secret.touch(0o600)
    secret.write_text(telegram.token, encoding="ascii")
    bot = (
        f"[telegram]\ntoken_file = {json.dumps(str(secret))}\napi = {json.dumps(telegram.base_url)}\nallow = [{_ANN}]\n"
    )
    (found.home / "config.toml").write_text(f"{CONFIG}{bot}{model.config}", encoding="utf-8")
    found.install()
    return Bot(ours(found), telegram, lambda: None)


def _their_bot(closing: ExitStack, bench: Bench) -> Bot:
    telegram, model = _made(closing)
    python, beside, home = installed(bench.root), bench.root / "for Telegram", bench.root / "their bot"
    _install(beside)
    home.mkdir()
    token = f"TELEGRAM_BOT_TOKEN={telegram.token}\nTELEGRAM_ALLOWED_USERS={_ANN}\n"
    direct = f"TELEGRAM_FALLBACK_IPS={_PUBLIC}\nHERMES_TELEGRAM_DISABLE_FALLBACK_IPS=1\nNO_PROXY=127.0.0.1,api.telegram.org,{_PUBLIC}\n"
    (home / ".env").write_text(f"{CLOSED}{direct}{token}", encoding="ascii")
    known = {"default": "test", "provider": "custom", "base_url": model.base_url, "api_key": "none"}
    bot = {"telegram": {"enabled": True, "extra": {"base_url": f"{telegram.base_url}/bot"}}}
    # JSON is YAML, too.
    (home / "config.yaml").write_text(json.dumps({"model": known, "platforms": bot}), encoding="ascii")
    environment = {**versions(), "HERMES_HOME": str(home), "HOME": str(home), "PYTHONPATH": str(beside)}
    peer = theirs(python, environment, home)

    running: list[subprocess.Popen[bytes]] = []

    def spawn() -> None:
        running.append(
            subprocess.Popen(
                [*peer.command, "gateway", "run"],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def end() -> None:
        for one in running:
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait(PATIENCE)

    closing.callback(end)
    spawn()
    return Bot(peer, telegram, spawn)


def _install(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--target",
        str(folder),
    ]
    done = subprocess.run([*command, _WANTED], capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise NotToBeHadError(f"{_WANTED} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    compileall.compile_dir(folder, quiet=1)


def _plain(texts: list[str]) -> str:
    return "\n".join(texts).replace("\\", "")
