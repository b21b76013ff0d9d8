"""What a decision is made from: one look at the world, what is known of the intent, and the numbers."""

from functools import cached_property
from typing import Literal, NamedTuple, Self

from hermes_cli.intents.clocks import Clocks
from hermes_cli.intents.desired import Desired
from hermes_cli.intents.instance import TICKS, Instance
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import Intent
from hermes_cli.intents.request import DRAIN_TIMEOUT, STORM_LIMIT, STORM_WINDOW, UPDATE
from hermes_cli.intents.service import Service

Phase = Literal["plain", "trial", "repair"]
TRIAL_ATTEMPTS = 2  # starts of new code that may fail, and fresh instances on it that may end by themselves
SAME_GENERATION = 2.0  # seconds between two looks at when one run began: each look takes a while
PERSON_LIMIT_FACTOR = 5  # people get five times the programs' storm limit; who claims to be one is not checked


class Trial(NamedTuple):
    """An update's change of code, which its restart has to prove. `undone`: why the old code was put back, if it was.

    `brought`: the revision that a program on the new code calls itself; None if that is not known.
    """

    undone: str | None = None
    brought: str | None = None


class Observation(NamedTuple):
    """One look at the world. `instance` is alive, or None. `now` in epoch seconds."""

    now: float
    boot_id: str | None = None
    boot_time: float | None = None  # seconds since that boot
    desired: Desired | None = "running"  # None: it cannot be told now
    instance: Instance | None = None
    target_alive: bool = False  # the named process runs and may still be the program
    service: Service = Service()
    looked_ahead: bool = False  # whether another instance could start was looked at just now
    obstacle: str | None = None  # why it could not, if so
    not_now: str | None = None  # why it could not now, and could in a while
    held: bool = False  # an updater is changing the code
    trial: Trial | None = None
    unsound: str | None = None  # why an update that was cut off could be neither finished nor undone
    installed: str | None = None  # the revision on disk; looked up for updates only
    restarts: tuple[float, ...] = ()  # when recent automatic restarts settled
    all_restarts: tuple[float, ...] = ()  # when recent restarts settled, whoever asked
    answered: frozenset[tuple[str, str, str]] = frozenset()  # messages whose request was carried out before


class Mends(NamedTuple):
    """What a person can do about an outcome, and what is waited for, as the texts of this program name it."""

    queue: str = "look at the queue"
    update: str = "repeat the update"
    undescribed: str = "stop it, then start it"
    describing: str = "the gateway to describe itself again"


class Policy(NamedTuple):
    """The numbers. Seconds. `refusal_codes`: exit codes that mean that another start would not help either.

    `look_again`: seconds between two looks at a program whose changes nothing tells of.
    """

    drain_timeout: float = DRAIN_TIMEOUT
    teardown_timeout: float = 10.0
    start_timeout: float = 60.0
    max_attempts: int = 5
    backoff: float = 0.5
    spawn_interval: float = 0.0
    storm_limit: int = STORM_LIMIT
    storm_window: float = STORM_WINDOW
    stay_ready: float = 3.0
    look_again: float = float("inf")
    refusal_codes: frozenset[int] = frozenset()
    may_kill: bool = True  # what is not ours is never killed
    tells_revision: bool = True  # the program says which revision it runs, sooner or later
    mends: Mends = Mends()

    def clocks(self, intent: Intent) -> Clocks:
        """Return the deadlines of this intent's restart."""
        requested = 0.0 if intent.force else intent.drain_timeout
        return Clocks(self.drain_timeout if requested is None else requested, self.teardown_timeout)

    def pause(self, attempts: int, service: Service) -> float:
        """Return how long after a demand start the next one may come; a start that the manager has scheduled is first."""
        pause = float(self.backoff * 2 ** max(0, attempts - 1))
        # launchd floors whole seconds of runtime: start to start is anything up to one second longer.
        return max(pause, self.spawn_interval + 1.0) if service.scheduled else pause

    def storm(self, restarts: tuple[float, ...], now: float, factor: int = 1) -> str | None:
        """Return why no further restart is admitted now, at `factor` times the limit, or None (B6)."""
        recent = [at for at in restarts if now - self.storm_window < at <= now]
        if len(recent) < factor * self.storm_limit:
            return None
        ends = sorted(recent)[len(recent) - factor * self.storm_limit] + self.storm_window
        return (
            f"refused: {len(recent)} restarts within {self.storm_window / 60:.0f} min, something asks again and again; "
            f"admitted again in {max(1.0, (ends - now) / 60):.0f} min; see {self.mends.queue}"
        )


