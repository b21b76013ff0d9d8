"""The driver: from the end of the old process to the moment at which it demands a start.

The clock starts with the kill, not with our own wake-up: on a busy machine the driver may be woken before us.

The real driver in a process of its own, with a service manager that only notes when it was asked. After that the user
is said to have stopped the gateway, so that the driver settles the record and ends.
"""

import contextlib
import os
import signal
import struct
import time
from collections.abc import Iterator

from bench import Bench, python, reap, spawn
from measure import Limits, Row, interleave
from support.values import replace

from hermes_cli.intents import desired, driver, request
from hermes_cli.intents.facts import Policy
from hermes_cli.intents.instance import DrainState
from hermes_cli.intents.protocols import NoUpdates
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.programs.own import OwnGateway
from hermes_cli.system.directory_watch import DirectoryWatch

LIMITS = Limits(seconds=0.01)
FLOOR = "end, pidfd wake-up, spawn"
_PATIENCE = 20.0  # seconds
_MOMENT = struct.Struct("d")


def row(bench: Bench) -> Row:
    """The driver's line."""
    paths = bench.paths("driver")
    request.make_directories(paths.intents)

    def ours() -> float:
        # The floor is taken while the driver waits, which gives it the time to have begun to.
        with _running(bench) as pid:
            _describe(paths, pid)
            waiting, moment = _drive(paths)
            floors.append(spawn_after_death(bench))
            killed = _kill(pid)
            asked = _MOMENT.unpack(os.read(moment, _MOMENT.size))[0]
            os.close(moment)
            reap(waiting, ["driver"])
            os.unlink(paths.desired)
        return asked - killed

    floors: list[float] = []
    (found,) = interleave(bench.effort.restarts, (ours,))
    floor = replace(found, values=tuple(floors[-len(found.values) :]))
    return Row("old process dead → driver demands a start", FLOOR, floor, found, LIMITS)


def spawn_after_death(bench: Bench) -> float:
    """The floor: a process is killed, its pidfd wakes us, another is spawned."""
    with _running(bench) as pid:
        argv = python("pass")
        descriptor = os.pidfd_open(pid)
        before = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOWAIT)
        started = spawn(argv, bench.environment())
        taken = time.perf_counter() - before
        os.close(descriptor)
    reap(started, argv)
    return taken


@contextlib.contextmanager
def _running(bench: Bench) -> Iterator[int]:
    """A process that does nothing; it is reaped here, dead or not."""
    pid = spawn(["/bin/sleep", "1000"], bench.environment())
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _describe(paths: Paths, pid: int) -> None:
    """Have it be the gateway, draining, and be asked to restart."""
    now = time.time()
    described = replace(own.new(pid, "a", "0", now), state="draining", drain=DrainState(now, now + _PATIENCE, 1))
    own.write(paths, described)
    record = request.compose(
        paths.profile, reason="manual", command="x", target=described.identity.document(), in_tree=False, revision="a"
    )
    request.submit(paths.intents, record)


def _kill(pid: int) -> float:
    """When that process was killed."""
    now = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    return now


def _drive(paths: Paths) -> tuple[int, int]:
    """A driver that waits for the drain: its pid, and where it tells when it demanded a start."""
    reading, writing = os.pipe()
    noted = paths.queue.progress
    with DirectoryWatch(noted) as watch:
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            code = 1
            with contextlib.suppress(Exception):
                driver.Driver(
                    paths.queue,
                    OwnGateway(paths),
                    _Manager(paths, writing),
                    NoUpdates(),
                    policy=Policy(),
                    trigger="watch",
                ).drive()
                code = 0
            os._exit(code)
        os.close(writing)
        while not os.listdir(noted):
            assert watch.wait(_PATIENCE)
    return pid, reading


class _Manager:
    def __init__(self, paths: Paths, moment: int) -> None:
        self._paths = paths
        self._moment = moment

    def observe(self) -> Service:
        return Service("stopped")

    def obstacle(self) -> str | None:
        return None

    def demand_start(self) -> None:
        os.write(self._moment, _MOMENT.pack(time.perf_counter()))
        desired.write(self._paths.desired, "stopped", "the benchmark")

    def reload(self) -> None:
        raise AssertionError("nothing here asks for a reload")
