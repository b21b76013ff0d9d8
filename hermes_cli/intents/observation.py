"""What a decision is made from: one look at the world, and the numbers."""

from dataclasses import dataclass

from hermes_cli.intents.clocks import Clocks
from hermes_cli.intents.desired import Desired
from hermes_cli.intents.record import Intent
from hermes_cli.intents.service import Service
from hermes_cli.programs.own import Instance


@dataclass(frozen=True, slots=True)
class Change:
    """The change of code that an update's intent goes with. `undone`: why the old code was put back, None: it was not."""

    undone: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at the world. `instance` is alive, or None. `now` in epoch seconds."""

    now: float
    desired: Desired = "running"
    instance: Instance | None = None
    target_alive: bool = False  # the named process runs and may still be the gateway
    service: Service = Service()  # noqa: RUF009  frozen
    held: bool = False  # an updater is changing the code
    change: Change | None = None  # of code, that this intent's restart is the proof of
    unsound: str | None = None  # why a cut-off update could be neither finished nor undone
    installed: str | None = None  # the revision on disk; looked up for updates only
    restarts: tuple[float, ...] = ()  # when recent automatic restarts settled
    all_restarts: tuple[float, ...] = ()  # the same, of everybody's
    answered: frozenset[tuple[str, str, str]] = frozenset()  # messages whose request was carried out before


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers. Seconds."""

    drain_timeout: float = 180.0
    teardown_timeout: float = 10.0
    start_timeout: float = 60.0
    max_attempts: int = 5
    backoff: float = 0.5
    spawn_interval: float = 0.0
    storm_limit: int = 10
    storm_window: float = 600.0
    stay_ready: float = 3.0

    def clocks(self, intent: Intent) -> Clocks:
        """The deadlines of this intent's restart."""
        asked = 0.0 if intent.force else intent.drain_timeout
        return Clocks(self.drain_timeout if asked is None else asked, self.teardown_timeout)

    def pause(self, attempts: int, service: Service) -> float:
        """How long after a demand start the next one may come; a start that the manager has scheduled comes first."""
        pause = float(self.backoff * 2 ** max(0, attempts - 1))
        # launchd floors whole seconds of runtime: start to start is anything up to one second longer.
        return max(pause, self.spawn_interval + 1.0) if service.scheduled else pause
