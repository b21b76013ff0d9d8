"""How cost grows: each function takes sizes, makes that many of something, and yields a point for each."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from bench import Bench, hermes, reap, spawn, to_end
from gateway_lines import ready_after_spawn
from peers import interpreter
from queue_lines import a_record
from support.machines.installation import PATIENCE, Installation
from support.machines.user_manager import UserManager

from hermes_cli.gateway.channels.local import protocol
from hermes_cli.gateway.conversations.database import connect
from hermes_cli.intents import request
from hermes_cli.intents.instance import Instance
from hermes_cli.paths import Paths
from hermes_cli.pending import is_something_pending
from hermes_cli.programs import own
from hermes_cli.system.directory_watch import DirectoryWatch

Point = dict[str, float]
_TIMES = 5


@dataclass(frozen=True)
class Curve:
    """What grows, and what each size costs: milliseconds and MB, by name. `flat` names what should not grow."""

    name: str
    flat: tuple[str, ...]
    points: dict[int, Point]


def pending(bench: Bench, sizes: Sequence[int]) -> Curve:
    """Records that wait: what a request, a look and a command cost beside them."""
    paths = bench.paths("pending")
    request.make_directories(paths.intents)
    points, there = {}, 0
    for size in sizes:
        for _ in range(size - 1 - there):
            record = a_record(paths)
            Path(paths.pending, f"{record['id']}.json").write_text(json.dumps(record))
        there = size - 1
        points[size] = {
            "a request, ms": _median(lambda: _submit(paths)),
            "is anything pending, ms": _median(lambda: is_something_pending(paths)),
            "a scan of all, ms": _median(paths.queue.scan, 3),  # as a driver's look and `status` need it
        }
    return Curve("pending requests", ("is anything pending, ms",), points)


def settled(bench: Bench, sizes: Sequence[int]) -> Curve:
    """Records that are settled: the queue keeps 200, more are there only while no driver has ended a run."""
    paths = bench.paths("settled")
    request.make_directories(paths.intents)
    environment = bench.environment(paths.home)
    points, there = {}, 0
    for size in sizes:
        for _ in range(size - there):
            record = {**a_record(paths), "outcome": "restarted", "detail": "pid 1", "trigger": "watch", "took": 1.0}
            record |= {"settled_at": record["requested_at"], "attempts": 0}
            Path(paths.queue.settled, f"{record['id']}.json").write_text(json.dumps(record))
        there = size
        points[size] = {
            "a request, ms": _median(lambda: _submit(paths)),
            "is anything pending, ms": _median(lambda: is_something_pending(paths)),
            "`status`, ms": _median(lambda: _any_code(hermes("gateway", "status"), environment), 3),
        }
    return Curve("settled requests", ("a request, ms", "is anything pending, ms"), points)


def messages(bench: Bench, sizes: Sequence[int]) -> Curve:
    """Stored messages in a hundred sessions: start-up and history. `limits.store` is raised for it; 256 MiB by itself."""
    points: dict[int, Point] = {}
    for size in sizes:
        running = bench.installation(f"messages {size}")
        with (running.home / "config.toml").open("a") as config:
            config.write("[limits]\nstore = 999999999\n")
        _fill(f"{running.paths.state}/messages.sqlite", size)
        ready = median(ready_after_spawn(bench, running)[0] for _ in range(_TIMES)) * 1e3
        points[size] = {"ready, ms": ready, **_history(bench, running)}
        points[size]["file, MB"] = os.path.getsize(f"{running.paths.state}/messages.sqlite") / 1e6
        shutil.rmtree(running.home)
    return Curve(
        "stored messages", ("ready, ms", "history of 20, ms", "a message → accepted, ms", "memory, MB"), points
    )


def clients(bench: Bench, sizes: Sequence[int]) -> Curve:
    """Clients that follow a session each: memory, and one more's ping. `limits.clients` is raised for it; 100 by itself."""
    running = _Foreground(bench, "clients", f"[limits]\nclients = {max(sizes) + 10}\n")
    with running as (installation, process):
        return Curve("clients at once", ("ping, ms",), asyncio.run(_clients(installation, process, sizes)))


def chats(bench: Bench, sizes: Sequence[int]) -> Curve:
    """Conversations that write at once, a command each, to the last answer. `limits` are raised for it; 32 turns run."""
    running = _Foreground(bench, "chats", f"[limits]\nclients = {max(sizes) + 10}\n")
    with running as (installation, process):
        return Curve("chats at once", ("each, ms",), asyncio.run(_chats(installation, process, sizes)))


