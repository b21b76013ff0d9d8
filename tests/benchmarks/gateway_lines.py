"""Whole processes: a supervised gateway that is restarted again and again, by a signal and by its own agent."""

import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass, field

import psutil
from bench import Bench, hermes, python, reap, spawn, to_end
from driver_line import FLOOR, LIMITS, spawn_after_death
from measure import Figure, Row, Samples, interleave
from start_lines import CLICK
from support.machines.installation import Installation

from hermes_cli.intents.instance import Instance
from hermes_cli.paths import Paths
from hermes_cli.programs import own as instance
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle

_PATIENCE = 40.0  # seconds
_LOOP = "import asyncio, sqlite3"
_STARTED = b"started the gateway, pid"


@dataclass(slots=True)
class _Signalled:
    """One entry per restart by SIGUSR1."""

    floor: list[float] = field(default_factory=list)
    exit: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)


def ready_figure(bench: Bench) -> Figure:
    """A gateway in the foreground, from its spawn until gateway.json says ready."""
    running = bench.installation("foreground")
    environment = bench.environment(str(running.home))
    floor, values = interleave(
        bench.effort.restarts,
        (lambda: to_end(python(_LOOP), environment), lambda: ready_after_spawn(bench, running)[0]),
    )
    return Figure("gateway ready after exec", values, "ms", 1e3, 120, "800 ms", floor)


def signalled(bench: Bench, running: Installation) -> tuple[Row, list[Figure]]:
    """SIGUSR1 to an idle, supervised gateway: how large it was, when it was gone, when the next was started."""
    seen, environment = _Signalled(), bench.environment(str(running.home))
    for _ in range(bench.effort.restarts):
        before = running.ready()
        seen.floor.append(spawn_after_death(bench))  # and while that goes on, the gateway ends its start-up
        memory = psutil.Process(before.identity.pid).memory_full_info()
        seen.resident.append(memory.rss / 1e6)
        seen.own.append(memory.uss / 1e6)
        _signal(running, before, seen)
        _await_ready(running.paths, other_than=before)
    row = Row("old process dead → supervisor has started the next", FLOOR, _of(seen.floor), _of(seen.start), LIMITS)
    return row, [
        Figure("resident memory, idle", _of(seen.resident), "MB", 1, 28, "84 MB", _of([_bare_memory(environment)])),
        Figure("  of it its own (uss)", _of(seen.own), "MB", 1),
        Figure("resident memory of its supervisor", _of([_supervisors(running)]), "MB", 1, 16),
        Figure("SIGUSR1 → exit 75, idle", _of(seen.exit), "ms", 1e3, 50, "450 ms"),
    ]


def in_tree_figure(bench: Bench, running: Installation) -> Figure:
    """`hermes gateway restart` typed in the agent's terminal: from its exec until a fresh instance is ready."""
    environment = bench.environment(str(running.home))
    floor, values = interleave(
        bench.effort.restarts,
        (lambda: _both_starts(environment), lambda: restart_in_tree(bench, running)),
    )
    return Figure("in-tree request → fresh ready instance, idle", values, "ms", 1e3, 250, "", floor)


def _supervisors(running: Installation) -> float:
    supervisor = running.supervisor()
    assert supervisor is not None
    return psutil.Process(supervisor.pid).memory_info().rss / 1e6


def _both_starts(environment: dict[str, str]) -> float:
    """What a restart cannot do without: a command, and after it a gateway."""
    return to_end(python(CLICK), environment) + to_end(python(_LOOP), environment)


def _bare_memory(environment: dict[str, str]) -> float:
    """MB that an interpreter has resident which has imported what any gateway needs, and waits."""
    argv = python(f"{_LOOP}, signal; print(flush=True); signal.pause()")
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE) as bare:
        assert bare.stdout is not None
        bare.stdout.readline()
        found = psutil.Process(bare.pid).memory_info().rss / 1e6
        bare.kill()
    return found


def ready_after_spawn(bench: Bench, running: Installation) -> tuple[float, float]:
    """Start a gateway in the foreground and stop it: seconds until gateway.json says ready, and MB of its own then."""
    argv = hermes("gateway", "run")
    with open(running.paths.gateway_log, "ab") as log, DirectoryWatch(running.paths.state) as watch:
        quiet = [(os.POSIX_SPAWN_DUP2, log.fileno(), 2), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        environment = bench.environment(str(running.home), PYTHONPATH=str(running.code))
        before = time.perf_counter()
        pid = os.posix_spawn(argv[0], argv, environment, file_actions=quiet)
        while (found := instance.read(running.paths)) is None or found.identity.pid != pid or not found.ready:
            assert watch.wait(_PATIENCE), running.log()
        taken = time.perf_counter() - before
    own = psutil.Process(pid).memory_full_info().uss / 1e6
    os.kill(pid, signal.SIGTERM)
    reap(pid, argv)
    return taken, own


def _signal(running: Installation, before: Instance, seen: _Signalled) -> None:
    log = running.paths.gateway_log
    with (
        open(log, "rb") as lines,
        DirectoryWatch(running.paths.logs, modified=True) as watch,
        Handle(before.identity) as handle,
    ):
        lines.seek(0, os.SEEK_END)
        asked = time.perf_counter()
        handle.send(signal.SIGUSR1)
        assert handle.wait(_PATIENCE), running.log()
        dead = time.perf_counter()
        read = lines.read()
        while _STARTED not in read:
            assert watch.wait(_PATIENCE), running.log()
            read += lines.read()
        started = time.perf_counter()
    assert f"pid {before.identity.pid}, exited 75".encode() in read, read
    seen.exit.append(dead - asked)
    seen.start.append(started - dead)


def restart_in_tree(bench: Bench, running: Installation) -> float:
    before = running.ready()
    stamp = running.home / "asked"
    command = f"date +%s.%N >{shlex.quote(str(stamp))}; exec {shlex.join(hermes('gateway', 'restart'))}"
    argv = hermes("chat", f"!{command}")
    settled = len(os.listdir(running.paths.queue.settled))
    pid = spawn(argv, bench.environment(str(running.home)))
    ready_at = _await_ready(running.paths, other_than=before)
    reap(pid, argv)
    running.settled(min(settled + 1, 200))
    return ready_at - float(stamp.read_text(encoding="ascii"))


def _await_ready(paths: Paths, other_than: Instance) -> float:
    """When (epoch seconds) gateway.json said that another instance was ready."""
    with DirectoryWatch(paths.state) as watch:
        while True:
            found = instance.read(paths)
            if found is not None and found.ready and not found.identity.is_same_as(other_than.identity):
                return time.time()
            assert watch.wait(_PATIENCE)


def _of(values: list[float]) -> Samples:
    return Samples(tuple(values))
