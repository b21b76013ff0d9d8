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
from collections.abc import Callable

from hermes_cli.intents import sign_of_life, tidying, witness
from hermes_cli.intents.decide import decide
from hermes_cli.intents.desired import Desired
from hermes_cli.intents.errors import NotNowError, ReportedError
from hermes_cli.intents.facts import Facts, Observation, Policy
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.protocols import Hooks, Manager, Program, Recovery
from hermes_cli.intents.queue import Broken, Queue, Scan
from hermes_cli.intents.record import Intent
from hermes_cli.intents.request import UPDATE, boot_time
from hermes_cli.intents.service import Service
from hermes_cli.intents.settled import Settled, restart_times
from hermes_cli.intents.sign_of_life import LONG_STEP, STEP, SignOfLife
from hermes_cli.intents.step import Kill, LookAhead, PutBack, Settle, Signal, Start, Step, Wait
from hermes_cli.intents.trace import reached, turns_of
from hermes_cli.system import process, process_table
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle, Identity

_log = logging.getLogger(__name__)
_HEARD = 30.0  # seconds that a driver is silent at most while it waits
# A manager without an event for "the job died before it said anything" is looked at again this often, in seconds.
_LOOK_AGAIN = 1.0
Ahead = tuple[str | None, str | None]  # why another instance would not start, and why not now


