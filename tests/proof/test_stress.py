"""Many producers and many drivers on one queue, killed and suspended at random, with clocks that step; and a ledger.

A suspend is what processes see of the machine's: all of them stop at once, and go on hours later by the clock.
HERMES_PROOF_INTENTS says how many requests (default 3,000, 10,000 with HERMES_PROOF=full). Nothing may be lost, and nothing settled twice.
"""

import json
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
from support import FULL, TESTS
from support.models.in_place import drive, paths_below

from hermes_cli.intents import tidying
from hermes_cli.intents.request import compose, make_directories, submit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]
INTENTS = int(os.environ.get("HERMES_PROOF_INTENTS", "10000" if FULL else "3000"))
PRODUCERS, DRIVERS = 4, 3
_BEGIN = f"""
import mmap, os, random, struct, sys, time
sys.path.append({str(TESTS)!r})
from support.models import in_place
from hermes_cli.intents import queue, tidying
from hermes_cli.intents.request import compose, submit
paths = in_place.paths_below(sys.argv[1])
ledger = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
chance = random.Random(int(sys.argv[3]))
real, offset = time.time, [0.0]
with open(sys.argv[1] + "/suspended", "rb") as file:
    suspended = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
time.time = lambda: real() + offset[0] + struct.unpack("d", suspended)[0]

def step_the_clock():
    if chance.random() < 0.01:
        offset[0] = chance.choice([0.0, -7200.0, 86400.0, 3.0])
"""
PRODUCE = (
    _BEGIN
    + """
for _ in range(int(sys.argv[4])):
    step_the_clock()
    record = compose(paths.profile, reason="manual", command="stress", target=None, in_tree=False, expiry=10**9)
    os.write(ledger, f"acknowledged {submit(paths.intents, record)}\\n".encode())
"""
)
DRIVE = (
    _BEGIN
    + """
settle = queue.Queue.settle
def told(mine, intent, outcome, *arguments, **options):
    won = settle(mine, intent, outcome, *arguments, **options)
    step_the_clock()
    if won:
        os.write(ledger, f"settled {intent.id}\\n".encode())
    return won
queue.Queue.settle = told
tidying.tidy = lambda *_: None  # the ledger is compared with everything that was ever settled
while True:
    try:
        in_place.drive(paths)
    except AssertionError:  # another driver is at it
        pass
"""
)


def start(script: str, root: Path, number: int, count: int = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(root), str(root / f"ledger-{number}"), str(number), str(count)],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        cwd="/",
    )


