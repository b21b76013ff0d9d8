"""The driver: observe, decide, act, under one lock, until pending/ is empty.

It may be started by anybody, at any time, any number of times, and may be killed anywhere: each round begins with a
fresh look, and whatever a dead driver has done shows in what is seen. After its last action it looks again, also
after it has let go of the lock: a record that was published meanwhile found the lock taken and relies on that look.
"""

import contextlib
import logging
import select
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from hermes_cli.errors import HermesError
from hermes_cli.intents import desired, queue
from hermes_cli.intents import progress as progresses
from hermes_cli.intents.decide import counted, decide, noted, witnessed
from hermes_cli.intents.hold import holders
from hermes_cli.intents.observation import Change, Observation, Policy
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import Intent
from hermes_cli.intents.request import UPDATE, make_directories
from hermes_cli.intents.service import Service
from hermes_cli.intents.step import Kill, PutBack, Settle, Signal, Start, Step, Wait
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import locks, process
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle, Identity

_log = logging.getLogger("hermes.driver")
# A manager without an event for "the job died before it said anything" is looked at again this often, in seconds.
_LOOK_AGAIN = 1.0


class Manager(Protocol):
    """What the driver asks of a service manager; each call is bounded and raises HermesError at worst."""

    def observe(self) -> Service:
        """Say whether the service runs."""

    def demand_start(self) -> None:
        """Start the service if it does not run; a running one is left alone."""

    def reload(self) -> None:
        """Load a changed definition and start it."""


class Recovery(Protocol):
    """What the driver asks of the updater's code about an update whose updater is gone.

    OSError: that cannot be told now. The driver ends, and the next one asks again.
    """

    def installed(self) -> str | None:
        """The revision on disk; None when it cannot be told."""

    def recover(self, identifier: str) -> str | None:
        """Finish or undo a half-made change; why that was not possible, or None."""

    def change(self, identifier: str) -> Change | None:
        """The change of code whose proof this intent's restart is; None when there is none."""

    def put_back(self, identifier: str, why: str) -> str | None:
        """Bring the old code back; why that was not possible, or None."""

    def ended(self, identifier: str, outcome: str, detail: str) -> None:
        """An update's intent is settled. Never raises."""


def lock_path(paths: Paths) -> str:
    """The driver lock."""
    return f"{paths.intents}/driver.lock"


def drive(
    paths: Paths,
    manager: Manager,
    recovery: Recovery,
    policy: Policy,
    trigger: str,
    *,
    renew: Callable[[], object] = lambda: None,
) -> bool:
    """Run until pending/ is empty; False when another driver is at it. Raises OSError when the queue is unusable.

    `renew` is called when a hold has ended: what this process has imported may be half of the code that was changed.
    """
    make_directories(paths)
    while True:
        lock = locks.take(lock_path(paths))
        if lock is None:
            return False
        try:
            Driver(paths, manager, recovery, policy, trigger, renew=renew).run()
        finally:
            lock.release()
        if not queue.scan(paths).intents:
            return True