class Driver:
    """Whoever carries out what is in one queue."""

    def __init__(
        self,
        queue: Queue,
        program: Program,
        manager: Manager,
        recovery: Recovery,
        *,
        policy: Policy,
        trigger: str,
        renew: Callable[[], object] = lambda: None,
        hooks: Hooks | None = None,
    ) -> None:
        """`trigger` says what started this driver.

        `renew` is called when a hold has ended: what this process has imported may be half of the code that was changed.
        """
        self._queue = queue
        self._program = program
        self._manager = manager
        self._recovery = recovery
        self._policy = policy
        self._trigger = trigger
        self._renew = renew
        self._hooks = hooks
        self._begin(lambda _: None)

    def _begin(self, heard_within: Callable[[float], object]) -> None:
        """Know nothing yet: another driver may have been at work since. `heard_within` is told how long we are silent."""
        self._heard_within = heard_within
        self._progress: dict[str, Progress] = {}
        self._on_disk: dict[str, Progress] = {}
        self._history: list[Settled] | None = None
        self._immovable: set[Broken] = set()
        self._was_held = False
        self._stuck: dict[str, str] = {}  # intents whose old code could not be put back, and why
        self._ahead: Ahead | None = None  # the answer, if it was just looked ahead
        self._seen = Observation(0.0)

    def drive(self, sign: SignOfLife | None = None) -> bool:
        """Run until pending/ is empty; False when another driver is at it. Raises OSError when the queue is unusable.

        `sign` is of the caller who has begun already, and has ended when this returns.
        """
        self._queue.make_directories()
        while True:
            sign = sign or sign_of_life.begin(self._queue.driver_lock, STEP)
            if sign is None:
                return False
            self._begin(sign.give)
            try:
                self.run()
            finally:
                sign.end()
            if not self._queue.scan().intents:
                return True
            sign = None

    def run(self) -> None:
        """Go round, under the lock, until nothing is pending. Raises OSError when the queue is unusable."""
        with DirectoryWatch(self._queue.pending, *self._program.watched(), self._queue.holds) as watch:
            while True:
                watch.drain()  # before the look, so that nothing falls between look and wait
                step = self.step()
                if step is None:
                    tidying.tidy(self._queue, self._policy.storm_window)
                    return
                if isinstance(step, Wait):
                    self._wait(step.until, watch)

    def step(self) -> Step | None:
        """Look once and do the one thing that is due; return it, or None when nothing is pending.

        A `Wait` says when to look again; everything else has been carried out. Raises OSError when the queue is unusable.
        """
        self._heard_within(STEP)
        found = self._clear()
        if not found.intents:
            return None
        self._seen = self._observe(found.intents)
        if self._ahead is not None:  # it is good for this look only: the world changes
            obstacle, not_now = self._ahead
            self._seen = self._seen._replace(looked_ahead=True, obstacle=obstacle, not_now=not_now)
            self._ahead = None
        if self._was_held and not self._seen.held:
            self._renew()
        self._was_held = self._seen.held
        steps = [(intent, self._decide(intent)) for intent in found.intents]
        ends = [(intent, step) for intent, step in steps if isinstance(step, Settle)]
        for intent, end in ends:
            self._settle(intent, end)
        if ends:
            return ends[-1][1]
        act = next((step for _, step in steps if not isinstance(step, Settle | Wait)), None)
        if isinstance(act, LookAhead):  # and act on the answer at once: a driver may live for one step only
            self._ahead = self._look_ahead()
            return self.step()
        if act is not None:
            merged, served = _merged(act, steps)
            if self._has_hook_run(merged, served):
                return Wait("another look", self._seen.now)  # the world has moved on meanwhile
            return self._act(merged, served)
        waits = [(intent, step) for intent, step in steps if isinstance(step, Wait)]
        for intent, wait in waits:
            self._note(intent, self._progress[intent.id]._replace(waiting_for=wait.waiting_for, rule=wait.rule))
        return min((wait for _, wait in waits), key=lambda wait: wait.until)

    def _clear(self) -> Scan:
        """Look at pending/, and take away what is no unsettled intent. What cannot be moved blocks nobody."""
        while True:
            found = self._queue.scan()
            moved = False
            for broken in found.broken:
                if self._queue.reject(broken):
                    moved = True
                    _log.warning("set aside %s: %s", broken.shown, broken.why)
                elif broken not in self._immovable:
                    self._immovable.add(broken)
                    _log.error("%s cannot be set aside: %s; remove it by hand", broken.shown, broken.why)
            for identifier in found.finished:
                self._queue.finish(identifier)
            if not moved and not found.finished:
                return found

    def _decide(self, intent: Intent) -> Step:
        if intent.id not in self._progress:
            self._progress[intent.id] = self._on_disk[intent.id] = self._queue.progress_of(intent.id)
        known = self._progress[intent.id]
        known = known if known.since else known._replace(since=self._seen.now)
        seen = self._seen._replace(target_alive=intent.target is not None and self._program.may_be(intent.target))
        facts = witness.with_look(Facts(intent, known, seen, self._policy))
        if intent.reason == UPDATE and not seen.held:
            facts = Facts(intent, facts.progress, seen._replace(trial=self._recovery.change(intent.id)), self._policy)
        self._progress[intent.id] = facts.progress
        return decide(facts)

    def _observe(self, intents: tuple[Intent, ...]) -> Observation:
        held = bool(self._queue.holders())
        updates = [intent for intent in intents if intent.reason == UPDATE]
        if updates:
            self._heard_within(LONG_STEP)
        whys = [] if held else [self._stuck.get(update.id) or self._recovery.recover(update.id) for update in updates]
        running = self._program.observe()
        service = Service()
        if running is None:
            try:
                service = self._manager.observe()
            except ReportedError as error:  # not an answer is not "stopped"
                service = Service("unknown", detail=str(error))
        if self._history is None:
            self._history = self._queue.history()
        done = [settled for settled in self._history if settled.outcome == "restarted"]
        origins = (settled.intent.origin for settled in done)
        return Observation(
            now=time.time(),
            boot_id=process_table.boot_id(),
            boot_time=boot_time(),
            desired=self._desired(),
            instance=running,
            service=service,
            held=held,
            unsound=next((why for why in whys if why is not None), None),
            installed=self._recovery.installed() if updates and not held else None,
            restarts=restart_times(settled for settled in done if settled.intent.is_automatic),
            all_restarts=restart_times(done),
            answered=frozenset(origin.key for origin in origins if origin is not None and origin.key is not None),
        )

    def _desired(self) -> Desired | None:
        try:
            return self._program.desired()
        except OSError as error:
            _log.warning("it cannot be told whether the gateway was stopped: %s", error)
            return None

    def _has_hook_run(self, act: Step, intents: list[Intent]) -> bool:
        """Run the hook that is due before an instance is taken down; say whether there was one."""
        takes_down = isinstance(act, Signal) or (
            isinstance(act, Start) and act.reload and self._seen.instance is not None
        )
        if self._hooks is None or not takes_down or not self._hooks.is_due(intents):
            return False
        for intent in intents:
            self._note(intent, self._progress[intent.id]._replace(waiting_for="the hook before_restart", rule=act.rule))
        self._heard_within(self._hooks.limit + STEP)
        self._hooks.before(intents)
        return True

    def _settle(self, intent: Intent, end: Settle) -> None:
        known, running = self._progress[intent.id], self._seen.instance
        failure = self._hooks.failure(intent) if self._hooks is not None else None
        detail = end.detail if failure is None else f"{end.detail}; {failure}"
        offsets = {name: round(at, 3) for name, at in reached(intent, known, running).items()}
        won = self._queue.settle(
            intent,
            end.outcome,
            detail,
            trigger=self._trigger,
            attempts=known.attempts,
            instance=running.identity.document() if running else None,
            trace=offsets | {"turns": turns_of(intent, running)},
        )
        self._history = None
        if intent.reason == UPDATE:
            self._recovery.ended(intent.id, end.outcome, detail)
        if won:
            _log.info("%s %s: %s", intent.id, end.outcome, detail)

    def _act(self, step: Step, intents: list[Intent]) -> Step:
        """Do one thing for all intents that want it. Write the note first: a driver killed in between has counted it."""
        for intent in intents:
            self._note(intent, witness.with_step(self._progress[intent.id], step, self._seen.now))
        match step:
            case Signal(target):
                _log.info("%s to pid %d", self._program.restart_signal.name, target.pid)
                process.send(target, self._program.restart_signal)
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
                self._start(reload=reload)
        return step

    def _look_ahead(self) -> Ahead:
        try:
            return self._manager.obstacle(), None
        except NotNowError as error:
            return None, str(error)
        except ReportedError as error:  # unknown is no obstacle: who cannot be asked now may well start it
            _log.warning("it cannot be told whether another instance would start: %s", error)
            return None, None

    def _start(self, *, reload: bool) -> None:
        if self._desired() != "running":  # looked at last, right before a start (rule 7)
            return
        _log.info("%s", "reload" if reload else "demand start")
        try:
            self._manager.reload() if reload else self._manager.demand_start()
        except ReportedError as error:
            _log.warning("demand start: %s", error)

    def _await_exit(self, target: Identity) -> None:
        """Wait for a killed process, which is alive until the kernel has taken it down."""
        with contextlib.suppress(ProcessLookupError), Handle(target) as handle:
            handle.wait(self._policy.teardown_timeout)

    def _note(self, intent: Intent, known: Progress) -> None:
        """Write the note if the next driver would not find the same on the disk."""
        self._progress[intent.id] = known
        if self._on_disk[intent.id] == known:
            return
        with contextlib.suppress(OSError):  # a full disk must not hold up the restart
            self._queue.note(intent.id, known)
            self._on_disk[intent.id] = known

    def _wait(self, until: float, watch: DirectoryWatch) -> None:
        """Wait until a directory changes, a process that matters ends, or `until` comes."""
        instance, service = self._seen.instance, self._seen.service
        concerned: list[Identity | None] = [instance.identity if instance else None]
        concerned.extend(self._queue.holders() if self._seen.held else ())
        if instance is None and service.pid is not None:
            concerned.append(Identity.of(service.pid))
        timeout = min(max(0.0, until - time.time()), _HEARD)
        if instance is None or self._seen.held:  # a dead updater's git may keep the hold, and its end wakes nobody
            timeout = min(timeout, _LOOK_AGAIN)
        timeout = min(timeout, self._policy.look_again)
        self._heard_within(timeout + STEP)
        with contextlib.ExitStack() as stack:
            poller = select.poll()
            poller.register(watch.fileno(), select.POLLIN)
            for identity in filter(None, concerned):
                try:
                    handle = stack.enter_context(Handle(identity))
                except ProcessLookupError:
                    if instance is not None and identity == instance.identity:
                        return  # it ended since the look
                    continue
                poller.register(handle.fileno(), select.POLLIN)
            poller.poll((watch.patience(timeout) or 0.0) * 1000 + 1)


def _merged(act: Step, steps: list[tuple[Intent, Step]]) -> tuple[Step, list[Intent]]:
    """Return the act and all intents that it serves: one start serves all who want one, and a reload is a start."""
    if not isinstance(act, Start):
        return act, [intent for intent, step in steps if step == act]
    starts = [(intent, step) for intent, step in steps if isinstance(step, Start)]
    merged = Start(reload=any(step.reload for _, step in starts)).by(act.rule)
    return merged, [intent for intent, _ in starts]