class Suspends:
    """The time that the machine has slept, which all of them add to the clock."""

    def __init__(self, root: Path) -> None:
        (root / "suspended").write_bytes(struct.pack("d", 0.0))
        with open(root / "suspended", "r+b") as file:
            self._slept = mmap.mmap(file.fileno(), 8)
        self.count = 0

    def suspend(self, processes: list[subprocess.Popen[bytes]], seconds: float) -> None:
        """Stop them all, let time pass, and let them go on."""
        for one in processes:
            one.send_signal(signal.SIGSTOP)
        for one in processes:
            if one.returncode is None:  # it had not ended before
                os.waitid(os.P_PID, one.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self._slept[:] = struct.pack("d", struct.unpack("d", self._slept)[0] + seconds)
        for one in processes:
            one.send_signal(signal.SIGCONT)
        self.count += 1


def ledger(root: Path, word: str) -> list[str]:
    lines = [line for path in root.glob("ledger-*") for line in path.read_text().splitlines()]
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


def verdict(root: Path, there: set[str]) -> tuple[list[str], list[str]]:
    """What was acknowledged and is not there, and what was settled more than once."""
    settled = Counter(ledger(root, "settled"))
    lost = [one for one in ledger(root, "acknowledged") if f"{one}.json" not in there]
    return lost, [one for one, count in settled.items() if count > 1]


def test_the_ledger_tells_what_is_lost_and_what_is_doubled(tmp_path):
    (tmp_path / "ledger-1").write_text("acknowledged a\nacknowledged b\nsettled b\n")
    (tmp_path / "ledger-2").write_text("settled b\n")
    assert verdict(tmp_path, {"b.json"}) == (["a"], ["b"])


def test_nothing_acknowledged_is_lost_and_nothing_is_settled_twice(tmp_path):
    seed = int(os.environ.get("HERMES_CHAOS_SEED", "0")) or random.SystemRandom().randrange(10**6)
    print(f"HERMES_CHAOS_SEED={seed}")
    chance = random.Random(seed)
    root = tmp_path
    paths = paths_below(str(root))
    make_directories(paths.intents)
    suspends = Suspends(root)
    began, number, killed = time.monotonic(), seed, 0
    producers = []
    drivers = []
    while (left := INTENTS - len(ledger(root, "acknowledged"))) > 0:
        while len(producers) < PRODUCERS:
            number += 1
            producers.append(start(PRODUCE, root, number, max(1, left // PRODUCERS)))
        while len(drivers) < DRIVERS:
            number += 1
            drivers.append(start(DRIVE, root, number))
        victim = chance.choice([*producers, *drivers])
        try:
            victim.wait(chance.random() / 3)  # the moment of the blow, not a synchronisation
        except subprocess.TimeoutExpired:
            if chance.random() < 0.3:
                suspends.suspend([*producers, *drivers], chance.uniform(1, 12) * 3600)
                continue
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            killed += 1
        producers = [one for one in producers if one.poll() is None]
        drivers = [one for one in drivers if one.poll() is None]
    for one in [*producers, *drivers]:
        one.send_signal(signal.SIGKILL)
        one.wait()
    took = time.monotonic() - began
    with mock.patch.object(tidying, "tidy"):
        drive(paths)
    acknowledged = ledger(root, "acknowledged")
    there = set(os.listdir(paths.queue.settled))
    lost, doubled = verdict(root, there)
    print(
        f"{len(acknowledged)} acknowledged, {len(there)} settled, {killed} processes killed, {suspends.count} suspends, "
        f"{len(lost)} lost, {len(doubled)} doubled, {len(acknowledged) / took:.0f} requests/s with 2 cores"
    )
    assert len(acknowledged) >= INTENTS
    assert len(set(acknowledged)) == len(acknowledged)
    assert killed > 0
    assert suspends.count > 0
    assert not lost
    assert not doubled
    assert os.listdir(paths.pending) == []
    assert os.listdir(paths.queue.rejected) == []


def fill(paths, directory: str, count: int) -> None:
    """So many records, as they lie there, without the fsyncs that make each of them safe."""
    record = compose(paths.profile, reason="manual", command="stress", target=None, in_tree=False)
    for number in range(count):
        identifier = f"20260101T000000.{number % 10**6:06d}Z-{1 + number // 10**6}-{number:08x}"
        with open(f"{paths.intents}/{directory}/{identifier}.json", "w", encoding="ascii") as file:
            json.dump({**record, "id": identifier, "outcome": "restarted", "took": 1.0}, file)
        os.chmod(file.name, 0o600)


@pytest.mark.parametrize(
    ("pending", "settled"),
    [(0, 0), (10, 200), (100, 200), (1000, 200), pytest.param(0, 100_000, marks=pytest.mark.nightly)],
)
def test_the_cost_of_a_request_and_of_a_look_as_the_queue_grows(tmp_path, pending, settled):
    paths = paths_below(str(tmp_path))
    make_directories(paths.intents)
    fill(paths, "settled", settled)
    for number in range(pending):
        submit(
            paths.intents,
            compose(paths.profile, reason="manual", command="stress", target=None, in_tree=False) | {"number": number},
        )
    asks, looks = [], []  # of the processor: what else the machine does costs nothing here
    for _ in range(30):
        began = time.process_time()
        submit(paths.intents, compose(paths.profile, reason="manual", command="stress", target=None, in_tree=False))
        asks.append(time.process_time() - began)
        began = time.process_time()
        paths.queue.scan()
        looks.append(time.process_time() - began)
    began = time.process_time()
    drive(paths)
    driven = (time.process_time() - began) / (pending + 30)
    ask, look = sorted(asks)[15] * 1000, sorted(looks)[15] * 1000
    print(
        f"{pending:5} pending {settled:6} settled: request {ask:.2f} ms, look {look:.1f} ms, settled in {driven * 1000:.2f} ms"
    )
    assert ask < 50
    assert look < 1000
    assert len(os.listdir(paths.queue.settled)) <= 202  # and what the breaker still counts
