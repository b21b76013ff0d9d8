"""`hermes gateway run`: the order of start-up, the signals, the tasks beside the turns, and the one way out.

    lock → signal handlers → gateway.json `starting` → (rollback after crashes) → messages → channel → `ready` → turns
    signal → drain → channel closed → messages closed → gateway.json `exited` → poke → end of the process

SIGUSR1: drain, exit 75. SIGTERM, SIGINT: drain briefly, exit 0; the second time: exit now. A stop wins over a restart.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import NoReturn

from hermes_cli import __version__, user_environment
from hermes_cli.config import Config, load
from hermes_cli.errors import ConfigError, HermesError
from hermes_cli.gateway import another_try, extras, sd_notify, supervisor_watch
from hermes_cli.gateway.drain import Drain
from hermes_cli.gateway.exit import Backstop, LastStep, leave, take
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.gateway.reception import Reception
from hermes_cli.gateway.staying import Staying
from hermes_cli.gateway.tools import session, terminal
from hermes_cli.installation.revision import RevisionQuery
from hermes_cli.intents.clocks import Clocks
from hermes_cli.paths import Paths
from hermes_cli.pending import is_something_pending
from hermes_cli.programs import own, starts
from hermes_cli.restart.wake import leave_to, look
from hermes_cli.services import ahead, choose
from hermes_cli.system import locks, log
from hermes_cli.system.threads import in_thread
from hermes_cli.update import crashes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.services.base import ServiceManager

_log = logging.getLogger("hermes.gateway")
_LOCK_WAIT = 5.0  # seconds; the instance before this may be in its last instructions
_TEND_LOG = 15.0  # seconds
_UNTIL_ENDED = 30.0  # seconds after start_timeout, as in systemd's unit: nobody waits for the start any more
_LOOK_AGAIN = 60.0  # seconds between two looks at what is pending
_REVISION_WAIT = 0.2  # seconds that readiness waits for git at the most


def main(paths: Paths, start: another_try.Start | None = None) -> int:
    """Run the gateway of a profile until a signal ends it. Return an exit code, or end the process."""
    start = start or another_try.Start(paths)
    notifier = sd_notify.claim(os.environ)
    query = RevisionQuery()
    log.configure_by_output(paths.gateway_log)
    mark = supervisor_watch.claim(os.environ)
    session.forget_session()
    try:
        user_environment.apply(paths)
        config = load(paths.config)
        extras.check(paths.config, config)
    except ConfigError as error:
        if another_try.may_pass(error):
            raise
        print(f"hermes: {error}", file=sys.stderr)
        return own.REFUSAL_EXIT_CODE
    log.bound(config.log.bounds)
    try:
        lock = locks.take(paths.gateway_lock, timeout=_LOCK_WAIT)
        if lock is None:
            running = own.read_alive(paths)
            who = f"pid {running.identity.pid}" if running else "pid unknown"
            print(
                f"hermes: another gateway ({who}) of profile {paths.profile} runs already: hermes gateway status",
                file=sys.stderr,
            )
            return 1
        if start.is_first:
            with contextlib.suppress(OSError):  # told to people only: a full disk must not keep a gateway from starting
                starts.record(paths, os.getpid(), time.time())
        else:  # a try for which there was no room was no crash of an update on probation
            config = config._replace(update=config.update._replace(probation=0.0))
        return asyncio.run(Gateway(paths, config, query, mark, notifier, start=start).run())
    except another_try.FAILURES as error:
        if not isinstance(error, (OSError, sqlite3.Error)) and not another_try.may_pass(error):
            raise
        start.failed(error, "the gateway", paths.state)
        return 1


class Gateway:
    """An instance: the order in which it starts and ends, and what it does at a signal."""

    def __init__(
        self,
        paths: Paths,
        config: Config,
        query: RevisionQuery,
        mark: str | None,
        notifier: sd_notify.Notifier,
        *,
        start: another_try.Start,
    ) -> None:
        """Prepare an instance of a caller that holds gateway.lock.

        `mark` names the embedded supervisor and `notifier` speaks to systemd, if there is one.
        """
        self._paths = paths
        self._config = config
        self._query = query
        self._mark = mark
        self._notifier = notifier
        self._start = start
        self._backstop = Backstop()
        self._ending = asyncio.Event()
        self._drain: Drain | None = None
        self._early: list[signal.Signals] = []
        self._stops = 0
        self._made: list[LastStep] = []  # what a start that fails has to undo
        self._lifecycle: Lifecycle
        self._reception: Reception
        self._manager: ServiceManager | None = None
        self._staying = Staying(
            paths,
            lambda: ahead.glance(paths, ahead.of_this(paths)),
            me=lambda: self._lifecycle.described.identity,
            manager=lambda: self._manager,
            spawn=self._spawn,
            decided=self._decided,
        )
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> NoReturn:
        """Start, serve, drain, and end the process."""
        try:
            await self._come_up()
        except Exception as error:  # noqa: BLE001  told; not raised: the loop's own end may wait for a thread
            self._cannot_start(error)
        try:
            await self._ending.wait()
            assert self._drain is not None
            await self._drain.wait()
            await self._reception.finish()
        except Exception:  # noqa: BLE001  logged; whatever it is, the process ends in order
            _log.exception("the gateway failed")
            leave(self._last_steps(1), 1)
        leave(self._last_steps(self._drain.code), self._drain.code)

    async def _come_up(self) -> None:
        self._install_handlers()
        described = own.new(os.getpid(), None, __version__, time.time())
        finding = crashes.look(self._paths, self._config.update.probation)
        self._lifecycle = Lifecycle(self._paths, replace(described, crashes=finding.crashes))
        self._made = [("state", lambda: self._lifecycle.exited(1))]
        if finding.roll_back and finding.crashes is not None:  # first of all: what follows may be what crashes
            await in_thread(crashes.roll_back, self._paths, finding.crashes)
        # Not every manager ends a start that hangs, and Python waits for ever for a thread that has no memory to begin.
        signal.setitimer(signal.ITIMER_REAL, self._config.gateway.start_timeout + _UNTIL_ENDED)
        await self._open()
        await self._note_revision(_REVISION_WAIT)
        self._serve()  # at once: no turn has begun when it fails
        if not self._early:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _cannot_start(self, error: Exception) -> NoReturn:
        is_foreseen = isinstance(error, (OSError, sqlite3.Error)) or another_try.may_pass(error)
        if not is_foreseen:
            _log.error("the gateway failed", exc_info=error)
        take(self._made)
        if is_foreseen:
            self._start.failed(error, "the gateway", self._paths.state)
            os._exit(1)
        leave([("poke", lambda: self._poke(1))], 1)

    async def _open(self) -> None:
        self._reception = Reception(self._paths, self._config, lambda: self._lifecycle.described, self._turns_changed)
        self._made = [*self._reception.last_steps(), *self._made]
        await self._reception.open()

    def _serve(self) -> None:
        self._lifecycle.ready()
        self._notifier.ready()
        self._notifier.beat(asyncio.get_running_loop().call_later)
        self._lifecycle.beat(self._config.gateway.heartbeat_interval)
        self._tend_log()
        self._reception.serve()
        if self._mark is not None:
            supervisor_watch.watch(self._mark, self._supervisor_gone)
        self._spawn(self._choose_manager())
        if self._config.update.restart_on_skew:
            from hermes_cli.gateway.skew_watch import SkewWatch

            interval = self._config.gateway.heartbeat_interval or 15.0
            self._spawn(SkewWatch(self._paths, lambda: self._lifecycle.described, interval).run())
        if self._config.notify.command or self._config.hooks.after_restart:
            from hermes_cli.gateway.notify_watch import NotifyWatch

            self._spawn(NotifyWatch(self._paths).run())
        for number in self._early:
            self._handle(number)

    # --- signals

    def _install_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        # Neither a closed terminal nor a stray signal is a reason to end. Not SIG_IGN: commands would inherit it.
        for number in (signal.SIGHUP, signal.SIGUSR2):
            loop.add_signal_handler(number, _log.info, "%s: nothing to do", number.name)
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._handle, number)
            # In place of asyncio's empty handler, whose wake-up stays: the backstop must be armed while the loop is stuck.
            signal.signal(number, self._arm)

    def _arm(self, number: int, _: object) -> None:
        gateway = self._config.gateway
        clocks = gateway.restart_clocks if number == signal.SIGUSR1 else gateway.stop_clocks
        self._backstop.arm(clocks.exit_backstop)

    def _handle(self, number: signal.Signals) -> None:
        _log.info("%s", number.name)
        if number == signal.SIGUSR1:
            self._lifecycle.signalled()
        else:
            self._stops += 1
            if self._stops > 1:
                self._leave_now()
        if self._lifecycle.state == "starting":
            if number not in self._early:
                self._early.append(number)
            return
        stop = number != signal.SIGUSR1
        if not stop and self._drain is None and self._staying.begins():
            return
        self._begin(stop=stop)

    def _begin(self, *, stop: bool) -> None:
        gateway = self._config.gateway
        if self._drain is None:
            self._reception.drain()
            clocks = gateway.stop_clocks if stop else gateway.restart_clocks
            me = self._lifecycle.described.identity
            self._drain = Drain(self._paths, me, clocks, self._reception.turns, self._lifecycle.draining)
            self._ending.set()
        if stop:
            self._drain.stop(gateway.stop_clocks)
        else:
            self._drain.look()
        self._backstop.arm(Clocks(self._drain.left, gateway.teardown_timeout).exit_backstop)

    def _decided(self, stays: bool) -> None:
        if self._drain is not None:  # a stop has come meanwhile
            return
        if stays:
            self._backstop.disarm()
        else:
            self._begin(stop=False)

    def _leave_now(self) -> NoReturn:
        code = self._drain.code if self._drain is not None else 0
        leave([("commands", terminal.kill_all), ("state", lambda: self._lifecycle.exited(code))], code)

    def _last_steps(self, code: int) -> list[LastStep]:
        return [
            ("manager", self._notifier.stopping),
            *self._reception.last_steps(),
            ("state", lambda: self._lifecycle.exited(code)),
            ("poke", lambda: self._poke(code)),
        ]

    def _poke(self, code: int) -> None:
        leave_to(self._paths, self._manager or choose(self._paths), code)

    # --- what runs beside the turns

    def _turns_changed(self, running: int) -> None:
        self._lifecycle.running(running)
        if self._drain is not None:
            self._drain.wake()

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._background.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._background.discard)

    async def _note_revision(self, patience: float) -> None:
        collected = asyncio.create_task(in_thread(self._query.collect))
        done, _ = await asyncio.wait({collected}, timeout=patience)
        if done:
            self._lifecycle.revised(collected.result())
        else:
            collected.add_done_callback(lambda task: self._lifecycle.revised(task.result()))

    async def _choose_manager(self) -> None:
        """Import what is needed once the code on disk may be another release's: for a restart, and at the exit."""
        await in_thread(importlib.import_module, "hermes_cli.gateway.for_later")
        try:
            self._manager = await in_thread(choose, self._paths)
        except (HermesError, OSError) as error:
            _log.warning("nobody to poke at the exit: %s", error)
        await in_thread(self._complete_starts)
        # The driver that started this instance may have died with the one before. Like every command, start another.
        await self._look()

    async def _look(self) -> None:
        try:
            line = await in_thread(look, self._paths)
            if line is not None:
                _log.info("%s", line)
        except (HermesError, OSError) as error:
            _log.warning("what is pending cannot be seen to now: %s", error)
        asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        if self._drain is None and is_something_pending(self._paths):
            self._spawn(self._look())
        else:
            asyncio.get_running_loop().call_later(_LOOK_AGAIN, self._look_again)

    def _complete_starts(self) -> None:
        """Ask the manager how the run before ended, if nobody has said so, and make the journal durable."""
        with contextlib.suppress(OSError, HermesError):
            if self._manager is not None and starts.is_end_unknown(self._paths):
                starts.complete(self._paths, self._manager.observe().exit_code)
        starts.make_durable(self._paths)

    def _tend_log(self) -> None:
        if log.tend():
            asyncio.get_running_loop().call_later(_TEND_LOG, self._tend_log)

    def _supervisor_gone(self) -> None:
        if self._drain is None:
            _log.warning("the supervisor is gone: starting another")
            self._spawn(self._start_supervisor())

    async def _start_supervisor(self) -> None:
        try:
            await in_thread(lambda: choose(self._paths).demand_start())
        except (HermesError, OSError) as error:
            _log.error("no supervisor: %s", error)
