"""Everything that `hermes gateway status` knows, gathered once."""

import os
import shlex
import time
from typing import Any, Literal, NamedTuple

from hermes_cli import user_environment
from hermes_cli.config import load
from hermes_cli.errors import EX_CONFIG, ConfigError, Problem
from hermes_cli.intents import desired, queue
from hermes_cli.intents.instance import DrainState, Instance
from hermes_cli.intents.record import Intent
from hermes_cli.intents.settled import Settled
from hermes_cli.paths import Paths, profiles
from hermes_cli.programs import description, own, starts
from hermes_cli.programs.adoption import program_path
from hermes_cli.restart import storm
from hermes_cli.restart.waiting import waiting
from hermes_cli.services import kept, other_installation, unmanaged, usable
from hermes_cli.services.base import RestarterStatus, ServiceManager, ServiceStatus
from hermes_cli.status import telegram, updates
from hermes_cli.status.telegram import TelegramState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_cli.programs.declared import DeclaredProgram
    from hermes_cli.services.ahead import NextStart

Kind = Literal["own", "adopted", "taken-over"]


class AdoptedStatus(NamedTuple):
    """An adopted program. `wish`: the file in which a restart of it is written; `verdict`: what becomes of it if down.

    `again`: the command that adopts it anew, and so puts right what is ours of it.
    """

    program: str
    definition: str
    home: str
    unloaded: str
    again: str
    wish: str | None = None
    verdict: str | None = None
    mend: str | None = None


class TakenOverStatus(NamedTuple):
    """A program without a service of its own, in the place of our gateway. `wrong`: why its file says nothing."""

    program: str | None
    command: str
    file: str
    wrong: str | None = None


class Places(NamedTuple):
    """Where things are. `home`: HERMES_HOME, or None; `log`: of an adopted program, its restarter's."""

    home: str | None
    state: str
    config: str
    log: str


class Status(NamedTuple):
    """One look at everything; `problems` judges it, `document` and `text` show it."""

    now: float
    profile: str
    manager: str
    desired: str
    service: ServiceStatus
    instance: Instance | None
    restarter: RestarterStatus
    pending: tuple[dict[str, Any], ...]
    last: Settled | None
    drifted: tuple[str, ...]
    gone: str | None  # the program that the definition names, if it is not there
    broken: tuple[queue.Broken, ...]
    config_error: str | None
    places: Places
    installed_revision: str | None
    updates: tuple[Problem, ...] = ()
    runs: tuple[starts.Run, ...] = ()
    series: starts.Series | None = None
    log: tuple[str, ...] = ()  # the last lines of a gateway that ends again and again
    adopted: AdoptedStatus | None = None
    taken_over: TakenOverStatus | None = None
    unreadable: tuple[str, ...] = ()  # files that are there, but what they say cannot be told now
    unusable: tuple[usable.Unusable, ...] = ()  # what no start could open or replace
    elsewhere: Problem | None = None  # the service runs another installation
    storm: str | None = None  # why a restart that a program asks for is refused now
    silent_driver: int | None = None  # the pid of a driver that does nothing
    environment: Problem | None = None  # why no process of the service can read the user's variables
    is_wish_nonsense: bool = False  # desired.json says neither running nor stopped, and counts as running
    suspended_driver: int | None = None  # the pid of one that was stopped, whoever is to be heard of next
    is_undescribed: bool = False  # a gateway runs whose gateway.json is gone, or says nothing
    is_elsewhere: bool = False  # a gateway runs, in a pid namespace into which nobody can look from here
    is_profile: bool = True  # somebody has made it
    telegram: TelegramState | None = None  # None: it has no bot, or does not run
    profiles: tuple[str, ...] = ()  # those that are there, if this one is not

    @property
    def kind(self) -> Kind:
        """Whose program it is that the profile keeps running."""
        if self.adopted is not None:
            return "adopted"
        return "own" if self.taken_over is None else "taken-over"

    @property
    def undescribed(self) -> str:
        """What is wrong with the gateway.json of a gateway that runs and is not described."""
        if not os.path.lexists(f"{self.places.state}/gateway.json"):
            return "is missing"
        return "cannot be read" if self.unreadable else "says nothing"

    @property
    def is_crash_looping(self) -> bool:
        """Whether it starts again and again: the last run crashed soon after its start, and this one was never ready."""
        if self.is_undescribed or self.is_elsewhere or self.unreadable or self._was_ready:
            return False
        service = self.service.service
        if service.state == "stopped" and service.exit_code in starts.NO_LOOP:
            return False  # its manager knows better than files that nobody could write
        fewest = (
            2 if service.state == "stopped" and self.instance is None else 1
        )  # who ended once, and stays away, is down
        return starts.crashes_in_a_row(self.runs) >= fewest and self.desired == "running" and service.state != "unknown"

    @property
    def _was_ready(self) -> bool:
        """Whether the instance is ready, or was before it began to drain."""
        found = self.instance
        return found is not None and (found.ready or (found.marks is not None and found.marks.ready > 0))

    @property
    def has_come_back_from_crashes(self) -> bool:
        """Whether it is ready, and soon after its last starts ended by itself: nobody knows yet whether it stays."""
        return (
            self.instance is not None
            and self.instance.ready
            and self.now - self.instance.started_at < starts.SHORT
            and bool(self.runs)
            and self.runs[-1].why == "crash"  # nobody has started it since, who may have mended it
            and (self.last is None or self.last.settled_at < self.instance.started_at)  # as by putting old code back
            and starts.crashes_in_a_row(self.runs) > 1
        )

    @property
    def has_failed(self) -> bool:
        """Whether the end of its log says why it does not run."""
        return self.is_crash_looping or (
            self.instance is None
            and self.service.service.state == "stopped"
            and self.desired == "running"
            and (self.service.service.exit_code == EX_CONFIG or starts.last_crash(self.runs) is not None)
        )

    @property
    def exit_code(self) -> int:
        """0 ready or getting there, 3 not running, 4 not installed, 5 cannot tell (docs/status-json.md)."""
        if self.is_elsewhere:
            return 5
        if self.is_crash_looping:
            return 3
        if self.instance is not None or self.service.service.state == "running":
            return 0
        if self.service.service.state == "unknown" or self.unreadable:
            return 5
        return 3 if self.service.installed else 4


