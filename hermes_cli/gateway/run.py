"""`hermes gateway run`: the order of start-up, the signals, the tasks beside the turns, and the one way out.

    lock → signal handlers → gateway.json `starting` → (rollback after crashes) → messages → channel → `ready` → turns
    signal → drain → channel closed → messages closed → gateway.json `exited` → poke → end of the process

SIGUSR1: drain, exit 75. SIGTERM, SIGINT: drain briefly, exit 0; the second time: exit now. A stop wins over a restart.
"""

import asyncio
import logging
import os
import signal
import sqlite3
import time
from typing import NoReturn

from hermes_cli import __version__, user_environment
from hermes_cli.config import Config, load
from hermes_cli.gateway import another_try, extras, process
from hermes_cli.gateway.drain import Drain
from hermes_cli.gateway.exit import LastStep, leave, take
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.gateway.process import GatewayProcess, Given
from hermes_cli.gateway.reception import Reception
from hermes_cli.gateway.tools import session, terminal
from hermes_cli.intents.clocks import Clocks
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system.threads import in_thread
from hermes_cli.update import crashes

_log = logging.getLogger("hermes.gateway")
_UNTIL_ENDED = 30.0  # seconds after start_timeout, as in systemd's unit: nobody waits for the start any more
_REVISION_WAIT = 0.2  # seconds that readiness waits for git at the most


def main(paths: Paths, start: another_try.Start | None = None) -> int:
    """Run the gateway of a profile until a signal ends it. Return an exit code, or end the process."""
    session.forget_session()
    return process.run(
        paths,
        start or another_try.Start(paths),
        lambda: _configured(paths),
        lambda config, given: Gateway(paths, config, given),
        who="the gateway",
        taken=lambda: f"another gateway ({_who_runs(paths)}) of profile {paths.profile}",
    )


def _configured(paths: Paths) -> Config:
    user_environment.apply(paths)
    config = load(paths.config)
    extras.check(paths.config, config)
    return config


def _who_runs(paths: Paths) -> str:
    running = own.read_alive(paths)
    return f"pid {running.identity.pid}" if running else "pid unknown"


class Gateway(GatewayProcess):
    """An instance: the order in which it starts and ends, and what it does at a signal."""

    def __init__(self, paths: Paths, config: Config, given: Given) -> None:
        super().__init__(paths, config, given)
        self._drain: Drain | None = None
        self._early: list[signal.Signals] = []
        self._made: list[LastStep] = []  # what a start that fails has to undo
        self._reception: Reception

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
        self._lifecycle = Lifecycle(self._paths, described._replace(crashes=finding.crashes))
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
            self._start_of_this.failed(error, "the gateway", self._paths.state)
            os._exit(1)
        leave([("poke", lambda: self._poke(1))], 1)

    async def _open(self) -> None:
        self._reception = Reception(self._paths, self._config, lambda: self._lifecycle.described, self._turns_changed)
        self._made = [*self._reception.last_steps(), *self._made]
        await self._reception.open()

    def _serve(self) -> None:
        self._lifecycle.ready()
        self._notifier.ready()
        self._lifecycle.beat(self._config.gateway.heartbeat_interval, self._reception.tend)
        self._reception.serve()
        self._serve_beside()
        if self._config.update.restart_on_skew:
            from hermes_cli.gateway.skew_watch import SkewWatch

            interval = self._config.gateway.heartbeat_interval or 15.0
            self._spawn(SkewWatch(self._paths, lambda: self._lifecycle.described, interval).run())
        for number in self._early:
            self._handle(number)

    # --- signals

    @property
    def _is_leaving(self) -> bool:
        return self._drain is not None

    def _clocks(self, number: int) -> Clocks:
        gateway = self._config.gateway
        return gateway.restart_clocks if number == signal.SIGUSR1 else gateway.stop_clocks

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

    # --- what runs beside the turns

    def _turns_changed(self, running: int) -> None:
        self._lifecycle.running(running)
        if self._drain is not None:
            self._drain.wake()

    async def _note_revision(self, patience: float) -> None:
        collected = asyncio.create_task(in_thread(self._query.collect))
        done, _ = await asyncio.wait({collected}, timeout=patience)
        if done:
            self._lifecycle.revised(collected.result())
        else:
            collected.add_done_callback(lambda task: self._lifecycle.revised(task.result()))