def profiles(bench: Bench, sizes: Sequence[int]) -> Curve:
    """Profiles under one user of systemd: memory, `list`, a rolling restart, and a boot with a request in each."""
    points: dict[int, Point] = {}
    manager = UserManager()
    try:
        manager.start()
        python = interpreter(bench.root / "python of profiles", bench.code)
        running = Installation(
            bench.root / "profiles",
            code=None,
            config="[restart]\nstorm_limit = 100000\n",
            manager="systemd",
            variables=manager.variables,
            interpreter=python,
        )
        running.install()
        names = ["default"]
        for size in sizes:
            while len(names) < size:
                names.append(f"p{len(names)}")
                done = running.run("-p", names[-1], "gateway", "install")
                assert done.returncode == 0, done.stderr
            points[size] = _many(running, manager, [_profile(running, name) for name in names])
            print(size, points[size], file=sys.stderr, flush=True)
    finally:
        manager.close()
    return Curve("profiles of one user", ("a gateway, MB", "restart, each, ms"), points)


# --- the queue


def _submit(paths: Paths) -> None:
    os.unlink(f"{paths.pending}/{request.submit(paths.intents, a_record(paths))}.json")


def _median(call: Callable[[], object], times: int = 15) -> float:
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return median(taken) * 1e3


def _any_code(argv: list[str], environment: dict[str, str]) -> None:
    os.waitpid(spawn([*argv], environment), 0)


# --- one gateway


class _Foreground:
    """A gateway in the foreground, until the end of the block."""

    def __init__(self, bench: Bench, name: str, config: str) -> None:
        self.bench, self.installation = bench, bench.installation(name)
        with (self.installation.home / "config.toml").open("a") as file:
            file.write(config)

    def __enter__(self) -> tuple[Installation, psutil.Process]:
        argv = hermes("gateway", "run")
        self.pid = spawn(argv, self.bench.environment(str(self.installation.home)))
        _await_ready(self.installation.paths)
        return self.installation, psutil.Process(self.pid)

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, 15)
        reap(self.pid, ["gateway"])


def _await_ready(paths: Paths, other_than: Instance | None = None) -> Instance:
    deadline = time.monotonic() + PATIENCE
    os.makedirs(paths.state, mode=0o700, exist_ok=True)
    with DirectoryWatch(paths.state) as watch:
        while True:
            found = own.read_alive(paths)
            same = found is not None and other_than is not None and found.identity.is_same_as(other_than.identity)
            if found is not None and found.ready and not same:
                return found
            assert time.monotonic() < deadline, f"{paths.profile} is not ready"
            watch.wait(0.2)


def _fill(path: str, size: int) -> None:
    database = connect(path)
    database.execute("PRAGMA synchronous=OFF")
    now = time.time()
    pairs = (
        row
        for number in range(size // 2)
        for row in (
            (f"s{number % 100}", f"m{number}", "user", "how are you today?", now - size + number, None, "answered"),
            (
                f"s{number % 100}",
                f"reply:m{number}",
                "assistant",
                "well, thank you.",
                now - size + number,
                f"m{number}",
                None,
            ),
        )
    )
    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO messages (session, id, role, text, at, reply_to, state) VALUES (?, ?, ?, ?, ?, ?, ?)", pairs
    )
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    assert sqlite3.connect(path).execute("SELECT count(*) FROM messages").fetchone()[0] == size


def _history(bench: Bench, running: Installation) -> Point:
    pid = spawn(hermes("gateway", "run"), bench.environment(str(running.home)))
    _await_ready(running.paths)

    async def ask() -> Point:
        reader, writer = await _connected(running)

        async def timed(asked: dict[str, object], event: str) -> float:
            before = time.perf_counter()
            await _asked(reader, writer, asked, event)
            return (time.perf_counter() - before) * 1e3

        history = [
            await timed({"op": "history", "session": f"s{number}", "limit": 20}, "history") for number in range(50)
        ]
        said = [
            await timed({"op": "send", "session": f"s{number}", "id": f"new{number}", "text": "hello"}, "accepted")
            for number in range(20)
        ]
        writer.close()
        return {"history of 20, ms": median(history), "a message → accepted, ms": median(said)}

    found = {**asyncio.run(ask()), "memory, MB": psutil.Process(pid).memory_info().rss / 1e6}
    os.kill(pid, 15)
    reap(pid, ["gateway"])
    return found


async def _connected(running: Installation) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(running.paths.socket, limit=4 * protocol.LINE_LIMIT)


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[str, object], event: str
) -> dict:
    writer.write(protocol.encode(asked))
    await writer.drain()
    while True:
        line = await asyncio.wait_for(reader.readline(), PATIENCE)
        assert line, "the gateway hung up"
        found = protocol.decode(line)
        assert found["event"] != "error", found
        if found["event"] == event:
            return found