def gather(
    paths: Paths, manager: ServiceManager, installed_revision: "Callable[[], str | None]", package: str | None = None
) -> Status:
    """Look at everything once. Raises OSError when pending/ cannot be listed, unless that is among what is in the way.

    `package`: the directory of the installed one, where that is known.
    """
    now, pending = time.time(), paths.queue
    wish = desired.look(paths.desired)
    in_the_way = tuple(usable.unusable(paths, wish))
    try:
        scan = pending.scan()
    except OSError:
        if not in_the_way:
            raise
        scan = queue.Scan((), (), ())
    adopted = kept.adopted(paths)
    described, unreadable = _described(paths, wish)
    ours = description.alive(paths.instance, described)
    running = own.described(ours) if adopted is None else _as_ours(adopted.observe(), now)
    seen = manager.look()
    service = seen.service
    is_undescribed = running is None and described is None and unmanaged.is_undescribed(paths)
    pid = service.service.pid if is_undescribed else None
    unread = usable.unread_journal(paths)
    runs, series = starts.look(paths, running.identity.pid if running is not None else pid, described)
    other = other_installation.among(seen.definitions, ours, package) if service.answers else None
    idle, is_profile = pending.idle_driver(), paths.is_there
    found = Status(
        now=now,
        profile=paths.profile,
        manager=manager.name,
        desired=(wish.state or "unknown") if adopted is None else adopted.desired(),
        service=service,
        instance=running,
        restarter=seen.restarter,
        pending=tuple(_pending(paths, intent, running, now) for intent in scan.intents),
        last=pending.last(),
        drifted=seen.drifted,
        gone=_gone(seen.start),
        broken=scan.broken,
        config_error=_config_error(paths),
        environment=_environment(paths) if adopted is None else None,
        is_wish_nonsense=adopted is None and wish.is_nonsense,
        places=_places(paths, is_adopted=adopted is not None),
        updates=tuple(updates.left_to_say(paths)),
        elsewhere=other_installation.problem(paths, other) if other is not None else None,
        storm=storm.refusal(paths),
        runs=runs,
        unreadable=(*(unreadable if adopted is None else ()), *((unread.path,) if unread is not None else ())),
        unusable=in_the_way if adopted is None else (),
        series=series,
        is_undescribed=is_undescribed,
        is_elsewhere=running is None and adopted is None and description.is_elsewhere(paths.instance, described),
        telegram=telegram.read(paths, running.identity.pid) if running is not None and adopted is None else None,
        suspended_driver=idle.suspended.pid if idle.suspended is not None else None,
        silent_driver=idle.silent.pid if idle.silent is not None else None,
        is_profile=is_profile,
        profiles=() if is_profile else tuple(profiles(paths)),
        adopted=_adopted(adopted, manager, running) if adopted is not None else None,
        taken_over=_taken_over(paths) if adopted is None else None,
        installed_revision=installed_revision() if adopted is None else None,  # last: it may still be under way
    )
    if not found.has_failed:
        return found
    from hermes_cli.restart.log_lines import last_lines

    return found._replace(log=last_lines(paths.gateway_log))


