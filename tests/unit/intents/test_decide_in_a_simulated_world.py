"""decide() against a simulated gateway whose every move may be slow, and whose files may change without an event.

Only the end of a process that runs is always noticed: the driver holds a descriptor for it.
"""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from hermes_cli.intents.decide import decide
from hermes_cli.intents.facts import Facts, Observation, Policy
from hermes_cli.intents.instance import DrainState, Instance
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import Intent, Requester
from hermes_cli.intents.service import Service
from hermes_cli.intents.step import Kill, LookAhead, Settle, Signal, Start, Wait
from hermes_cli.intents.witness import with_step
from hermes_cli.system.process import Identity

EPOCH = 1_800_000_000.0
NEVER = 1e9
STEPS = 5000
POLICY = Policy(refusal_codes=frozenset({78}))


@dataclass
class Run:
    """How one run of the gateway goes: `end` seconds after its start it exits with `code`."""

    ready: float
    end: float
    code: int
    revision: str = "new"


@dataclass
class World:
    """One gateway and its manager. Times are absolute; NEVER is later than any test looks."""

    starts: list[Run]
    drain: float
    hears: bool
    keep_alive: float
    answers: bool
    now: float = EPOCH
    begun: int = 0
    pid: int = 0
    up: float = 0.0
    script: Run = field(default_factory=lambda: Run(0, NEVER, 0, "old"))
    drain_since: float | None = None
    died: float = 0.0
    code: int | None = None
    demand_starts: int = 0
    started_beside: bool = False

    def boot(self):
        self.started_beside = self.started_beside or self.pid != 0
        self.begun += 1
        self.pid, self.up, self.drain_since = 1000 + self.begun, self.now, None
        self.script = self.starts[min(self.begun - 1, len(self.starts) - 1)]

    def exit_at(self):
        drained = self.drain_since + self.drain if self.drain_since is not None else NEVER * 4
        return min(self.up + self.script.end, drained)

    def advance(self, until):
        """Time goes on; what was due by then happens, in its order."""
        while True:
            due = self.exit_at() if self.pid else self.died + self.keep_alive
            if due > until:
                break
            self.now = max(self.now, due)
            if self.pid:
                self.code = 75 if self.drain_since is not None else self.script.code
                self.died, self.pid = self.now, 0
            else:
                self.boot()
        self.now = max(self.now, until)

    def next_event(self):
        if not self.pid:
            return self.died + self.keep_alive
        is_ready = self.now >= self.up + self.script.ready
        return min(self.exit_at(), NEVER * 4 if is_ready else self.up + self.script.ready)

    def instance(self):
        if not self.pid:
            return None
        is_ready = self.now >= self.up + self.script.ready
        state = "draining" if self.drain_since is not None else "ready" if is_ready else "starting"
        drain = DrainState(self.drain_since, self.drain_since + 180, 1) if self.drain_since is not None else None
        return Instance(
            Identity(self.pid, self.up, self.pid, "boot"),
            state,
            revision=self.script.revision,
            started_at=self.up,
            handles_signal=is_ready,
            drain=drain,
        )

    def observe(self, installed, *, looked_ahead):
        running = self.instance()
        service = Service("unknown")
        if self.answers:
            service = Service("running", self.pid) if running else Service("stopped", None, self.code, "exited")
        return Observation(self.now, instance=running, service=service, installed=installed, looked_ahead=looked_ahead)


