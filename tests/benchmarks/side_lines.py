"""What is asked of hermes-agent and of ours in turns, ten times each: one line for each question."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench import Bench
from measure import interleave
from peers import (
    PATIENCE,
    Peer,
    agent_on,
    interpreter,
    of_checkouts,
    on_launchd,
    on_systemd,
    ours,
    their_job,
    theirs,
    versions,
)
from support.agent.beside import Beside
from support.agent.installed import CLOSED, installed
from support.agent.scenarios import HELD
from support.machines.interpreter import Python
from support.releases.checkout import Checkout

from hermes_cli.system.process import Handle, Identity

_CALM = 60.0  # seconds over which the CPU of what is idle is counted


@dataclass(frozen=True)
class Line:
    """Samples of one question. `theirs` is empty where it is about us alone."""

    name: str
    unit: str
    theirs: Sequence[float]
    ours: Sequence[float]


def foreground(bench: Bench, times: int) -> Iterator[Line]:
    """`gateway run` in a shell, until its own file says that it is ready; and its memory then."""
    home = bench.root / "their home"
    home.mkdir()
    (home / ".env").write_text(CLOSED)
    python = installed(bench.root)
    there = theirs(python, {**versions(), "HERMES_HOME": str(home), "HOME": str(home)}, home)
    here = ours(bench.installation("foreground"))
    found = interleave(times, [lambda: _ready(there), lambda: _ready(here)])
    yield Line("`gateway run`, until it is ready", "ms", *(_ms(one.values) for one in found))


def systemd(bench: Bench, times: int) -> Iterator[Line]:
    """A real user manager: status, memory at rest, a signal, a restart from outside."""
    with on_systemd(bench.root, bench.code) as pair:
        yield _commands(pair, times, "gateway", "status")
        yield from _signals(pair, times, "systemd", memory=True)
        yield from _restarts(pair, times, "systemd", "gateway", "restart")


def launchd(bench: Bench, times: int) -> Iterator[Line]:
    """An emulated launchd that owes no throttle: a signal, a restart from outside."""
    with on_launchd(bench.root, bench.code) as pair:
        yield from _signals(pair, times, "launchd", memory=False)
        yield from _restarts(pair, times, "launchd", "gateway", "restart")


def update(bench: Bench, times: int) -> Iterator[Line]:
    """`hermes update` in a shell, of a checkout that is one commit behind; neither release needs another package."""

    def source(folder: Path) -> tuple[Python, Callable[[], object]]:
        made = Checkout(folder / "our checkout")
        return interpreter(folder / "python of the checkout", made.path), made.release

    (bench.root / "theirs").mkdir()
    with of_checkouts(bench.root, source) as (there, here):
        both = ("--yes",), ()
        seen = [_Restarts(peer, "update", *more) for peer, more in zip((there, here), both, strict=True)]
        interleave(times, [one.take for one in seen], warm_up=1)
        yield from _restart_lines("update of a checkout", seen, times)


def beside(bench: Bench, times: int) -> Iterator[Line]:
    """hermesctl beside an unmodified hermes-agent: what it has and does at rest, and how soon it starts it again."""
    with ExitStack() as closing:
        agent = agent_on(closing, bench.root, installed(bench.root))
        alone = psutil.Process(agent.await_running())
        cpu = _cpu([alone], _CALM)
        adopted = Beside(agent, bench.root)
        adopted.adopt()
        adopted.restart_gateway()
        (resident,) = adopted.residents()
        gateway = psutil.Process(agent.await_running())
        with_ours, of_ours = _cpus([[gateway], [resident]], _CALM)
        memory = resident.memory_full_info()
        yield Line("beside it, memory of the resident", "MB", [], [memory.rss / 1e6])
        yield Line("of that its own (uss)", "MB", [], [memory.uss / 1e6])
        yield Line("CPU at rest, alone, and adopted", "ms/min", [cpu], [with_ours])
        yield Line("CPU at rest of the resident", "ms/min", [], [of_ours])
        peer, rescued, ready = their_job(agent), [], []
        for _ in range(times):
            agent.launchd.knob(**HELD)
            before = peer.await_ready()
            peer.rest()
            agent.ask()
            ended = _end_of(before)
            peer.await_ready(before)
            ready.append(time.monotonic() - ended)
            (spawned,) = agent.spawns()
            rescued.append(spawned - agent.await_end())
            adopted.until(adopted.has_looked, "the resident's look at it")
            adopted.until(lambda: all(one["outcome"] for one in adopted.intents()), "settled")
        yield Line("end → started again, launchd on-demand-only", "ms", [], _ms(rescued))
        yield Line("end → ready again, launchd on-demand-only", "ms", [], _ms(ready))


def telegram(bench: Bench, times: int) -> Iterator[Line]:
    """Both as bots of an emulated Bot API: memory, a message, a restart."""
    import telegram_side

    for found in telegram_side.samples(bench, times):
        yield Line(*found)


# --- the questions


def _commands(pair: Sequence[Peer], times: int, *arguments: str) -> Line:
    def probe(peer: Peer) -> Callable[[], float]:
        def take() -> float:
            before = time.monotonic()
            code = peer.start(*arguments).wait(PATIENCE)
            assert code == 0, f"{peer.command} {arguments}: {code}"
            return time.monotonic() - before

        return take

    found = interleave(times, [probe(peer) for peer in pair])
    return Line(f"`{' '.join(arguments)}`", "ms", *(_ms(one.values) for one in found))


def _ready(peer: Peer) -> float:
    peer.rest()
    before = time.monotonic()
    running = peer.start("gateway", "run")
    found = peer.await_ready()
    taken = time.monotonic() - before
    assert found.pid == running.pid
    running.send_signal(signal.SIGTERM)
    running.wait(PATIENCE)
    return taken


class _Signals:
    """SIGUSR1 to a gateway at rest, again and again: what it had, when it was gone, when the next was ready."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.exit: list[float] = []
        self.ready: list[float] = []
        self.memory: list[float] = []
        self.own: list[float] = []
        self.beside: list[float] = []

    def take(self) -> float:
        before = self.peer.await_ready()
        self.peer.rest()
        memory = psutil.Process(before.pid).memory_full_info()
        self.memory.append(memory.rss / 1e6)
        self.own.append(memory.uss / 1e6)
        self.beside.append(sum(_rss(one) for one in self.peer.others()))
        asked = time.monotonic()
        ended = _end_of(before)
        self.peer.await_ready(before)
        self.exit.append(ended - asked)
        self.ready.append(time.monotonic() - ended)
        return self.ready[-1]