def _described(paths: Paths, wish: desired.Look) -> tuple[description.Description | None, tuple[str, ...]]:
    """Return what gateway.json says, and which of the two files are there and cannot be read."""
    unread = (paths.desired,) if wish.error is not None else ()
    try:
        return description.read(paths.instance, strict=True), unread
    except OSError:
        return None, (*unread, paths.instance)


def _pending(paths: Paths, intent: Intent, running: Instance | None, now: float) -> dict[str, Any]:
    known = paths.queue.progress_of(intent.id)
    found = waiting(known, running, now)
    return {
        "id": intent.id,
        "action": intent.action,
        "reason": intent.reason,
        "age": round(intent.age, 1),
        "requester": str(intent.requester),
        "waiting_for": found.text,
        "drain": _drain(found.drain, now),
        "rule": known.rule or None,
        "attempts": known.attempts,
    }


def _as_ours(found: Instance | None, now: float) -> Instance | None:
    """Return an adopted instance in the words of our own: whoever is seen alive has just been heard of."""
    if found is None:
        return None
    return found._replace(heartbeat=now)


def _adopted(program: "DeclaredProgram", manager: ServiceManager, running: Instance | None) -> AdoptedStatus:
    from hermes_cli.status import of_adopted

    adoption, verdict = program.adoption, None
    if running is None:
        from hermes_cli.programs.verdicts import judge
        from hermes_cli.services.adopted.base import Adopted

        assert isinstance(manager, Adopted)
        seen, _ = program.look(program.memory(), manager.view())
        verdict = judge(seen)
    return AdoptedStatus(
        adoption.program,
        adoption.definition,
        adoption.home,
        adoption.unloaded,
        of_adopted.again(program),
        program.wanted(),
        verdict.why if verdict is not None else None,
        getattr(verdict, "mend", None),
    )


def _taken_over(paths: Paths) -> TakenOverStatus | None:
    path = program_path(paths)
    if not os.path.exists(path):
        return None
    from hermes_cli.programs import taken_over

    try:
        program = taken_over.of(paths)
    except ConfigError as error:
        return TakenOverStatus(None, "", path, str(error))
    return TakenOverStatus(program.name, shlex.join(program.argv), path) if program is not None else None


def _places(paths: Paths, *, is_adopted: bool) -> Places:
    log = paths.restarter_log if is_adopted else paths.gateway_log  # an adopted program logs where it likes
    return Places(paths.home, paths.state, paths.config, log)


def _drain(found: DrainState | None, now: float) -> dict[str, Any] | None:
    if found is None:
        return None
    passed, lasts = max(0.0, now - found.since), found.deadline - found.since
    return {"turns": found.turns, "elapsed": round(passed, 1), "limit": round(lasts, 1)}


def _gone(start: "NextStart | None") -> str | None:
    return None if start is None or start.is_there else f"{start.program}, which {start.named_by} names"


def _config_error(paths: Paths) -> str | None:
    try:
        load(paths.config)
    except ConfigError as error:
        return str(error)
    return None


def _environment(paths: Paths) -> Problem | None:
    try:
        user_environment.read(paths)
    except user_environment.EnvironmentFileError as error:
        return error.problem
    return None
