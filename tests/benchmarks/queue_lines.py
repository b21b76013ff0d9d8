"""The queue, in process: each operation against the bare system calls on the same file system."""

import json
import os
import time
from collections.abc import Callable, Iterator
from itertools import count

from bench import Bench
from measure import Limits, Row, interleave, timed

from hermes_cli.intents import request
from hermes_cli.paths import Paths
from hermes_cli.pending import is_something_pending

_NUMBERS = count()
_PENDING_RECORDS = 1000


def rows(bench: Bench) -> Iterator[Row]:
    """submit, settle, scan."""
    yield _submit(bench)
    yield _settle(bench)
    yield from _scan(bench)


def a_record(paths: Paths) -> dict:
    """The record of a person's `hermes gateway restart`."""
    target = {"pid": os.getpid(), "create_time": 1795449670.7, "start_ticks": 123456}
    return request.compose(
        paths.profile,
        reason="manual",
        command="hermes gateway restart",
        target=target,
        in_tree=False,
        revision="91ab77d3a0c1",
    )


def _submit(bench: Bench) -> Row:
    paths = bench.paths("submit")
    request.make_directories(paths.intents)
    data = json.dumps(a_record(paths), ensure_ascii=False).encode()

    def bare() -> float:
        staged, published = _names(paths, "staging", "pending")
        return _and_clean(paths, timed(lambda: _publish(staged, published, paths.pending, data)), published)

    def ours() -> float:
        before = time.perf_counter()
        identifier = request.submit(paths.intents, a_record(paths))
        taken = time.perf_counter() - before
        return _and_clean(paths, taken, f"{paths.pending}/{identifier}.json")

    floor, found = interleave(bench.effort.calls, (bare, ours))
    return Row("submit, in process", "the bare system calls", floor, found, Limits(ratio=1.25, tail=1.5))


def _settle(bench: Bench) -> Row:
    paths = bench.paths("settle")
    request.make_directories(paths.intents)
    settled = paths.queue.settled

    def bare() -> float:
        waiting, name = _waiting(paths)
        with open(waiting, "rb") as file:
            data = json.dumps({**json.load(file), **_outcome()}).encode()
        staged = f"{paths.queue.staging}/{name}"
        taken = timed(lambda: _settle_by_hand(staged, f"{settled}/{name}", waiting, settled, data))
        return _and_clean(paths, taken, f"{settled}/{name}")

    def ours() -> float:
        _, name = _waiting(paths)
        (intent,) = paths.queue.unsettled()
        instance = _outcome()["instance"]
        before = time.perf_counter()
        won = paths.queue.settle(intent, "restarted", "pid 1, revision a", trigger="watch", instance=instance)
        taken = time.perf_counter() - before
        assert won
        return _and_clean(paths, taken, f"{settled}/{name}")

    written, found = interleave(bench.effort.calls, (bare, ours))
    return Row("settle", "the same system calls, bare", written, found, Limits(ratio=1.3))


def _scan(bench: Bench) -> Iterator[Row]:
    paths = bench.paths("scan")
    request.make_directories(paths.intents)
    for _ in range(_PENDING_RECORDS):
        record = a_record(paths)
        with open(f"{paths.pending}/{record['id']}.json", "w", opener=_private, encoding="utf-8") as file:
            json.dump(record, file)

    def parsed() -> float:
        return timed(lambda: _read_all(paths.pending, json.loads))

    def listed() -> float:
        return timed(lambda: os.listdir(paths.pending))

    def looked() -> float:
        return timed(lambda: is_something_pending(paths))

    def ours() -> float:
        before = time.perf_counter()
        found = paths.queue.scan()
        taken = time.perf_counter() - before
        assert len(found.intents) == _PENDING_RECORDS
        return taken

    understood, found = interleave(bench.effort.scans, (parsed, ours))
    yield Row("scan of 1,000 records", "listdir, 1,000 reads, json.loads", understood, found, Limits(ratio=2.0))
    names, look = interleave(bench.effort.scans, (listed, looked))
    yield Row("is anything pending, of 1,000 records", "listdir", names, look, Limits(ratio=1.2))


# --- the floors


def _publish(staged: str, published: str, directory: str, data: bytes) -> None:
    descriptor = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.write(descriptor, data)
    os.fsync(descriptor)
    os.close(descriptor)
    os.rename(staged, published)
    _sync_directory(directory)


def _settle_by_hand(staged: str, final: str, waiting: str, settled: str, data: bytes) -> None:
    descriptor = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.write(descriptor, data)
    os.link(staged, final)
    os.fsync(descriptor)
    os.close(descriptor)
    os.unlink(staged)
    _sync_directory(settled)
    os.unlink(waiting)


def _read_all(directory: str, use: Callable[[bytes], object]) -> None:
    for name in os.listdir(directory):
        descriptor = os.open(f"{directory}/{name}", os.O_RDONLY)
        use(os.read(descriptor, 65537))
        os.close(descriptor)


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


# --- around a sample


def _names(paths: Paths, *directories: str) -> list[str]:
    name = f"20261123T160511.123456Z-{os.getpid()}-{next(_NUMBERS):08x}.json"
    return [f"{paths.intents}/{directory}/{name}" for directory in directories]


def _waiting(paths: Paths) -> tuple[str, str]:
    """A pending record, durable: its path and name."""
    name = request.submit(paths.intents, a_record(paths)) + ".json"
    return f"{paths.pending}/{name}", name


def _outcome() -> dict:
    """What a settled record has beside the request."""
    identity = {"pid": os.getpid(), "create_time": 1795449670.7, "start_ticks": 123456, "boot_id": "0" * 36}
    return {
        "outcome": "restarted",
        "detail": "pid 1, revision a",
        "settled_at": request.timestamp(time.time()),
        "trigger": "watch",
        "took": 1.234,
        "attempts": 0,
        "instance": identity,
    }


def _and_clean(paths: Paths, taken: float, *left: str) -> float:
    """Remove what a sample left and have it on the disk, so that the next one's fsync carries nothing of it."""
    for path in left:
        os.unlink(path)
    for directory in ("pending", "settled", "staging"):
        _sync_directory(f"{paths.intents}/{directory}")
    return taken


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