async def _clients(running: Installation, process: psutil.Process, sizes: Sequence[int]) -> dict[int, Point]:
    points: dict[int, Point] = {}
    there: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    bare = process.memory_info().rss / 1e6
    for size in sizes:
        while len(there) < size:
            there.append(await _connected(running))
            there[-1][1].write(protocol.encode({"op": "follow", "session": f"c{len(there)}", "after": 0}))
            await _asked(*there[-1], {"op": "ping"}, "pong")
        taken = []
        for _ in range(50):
            before = time.perf_counter()
            await _asked(*there[0], {"op": "ping"}, "pong")
            taken.append(time.perf_counter() - before)
        memory = process.memory_info().rss / 1e6
        points[size] = {
            "ping, ms": median(taken) * 1e3,
            "memory, MB": memory,
            "for each client, kB": max(0.0, memory - bare) * 1e3 / size,
        }
    for _, writer in there:
        writer.close()
    return points


async def _chats(running: Installation, process: psutil.Process, sizes: Sequence[int]) -> dict[int, Point]:
    async def one(size: int, number: int) -> None:
        reader, writer = await _connected(running)
        session, identifier = f"{size}-{number}", f"m{size}-{number}"
        writer.write(protocol.encode({"op": "follow", "session": session, "after": 0}))
        writer.write(protocol.encode({"op": "send", "session": session, "id": identifier, "text": "!echo hello"}))
        while True:
            line = await asyncio.wait_for(reader.readline(), PATIENCE)
            assert line, "the gateway hung up"
            found = protocol.decode(line)
            if found["event"] == "message" and found["role"] == "assistant":
                assert found["text"] == "hello", found
                break
        writer.close()

    points: dict[int, Point] = {}
    for size in sizes:
        before = time.perf_counter()
        await asyncio.gather(*(one(size, number) for number in range(size)))
        taken = (time.perf_counter() - before) * 1e3
        points[size] = {
            "all answered, ms": taken,
            "each, ms": taken / size,
            "memory, MB": process.memory_info().rss / 1e6,
        }
    return points


# --- many profiles


def _profile(running: Installation, name: str) -> Paths:
    home = str(running.home)
    if name == "default":
        return running.paths
    return Paths(name, f"{home}/state", home, f"{home}/logs", home)


def _many(running: Installation, manager: UserManager, every: list[Paths]) -> Point:
    instances = [_await_ready(one) for one in every]
    memory = [psutil.Process(one.identity.pid).memory_full_info() for one in instances]
    watches = sum(map(_watches, [manager.pid, *(one.identity.pid for one in instances)]))
    environment = {name: value for name, value in running.environment().items() if not name.startswith("PYTHON")}
    command = [running.python, "-P", "-m", "hermes_cli", "gateway"]
    listed = median(to_end([*command, "list"], environment) for _ in range(3)) * 1e3
    before = time.monotonic()
    subprocess.run([*command, "restart", "--all"], env=environment, check=True, capture_output=True, timeout=900)
    rolling = (time.monotonic() - before) * 1e3
    # The power goes while a request is pending in each; what the disk has is what the next boot finds.
    instances = [_await_ready(one) for one in every]
    manager.kill()
    for one in every:
        request.submit(one.intents, a_record(one))
    before = time.monotonic()
    manager.start()
    for one, was in zip(every, instances, strict=True):
        _await_ready(one, other_than=was)
    ready = (time.monotonic() - before) * 1e3
    for one in every:
        with DirectoryWatch(one.pending) as watch:
            while os.listdir(one.pending):
                watch.wait(0.5)
                assert time.monotonic() - before < PATIENCE * 3, f"{one.profile}: its request does not settle"
    return {
        "a gateway, MB": median(one.rss for one in memory) / 1e6,
        "of it its own, MB": median(one.uss for one in memory) / 1e6,
        "all gateways, MB (pss)": sum(one.pss for one in memory) / 1e6,
        "inotify instances": float(watches),
        "`list`, ms": listed,
        "rolling restart, ms": rolling,
        "restart, each, ms": rolling / len(every),
        "boot → all ready, ms": ready,
        "boot → all settled, ms": (time.monotonic() - before) * 1e3,
    }


def _watches(pid: int) -> int:
    """Return how many inotify instances that process has; the kernel gives a user 128 (inotify(7))."""
    place = f"/proc/{pid}/fd"
    return sum("inotify" in os.readlink(f"{place}/{name}") for name in os.listdir(place))


def curves(bench: Bench, asked: Sequence[str], *, quick: bool) -> Iterator[Curve]:
    """Each that is asked for."""
    for name, (make, small, large) in CURVES.items():
        if not asked or name in asked:
            yield make(bench, small if quick else (*small, *large))


CURVES: dict[str, tuple[Callable[[Bench, Sequence[int]], Curve], tuple[int, ...], tuple[int, ...]]] = {
    "pending": (pending, (1, 10, 100), (1000, 10_000)),
    "settled": (settled, (200, 1000), (10_000, 100_000)),
    "messages": (messages, (10, 1000), (100_000, 1_000_000)),
    "clients": (clients, (1, 10, 100), (1000,)),
    "chats": (chats, (1, 10), (100, 500)),
    "profiles": (profiles, (1, 5), (20, 40, 100)),
}