def _signals(pair: Sequence[Peer], times: int, manager: str, *, memory: bool) -> Iterator[Line]:
    seen = [_Signals(peer) for peer in pair]
    interleave(times, [one.take for one in seen], warm_up=1)
    there, here = seen
    if memory:
        yield Line("memory at rest", "MB", there.memory[-times:], here.memory[-times:])
        yield Line("of that its own (uss)", "MB", there.own[-times:], here.own[-times:])
    yield Line(f"SIGUSR1 → exit 75, {manager}", "ms", _ms(there.exit[-times:]), _ms(here.exit[-times:]))
    yield Line(f"exit 75 → ready, {manager}", "ms", _ms(there.ready[-times:]), _ms(here.ready[-times:]))


class _Restarts:
    """A command in a shell that ends with a fresh gateway."""

    def __init__(self, peer: Peer, *arguments: str) -> None:
        self.peer, self.arguments = peer, arguments
        self.ready: list[float] = []
        self.away: list[float] = []
        self.end: list[float] = []

    def take(self) -> float:
        before = self.peer.await_ready()
        self.peer.rest()
        self.peer.publish()
        asked = time.monotonic()
        with Handle(before) as handle, self.peer.start(*self.arguments) as command:
            assert handle.wait(PATIENCE), self.arguments
            gone = time.monotonic()
            self.peer.await_ready(before)
            ready = time.monotonic()
            assert command.wait(PATIENCE) == 0, f"{command.args}: {command.returncode}"
            self.end.append(time.monotonic() - asked)
        self.away.append(ready - gone)
        self.ready.append(ready - asked)
        return self.ready[-1]


def _restarts(pair: Sequence[Peer], times: int, manager: str, *arguments: str) -> Iterator[Line]:
    seen = [_Restarts(peer, *arguments) for peer in pair]
    interleave(times, [one.take for one in seen], warm_up=1)
    yield from _restart_lines(f"`{' '.join(arguments)}` in a shell, {manager}", seen, times)


def _restart_lines(name: str, seen: Sequence[_Restarts], times: int) -> Iterator[Line]:
    yield Line(f"{name}: → fresh and ready", "ms", *(_ms(one.ready[-times:]) for one in seen))
    yield Line(f"{name}: away for", "ms", *(_ms(one.away[-times:]) for one in seen))
    yield Line(f"{name}: → its end", "ms", *(_ms(one.end[-times:]) for one in seen))


def _end_of(before: Identity) -> float:
    """SIGUSR1 to that instance; the moment of its end."""
    with Handle(before) as handle:
        handle.send(signal.SIGUSR1)
        assert handle.wait(PATIENCE), "it does not end"
        return time.monotonic()


def _cpu(processes: list[psutil.Process], seconds: float) -> float:
    return _cpus([processes], seconds)[0]


def _cpus(groups: list[list[psutil.Process]], seconds: float) -> list[float]:
    """Milliseconds of CPU in a minute, of each group with all its children, the ended ones as well."""
    before = [[one.cpu_times() for one in group] for group in groups]
    time.sleep(seconds)  # what is measured
    found = []
    for group, first in zip(groups, before, strict=True):
        spent = sum(sum(one.cpu_times()[:4]) - sum(start[:4]) for one, start in zip(group, first, strict=True))
        found.append(spent * 1e3 * 60 / seconds)
    return found


def _rss(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return float(process.memory_info().rss) / 1e6
    return 0.0


def _ms(values: Sequence[float]) -> list[float]:
    return [value * 1e3 for value in values]
