"""One run of the program that is kept alive, as its observer describes it."""

import os
from typing import Literal, NamedTuple

from hermes_cli.intents.request import elapsed
from hermes_cli.system.process import Identity

TICKS = os.sysconf("SC_CLK_TCK")  # per second, in start_ticks
State = Literal["starting", "ready", "draining", "exited"]
STATES: tuple[State, ...] = ("starting", "ready", "draining", "exited")


class DrainState(NamedTuple):
    """A drain under way: epoch seconds, and how many turns it waits for."""

    since: float
    deadline: float
    turns: int = 0

    def shown(self, now: float) -> str:
        """Return how far the drain is, in words. `now` in epoch seconds."""
        return drain_text(self.turns, now - self.since, self.deadline - self.since)


def drain_text(turns: int, passed: float, lasts: float) -> str:
    """Return how far a drain of `lasts` seconds is, in words."""
    return f"drain: {turns} turn{'' if turns == 1 else 's'}, {max(0.0, passed):.0f} s of {lasts:.0f} s"


class Marks(NamedTuple):
    """How far the process `pid` says that it came, and when: epoch seconds, 0 for not (yet). `turns`: that it waited for."""

    pid: int = 0
    ready: float = 0.0
    signalled: float = 0.0
    draining: float = 0.0
    exited: float = 0.0
    turns: int = 0


class Crashes(NamedTuple):
    """How many instances have ended by themselves since the update with this id."""

    update: str
    times: int


class Instance(NamedTuple):
    """A process that was seen. `handles_signal`: it has said that the restart signal would not just kill it (rule 5).

    `generation`: when this run began, epoch seconds, of a program that restarts without a new process; else None.
    From `marks` on it is what not every program tells of itself.
    """

    identity: Identity
    state: State
    revision: str | None = None
    started_at: float = 0.0
    active_turns: int = 0
    handles_signal: bool = False
    drain: DrainState | None = None
    generation: float | None = None
    marks: Marks | None = None
    before: Marks | None = None  # the marks of the instance before it
    version: str | None = None
    heartbeat: float = 0.0  # epoch seconds
    heartbeat_since_boot: float | None = None
    exit_code: int | None = None
    crashes: Crashes | None = None  # of those before it
    package: str | None = None  # the directory of the code that it runs

    def uptime(self, now: float) -> float:
        """Return for how many seconds this run has lasted. `now` in epoch seconds."""
        ticks = self.identity.start_ticks if self.generation is None else None
        return elapsed(self.started_at, self.identity.boot_id, None if ticks is None else ticks / TICKS, now)

    def silence(self, now: float) -> float:
        """Return for how many seconds it has given no sign of life. `now` in epoch seconds."""
        return elapsed(self.heartbeat, self.identity.boot_id, self.heartbeat_since_boot, now)

    @property
    def ready(self) -> bool:
        """Whether it accepts work."""
        return self.state == "ready"