class Facts:
    """Everything about one intent at one moment; nothing of it changes."""

    def __init__(self, intent: Intent, progress: Progress, seen: Observation, policy: Policy) -> None:
        """No time of the progress is kept ahead of `seen.now`: nobody waits for a clock that was stepped back."""
        self.intent = intent
        self.progress = progress.not_ahead_of(seen.now)
        self.seen = seen
        self.policy = policy

    def known(self, progress: Progress) -> Self:
        """Return the same with another progress."""
        return type(self)(self.intent, progress, self.seen, self.policy)

    @property
    def now(self) -> float:
        """The moment of the look."""
        return self.seen.now

    @property
    def is_expired(self) -> bool:
        """Whether the request is too old; until the next boot by the boot's clock, which nobody sets."""
        intent, seen = self.intent, self.seen
        if intent.expires_at is None:
            return False
        if None not in (seen.boot_id, seen.boot_time, intent.boot_time) and seen.boot_id == intent.boot_id:
            assert seen.boot_time is not None
            assert intent.boot_time is not None
            return seen.boot_time - intent.boot_time >= intent.expires_at - intent.requested_at
        return self.now >= intent.expires_at

    def was_started_since(self, instance: Instance) -> bool:
        """Tell whether the instance began after the request; by the boot's clock, which nobody sets, where both are known."""
        intent, identity = self.intent, instance.identity
        known = None not in (intent.boot_id, intent.boot_time, identity.start_ticks)
        if not known or identity.boot_id != intent.boot_id:
            return instance.started_at >= intent.requested_at
        assert intent.boot_time is not None
        assert identity.start_ticks is not None
        return (identity.start_ticks + 1) / TICKS > intent.boot_time

    @property
    def running(self) -> Instance | None:
        """The instance that runs, whichever it is."""
        return self.seen.instance

    @cached_property
    def phase(self) -> Phase:
        """Whether the new code still has to prove itself (trial), or was put back and the old has to run (repair)."""
        if self.seen.trial is None:
            return "plain"
        return "trial" if self.seen.trial.undone is None else "repair"

    @cached_property
    def outdated(self) -> Instance | None:
        """The running instance, if it is one that this intent wants gone."""
        running = self.seen.instance
        if running is None:
            return None
        # In a repair it does not count any more which instance was named, nor who asked.
        target = self.intent.target if self.phase != "repair" else None
        if target is not None and target.is_same_as(running.identity) and not self._began_anew(running):
            return running
        # A crash during an update may have brought up an instance on half the change: it is not fresh either.
        if self.intent.reason != UPDATE or self.seen.installed is None:
            return None
        if running.revision is None:  # after the old code was put back, it may run what was just put away
            return running if self.phase == "repair" and running.started_at < self.progress.since else None
        return running if running.revision != self.seen.installed else None

    def _began_anew(self, running: Instance) -> bool:
        """Say whether the named process has begun another run since: some programs restart in their own process."""
        now, named = running.generation, self.intent.generation
        if now is None:
            return False
        if named is None:  # nobody could tell when it was asked for
            return now > self.intent.requested_at + SAME_GENERATION
        return abs(now - named) > SAME_GENERATION

    @property
    def fresh(self) -> Instance | None:
        """The running instance, if it is another than the one that this intent wants gone."""
        return None if self.outdated is not None else self.seen.instance

    @property
    def leaps(self) -> bool:
        """Whether something healthy is to be taken down next, which nobody has insisted on (rule 10)."""
        running = self.running
        if running is None or not running.ready or self.intent.force or self.phase == "repair":
            return False
        return self.outdated is not None or self.wants_reload

    @property
    def wants_reload(self) -> bool:
        """Whether a changed definition is still to be loaded, and an instance under the old one runs."""
        return self.fresh is not None and self.intent.action == "reload" and not self.progress.attempts

    @property
    def max_attempts(self) -> int:
        """How many demand starts may fail."""
        return min(TRIAL_ATTEMPTS, self.policy.max_attempts) if self.phase == "trial" else self.policy.max_attempts

    @property
    def keeps_crashing(self) -> bool:
        """Whether as many starts have failed as are tried, even if each look has found another one at work."""
        if not self.progress.died:
            return False
        return self.start_is_refused or self.progress.attempts + self.progress.died > self.max_attempts

    @property
    def start_is_refused(self) -> bool:
        """Whether the program itself says that another start would not help."""
        return self.seen.service.exit_code in self.policy.refusal_codes

    @property
    def start_is_scheduled(self) -> bool:
        """Whether the manager has announced a start of its own that is not due yet."""
        return self.progress.attempts > 0 and self.seen.service.scheduled and self._pauses

    @property
    def next_start(self) -> float:
        """When the next demand start may come."""
        return self.progress.attempted_at + self.policy.pause(self.progress.attempts, self.seen.service)

    @property
    def start_is_paused(self) -> bool:
        """Whether the pause after the last demand start is still running."""
        return self.progress.attempts > 0 and self._pauses

    @property
    def _pauses(self) -> bool:
        return self.progress.attempted_at <= self.now < self.next_start

    @property
    def start_failure(self) -> str:
        """What became of the starts so far."""
        starts = f"{self.progress.attempts} demand start{'' if self.progress.attempts == 1 else 's'}"
        if self.progress.died:
            starts += f" and {self.progress.died} by the service manager"
        return f"no ready gateway after {starts}: {self.seen.service.reason}"

    def latest_beginning(self, stamp: float) -> float:
        """Return the latest time that it may count from: its own stamp (unless missing or ahead), our look, our signal."""
        return max(stamp if stamp <= self.now else 0.0, self.progress.since, self.progress.signalled_at)