def live(world, asked, installed, hints):
    """Drive until the intent settles: the step, and whom it signalled."""
    progress, signalled, looked_ahead = Progress(since=world.now), [], False
    for number in range(STEPS):
        found = decide(Facts(asked, progress, world.observe(installed, looked_ahead=looked_ahead), POLICY))
        looked_ahead = isinstance(found, LookAhead)
        if isinstance(found, Settle):
            return found, signalled
        if isinstance(found, Wait):
            assert found.until > world.now
            hint = world.next_event() if hints[number % len(hints)] else found.until
            # Nobody runs: the driver looks again each second.
            hint = min(hint, world.exit_at() if world.pid else world.now + 1.0)
            world.advance(min(found.until, max(hint, world.now + 0.001)))
            continue
        progress = with_step(progress, found, world.now)
        if isinstance(found, Signal):
            if found.target.pid not in signalled:  # saying it again to one that shows nothing is no second restart
                signalled.append(found.target.pid)
            if world.hears:
                world.drain_since = world.now
        elif isinstance(found, Kill):
            assert found.target.pid == world.pid
            world.code, world.died, world.pid = -9, world.now, 0
        elif isinstance(found, Start):
            world.demand_starts += 1
            if not world.pid:
                world.boot()
        world.advance(world.now + 0.01)
    raise AssertionError(f"not settled after {STEPS} steps")


DELAYS = st.sampled_from([0.0, 0.3, 5.0, 59.0, 200.0, NEVER])
STARTS = st.lists(
    st.builds(Run, ready=DELAYS, end=DELAYS, code=st.sampled_from([0, 1, 75, 78, -9]), revision=st.just("new")),
    min_size=1,
    max_size=6,
)
WORLDS = st.builds(
    World,
    starts=STARTS,
    drain=DELAYS,
    hears=st.booleans(),
    keep_alive=st.sampled_from([0.2, 30, NEVER]),
    answers=st.booleans(),
)


def asked(target, reason="manual"):
    return Intent(
        id="20270115T080000.000000Z-4321-9f3a",
        action="restart",
        reason=reason,
        requested_at=EPOCH,
        profile="default",
        boot_id="boot",
        target=target,
        revision="old",
        requester=Requester(),
        origin=None,
        force=False,
        drain_timeout=None,
        expires_at=None if reason == "update" else EPOCH + 3600,
        document={},
    )


@given(WORLDS, st.lists(st.booleans(), min_size=1, max_size=20), st.booleans())
def test_every_restart_settles_and_says_restarted_only_of_a_fresh_ready_instance(world, hints, has_target):
    if has_target:
        world.pid, world.up = 1000, EPOCH - 9000
    found, signalled = live(
        world, asked(Identity(1000, EPOCH - 9000, 1000, "boot") if has_target else None), None, hints
    )
    assert found.outcome in {"restarted", "failed", "already-satisfied", "expired"}
    if found.outcome == "restarted":
        assert world.pid > 1000
        assert world.instance().ready
    assert len(signalled) == len(set(signalled))
    assert world.demand_starts <= POLICY.max_attempts
    assert not world.started_beside


@given(WORLDS, st.lists(st.booleans(), min_size=1, max_size=20), st.lists(st.sampled_from(["old", "new"]), min_size=1))
def test_every_update_settles_even_when_fresh_instances_come_up_on_the_old_code(world, hints, revisions):
    for number, start in enumerate(world.starts):
        start.revision = revisions[number % len(revisions)]
    world.pid, world.up = 1000, EPOCH - 9000
    found, signalled = live(world, asked(Identity(1000, EPOCH - 9000, 1000, "boot"), "update"), "new", hints)
    if found.outcome == "restarted":
        assert world.instance().ready
        assert world.instance().revision == "new"
    assert len(signalled) == len(set(signalled))
    assert len(signalled) <= POLICY.max_attempts


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.sampled_from([0.2, 30.0, NEVER]), DELAYS)
def test_a_sound_gateway_is_always_restarted_whatever_hints_are_lost(hints, keep_alive, drain):
    world = World([Run(0.3, NEVER, 0)], drain=drain, hears=True, keep_alive=keep_alive, answers=True)
    world.pid, world.up = 1000, EPOCH - 9000
    found, signalled = live(world, asked(Identity(1000, EPOCH - 9000, 1000, "boot")), None, hints)
    assert found.outcome == "restarted"
    assert signalled == [1000]
    assert world.begun == 1