class Driver:
    """One run, under the lock."""

    def __init__(
        self,
        paths: Paths,
        manager: Manager,
        recovery: Recovery,
        policy: Policy,
        trigger: str,
        *,
        renew: Callable[[], object],
    ) -> None:
        """`trigger` is what started this run: watch, poke, exit, cli, login or supervisor."""
        self._paths = paths
        self._manager = manager
        self._recovery = recovery
        self._policy = policy
        self._trigger = trigger
        self._progress: dict[str, Progress] = {}
        self._history: list[queue.Settled] | None = None
        self._immovable: set[queue.Broken] = set()
        self._renew = renew
        self._was_held = False
        self._stuck: dict[str, str] = {}  # intents whose old code could not be put back, and why

    def run(self) -> None:
        """Go round until nothing is pending. Raises OSError when the queue is unusable."""
        with DirectoryWatch(self._paths.pending, self._paths.state, f"{self._paths.intents}/holds") as watch:
            while True:
                watch.drain()  # before the look, so that nothing falls between look and wait
                found = queue.scan(self._paths)
                cleared = self._clear(found)
                if not found.intents:
                    queue.tidy(self._paths)
                    return
                if cleared:
                    continue
                self._round(found.intents, watch)

    def _clear(self, found: queue.Scan) -> bool:
        """Take away what is no unsettled intent; whether anything was taken. What cannot be moved blocks nobody."""
        moved = 0
        for broken in found.broken:
            if queue.reject(self._paths, broken):
                moved += 1
                _log.warning("set aside %s: %s", broken.shown, broken.why)
            elif broken not in self._immovable:
                self._immovable.add(broken)
                _log.error("%s cannot be set aside: %s; remove it by hand", broken.shown, broken.why)
        for identifier in found.finished:
            queue.finish(self._paths, identifier)
        return bool(moved or found.finished)

    def _round(self, intents: tuple[Intent, ...], watch: DirectoryWatch) -> None:
        base = self._observe(intents)
        if self._was_held and not base.held:
            self._renew()
        self._was_held = base.held
        steps = [(intent, self._step(intent, base)) for intent in intents]
        ends = [(intent, step) for intent, step in steps if isinstance(step, Settle)]
        if ends:
            for intent, end in ends:
                self._settle(intent, end, base)
            return
        act = next((step for _, step in steps if isinstance(step, Signal | Kill | Start | PutBack)), None)
        if act is not None:
            served = [intent for intent, step in steps if step == act]
            if isinstance(act, Start):  # one start serves all who want one, and a reload is one
                act = Start(reload=any(step == Start(reload=True) for _, step in steps))
                served = [intent for intent, step in steps if isinstance(step, Start)]
            self._act(act, served, base)
            return
        waits = [(intent, step) for intent, step in steps if isinstance(step, Wait)]
        for intent, wait in waits:
            self._note(intent, replace(self._progress[intent.id], waiting_for=wait.waiting_for))
        self._wait(min(wait.until for _, wait in waits), base, watch)

    def _step(self, intent: Intent, base: Observation) -> Step:
        known = self._progress.get(intent.id) or progresses.read(self._paths, intent.id)
        known = known if known.since else replace(known, since=base.now)
        seen = replace(base, target_alive=self._may_be_alive(intent))
        known = known.not_ahead_of(base.now)
        if not base.held:
            known = counted(known, intent, seen)
        if intent.reason == UPDATE and not base.held:
            known = witnessed(known, intent, seen)
            seen = replace(seen, change=self._recovery.change(intent.id))
        self._progress[intent.id] = known
        return decide(intent, known, seen, self._policy)

    def _may_be_alive(self, intent: Intent) -> bool:
        if intent.target is None or not locks.is_held(self._paths.gateway_lock):
            return False
        return intent.target.is_alive()

    def _observe(self, intents: tuple[Intent, ...]) -> Observation:
        held = holders(self._paths)
        updates = [intent for intent in intents if intent.reason == UPDATE]
        whys = [] if held else [self._stuck.get(one.id) or self._recovery.recover(one.id) for one in updates]
        running = own.read_alive(self._paths)
        service = Service()
        if running is None:
            try:
                service = self._manager.observe()
            except HermesError as error:  # not an answer is not "stopped"
                service = Service("unknown", detail=str(error))
        if self._history is None:
            self._history = queue.settled(self._paths)
        return Observation(
            now=time.time(),
            desired=desired.read(self._paths, strict=True),
            instance=running,
            service=service,
            held=bool(held),
            unsound=next((why for why in whys if why is not None), None),
            installed=self._recovery.installed() if updates and not held else None,
            restarts=restart_times(one for one in self._history if one.intent.is_automatic),
            all_restarts=restart_times(self._history),
            answered=frozenset(
                one.intent.origin.key
                for one in self._history
                if one.outcome == "restarted" and one.intent.origin is not None and one.intent.origin.key is not None
            ),
        )

    def _settle(self, intent: Intent, step: Settle, base: Observation) -> None:
        won = queue.settle(
            self._paths,
            intent,
            step.outcome,
            step.detail,
            trigger=self._trigger,
            attempts=self._progress[intent.id].attempts,
            instance=base.instance.identity.document() if base.instance else None,
        )
        self._history = None
        if intent.reason == UPDATE:
            self._recovery.ended(intent.id, step.outcome, step.detail)
        if won:
            _log.info("%s %s: %s", intent.id, step.outcome, step.detail)

    def _act(self, step: Step, intents: list[Intent], base: Observation) -> None:
        """Do one thing for all who want it. The note is written first: a driver killed in between has counted it."""
        for intent in intents:
            self._note(intent, noted(self._progress[intent.id], step, base.now))
        match step:
            case Signal(target):
                _log.info("SIGUSR1 to pid %d", target.pid)
                process.send(target, signal.SIGUSR1)
            case PutBack(why):
                for intent in intents:
                    stuck = self._recovery.put_back(intent.id, why)
                    if stuck is not None:
                        self._stuck[intent.id] = stuck
            case Kill(target):
                _log.warning("every deadline has passed: SIGKILL to pid %d", target.pid)
                process.send(target, signal.SIGKILL)
                self._await_exit(target)
            case Start(reload):
                if desired.read(self._paths, strict=True) == "stopped":  # looked at last, right before a start (rule 7)
                    return
                _log.info("%s", "reload" if reload else "demand start")
                try:
                    self._manager.reload() if reload else self._manager.demand_start()
                except HermesError as error:
                    _log.warning("demand start: %s", error)

    def _await_exit(self, target: Identity) -> None:
        """A killed process is alive until the kernel has taken it down."""
        with contextlib.suppress(ProcessLookupError), Handle(target) as handle:
            handle.wait(self._policy.teardown_timeout)

    def _note(self, intent: Intent, changed: Progress) -> None:
        if self._progress[intent.id] == changed:
            return
        self._progress[intent.id] = changed
        with contextlib.suppress(OSError):  # a full disk must not hold up the restart
            progresses.write(self._paths, intent.id, changed)

    def _wait(self, until: float, base: Observation, watch: DirectoryWatch) -> None:
        """Until a directory changes, a process that matters ends, or `until` comes."""
        concerned: list[Identity | None] = [base.instance.identity if base.instance else None]
        concerned.extend(holders(self._paths) if base.held else ())
        if base.instance is None and base.service.pid is not None:
            concerned.append(Identity.of(base.service.pid))
        timeout = max(0.0, until - time.time())
        if base.instance is None or base.held:  # a dead updater's git may keep the hold, and its end wakes nobody
            timeout = min(timeout, _LOOK_AGAIN)
        with contextlib.ExitStack() as stack:
            poller = select.poll()
            poller.register(watch.fileno(), select.POLLIN)
            for identity in filter(None, concerned):
                try:
                    handle = stack.enter_context(Handle(identity))
                except ProcessLookupError:
                    if base.instance is not None and identity == base.instance.identity:
                        return  # it ended since the look
                    continue
                poller.register(handle.fileno(), select.POLLIN)
            poller.poll((watch.patience(timeout) or 0.0) * 1000 + 1)


def restart_times(history: Iterable[queue.Settled]) -> tuple[float, ...]:
    """When each restart was seen; intents that one restart has satisfied count once."""
    seen = {str(one.instance): one.settled_at for one in history if one.outcome == "restarted"}
    return tuple(sorted(seen.values()))
