"""Driver, queue and gateway as a state machine: hypothesis orders crashes, clock jumps, reboots, reused pids and old and
future records as it likes; in the end every acknowledged request is settled and nobody was touched who was not named.

The files and the driver are real; processes, the clock and the boot are played.
"""

import json
import os
import shutil
import signal
import tempfile
from contextlib import ExitStack
from unittest import mock

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.models.in_place import NoUpdates, paths_below
from support.values import replace

from hermes_cli.intents import desired, driver, facts, progress, queue, record
from hermes_cli.intents.facts import Policy
from hermes_cli.intents.instance import DrainState, Instance
from hermes_cli.intents.request import compose, make_directories, new_id, submit
from hermes_cli.intents.service import Service
from hermes_cli.programs import own
from hermes_cli.system import locks, process, process_table
from hermes_cli.system.process import Identity

POLICY = Policy(drain_timeout=20, teardown_timeout=5, start_timeout=30, max_attempts=3, storm_limit=10**6)
ROUNDS = 400


class Killed(BaseException):
    """The driver was killed there."""


class Protocol(RuleBasedStateMachine):
    """One machine with one gateway, and a driver that is run round by round."""

    @initialize()
    def begin(self) -> None:
        base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.root = tempfile.mkdtemp(dir=base)
        self.paths = paths_below(self.root)
        make_directories(self.paths.intents)
        self.now, self.boot, self.ticks, self.next_pid = 1_800_000_000.0, "boot-1", 1000, 100
        self.processes: dict[int, int] = {}  # pid → start, of everything that lives
        self.gateway: Instance | None = None
        self.acknowledged: set[str] = set()
        self.named: set[tuple] = set()
        self.aside: set[str] = set()
        self.ended: list[tuple] = []
        self.starts = 0
        self.die_at = 0
        self.stack = ExitStack()
        patch = lambda owner, name, value: self.stack.enter_context(mock.patch.object(owner, name, value))  # noqa: E731
        patch(process_table, "boot_id", lambda: self.boot)
        patch(process_table, "start_ticks", self.processes.get)
        patch(process_table, "create_time", lambda pid: float(self.processes[pid]) if pid in self.processes else None)
        patch(locks, "is_held", lambda path: path == self.paths.gateway_lock and self.gateway is not None)
        patch(process, "send", self.send)
        patch(driver.time, "time", lambda: self.now)
        patch(driver.Driver, "_await_exit", lambda *_: None)
        self.up()

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        try:
            self.see_the_end()
        finally:
            self.stack.close()
            shutil.rmtree(self.root)

    # --- the played machine

    def pid(self) -> int:
        self.next_pid += 1
        return self.next_pid

    def up(self, pid: int | None = None) -> None:
        pid = pid or self.pid()
        self.ticks += 1
        self.processes[pid] = self.ticks
        self.gateway = Instance(
            Identity(pid, float(self.ticks), self.ticks, self.boot),
            "ready",
            "new",
            started_at=self.now,
            handles_signal=True,
        )
        own.write(self.paths, self.gateway)

    def down(self) -> None:
        assert self.gateway is not None
        self.processes.pop(self.gateway.identity.pid, None)
        self.gateway = None

    def key(self, identity: Identity) -> tuple:
        return (identity.pid, identity.start_ticks, identity.boot_id)

    def send(self, identity: Identity, number: signal.Signals) -> bool:
        assert self.gateway is not None, "a signal while no gateway runs"
        assert self.gateway.identity.is_same_as(identity), f"{number} to a stranger: {identity}"
        assert self.key(identity) in self.named, "an instance was ended that nobody named"
        self.ended.append(self.key(identity))
        if number == signal.SIGKILL:
            self.down()
        elif self.gateway.state == "ready":
            self.gateway = replace(self.gateway, state="draining", drain=DrainState(self.now, self.now + 20, 1))
            own.write(self.paths, self.gateway)
        return True

    def observe(self) -> Service:
        return Service("running" if self.gateway else "stopped")

    def obstacle(self) -> str | None:
        return None

    def demand_start(self) -> None:
        self.perhaps_die()
        assert desired.read(self.paths.desired) == "running", "started after stop"
        if self.gateway is None:
            self.starts += 1
            self.up()
        self.perhaps_die()

    def reload(self) -> None:
        self.demand_start()

    def perhaps_die(self) -> None:
        if self.die_at:
            self.die_at -= 1
            if not self.die_at:
                raise Killed

    # --- what may happen

    @rule(old=st.booleans(), blind=st.booleans())
    def ask(self, old: bool, blind: bool) -> None:
        """A request, also as an earlier release wrote it, or by who saw no gateway."""
        target = self.gateway.identity.document() if self.gateway and not blind else None
        asking = compose(self.paths.profile, reason="manual", command="x", target=target, in_tree=False, expiry=10**8)
        if old:
            for name in ("schema", "boot_id", "force", "drain_timeout", "origin", "requester"):
                del asking[name]
        self.acknowledged.add(submit(self.paths.intents, asking))
        if target is not None and self.gateway is not None:
            self.named.add(self.key(self.gateway.identity))

    @rule(content=st.sampled_from(['{"schema": 2, "id": "ID"}', "", "{", "[]"]))
    def litter(self, content: str) -> None:
        """A record of a future release, or none at all."""
        identifier = new_id(self.now)
        name = f"{identifier}.json"
        content = content.replace("ID", identifier)
        with open(f"{self.paths.pending}/{name}", "w", encoding="ascii") as file:
            file.write(content)
        os.chmod(file.name, 0o600)
        self.aside.add(name)

    @rule(rounds=st.integers(1, 4), die_at=st.integers(0, 6), seconds=st.sampled_from([0.0, 1.0, 40.0]))
    def drive(self, rounds: int, die_at: int, seconds: float) -> None:
        """A driver makes some rounds, and may be killed at one of its steps."""
        self.die_at = die_at
        one = driver.Driver(
            self.paths.queue, own.OwnGateway(self.paths), self, NoUpdates(), policy=POLICY, trigger="watch"
        )
        note, settle = progress.write, queue.Queue.settle

        def writes(*arguments, **options):
            self.perhaps_die()
            note(*arguments, **options)
            self.perhaps_die()

        def settles(*arguments, **options):
            self.perhaps_die()
            won = settle(*arguments, **options)
            self.perhaps_die()
            return won

        with (
            mock.patch.object(progress, "write", writes),
            mock.patch.object(queue.Queue, "settle", settles),
        ):
            try:
                for _ in range(rounds):
                    if one.step() is None:
                        break
                    self.now += seconds
            except Killed:
                pass
        self.die_at = 0

    @rule(seconds=st.sampled_from([1.0, 30.0, -5.0, -7200.0, 86400.0]))
    def step_the_clock(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def drained(self) -> None:
        if self.gateway is not None and self.gateway.state == "draining":
            self.down()

    @rule()
    def crash(self) -> None:
        if self.gateway is not None:
            self.down()

    @rule()
    def come_back_by_itself(self) -> None:
        if self.gateway is None and desired.read(self.paths.desired) == "running":
            self.up()

    @rule()
    def reuse_the_pid(self) -> None:
        """The gateway is gone, and a stranger has its number; gateway.json still names it."""
        if self.gateway is not None:
            pid = self.gateway.identity.pid
            self.down()
            self.ticks += 1
            self.processes[pid] = self.ticks

    @rule(same_pid=st.booleans())
    def reboot(self, same_pid: bool) -> None:
        """Ticks and pids begin again; the gateway may come back under the number, and the ticks, that it had."""
        pid = self.gateway.identity.pid if self.gateway and same_pid else None
        ticks = self.gateway.identity.start_ticks if self.gateway else None
        self.processes.clear()
        self.gateway = None
        self.boot = f"boot-{int(self.boot.split('-')[1]) + 1}"
        if pid is not None and ticks is not None:
            self.ticks = ticks - 1
            self.up(pid)

    @invariant()
    def nothing_acknowledged_is_gone(self) -> None:
        if hasattr(self, "paths"):
            there = {one.id for one in self.paths.queue.unsettled()} | {
                one.intent.id for one in self.paths.queue.history()
            }
            assert self.acknowledged <= there

    def see_the_end(self) -> None:
        """From here nothing more goes wrong: a trigger survives, drains end, time goes on."""
        for _ in range(ROUNDS):
            if not os.listdir(self.paths.pending):
                break
            self.drive(1, 0, 5.0)
            self.drained()
        assert not os.listdir(self.paths.pending), "it never settles"
        assert {one.intent.id for one in self.paths.queue.history()} == self.acknowledged
        assert set(os.listdir(self.paths.queue.rejected)) == self.aside
        for one in self.paths.queue.history():
            assert json.dumps(one.intent.document)
        assert len({*self.ended}) <= len(self.named)


Protocol.TestCase.settings = settings(
    max_examples=int(os.environ.get("HERMES_PROOF_EXAMPLES", max(150, settings().max_examples))),
    stateful_step_count=30,
)
TestProtocol = Protocol.TestCase


def test_a_clock_stepped_back_does_not_begin_the_pause_again_with_each_driver():
    machine = Protocol()
    machine.begin()
    machine.ask(old=False, blind=False)
    for _ in range(2):
        machine.crash()
        machine.drive(rounds=1, die_at=0, seconds=0.0)
    machine.crash()
    machine.step_the_clock(-7200.0)
    machine.teardown()  # drivers that live one round each, until it is settled


def _settles_backwards(found, intent, *arguments, **options):
    """The record goes first, and the driver may be killed before the outcome is there."""
    os.unlink(f"{found.pending}/{intent.id}.json")
    if int(intent.id[-1], 16) % 2:
        raise Killed
    return _SETTLE(found, intent, *arguments, **options)


_SETTLE = queue.Queue.settle
PLANTED = {
    "a process is known by its pid alone": (process_table, "is_same", lambda pid, *_: process_table.start_ticks(pid)),
    "whoever runs is restarted": (facts.Facts, "outdated", property(lambda found: found.seen.instance)),
    "the record goes before the outcome is there": (queue.Queue, "settle", _settles_backwards),
    "a future record is taken for one of ours": (record, "SCHEMA", 2),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_the_machine_finds_a_planted_bug(bug):
    owner, name, value = PLANTED[bug]
    quick = settings(max_examples=3000, stateful_step_count=30, phases=[Phase.generate], database=None)
    with mock.patch.object(owner, name, value), pytest.raises((AssertionError, ExceptionGroup, Killed)):
        run_state_machine_as_test(Protocol, settings=quick)
