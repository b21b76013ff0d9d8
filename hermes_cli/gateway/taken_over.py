"""A program without a service of its own, in the place of our gateway: `hermes gateway run` of a profile that has one.

To its service manager, to the driver and to every command this process is the profile's gateway: it holds gateway.lock,
writes gateway.json, drains at SIGUSR1 and exits 75, ends at SIGTERM and exits 0. What it does is to start the program,
to ask its probe, and to end it. The program's exit codes mean what its file says, and become ours.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from typing import NoReturn

from hermes_cli import __version__, environment
from hermes_cli.config import Config, load
from hermes_cli.gateway import another_try, process
from hermes_cli.gateway.exit import leave, take
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.gateway.process import GatewayProcess, Given
from hermes_cli.intents.clocks import Clocks
from hermes_cli.intents.instance import DrainState
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.programs.own import RESTART_EXIT_CODE
from hermes_cli.programs.taken_over import TakenOver
from hermes_cli.system.command import printable
from hermes_cli.system.process import describe_exit
from hermes_cli.system.threads import NoThreadError, in_thread

_log = logging.getLogger("hermes.program")
_ASK_AGAIN = 0.25  # seconds between two probes of a program that starts
_LINE = 4096  # bytes of a line of its output that are kept
_KILL_WAIT = 5.0  # seconds for a killed program to be gone
_THREAD_WAIT = 5.0  # seconds for a thread to be had, once the program has ended


def main(paths: Paths, program: TakenOver, start: another_try.Start) -> int:
    """Run the program of a profile until a signal, or its own end, ends it. Return an exit code, or end the process."""
    return process.run(
        paths,
        start,
        lambda: load(paths.config),
        lambda config, given: _Keeper(paths, config, given, program),
        who=program.name,
        taken=lambda: f"profile {paths.profile}",
    )


class _Keeper(GatewayProcess):
    """One run of the program, and what is said of it."""

    def __init__(self, paths: Paths, config: Config, given: Given, program: TakenOver) -> None:
        super().__init__(paths, config, given)
        self._program = program
        self._code: int | None = None  # what was asked for: 75 or 0
        self._child: asyncio.subprocess.Process | None = None

    async def run(self) -> NoReturn:
        """Start the program, keep it, end it, and end the process."""
        try:
            await self._begin()
        except Exception as error:  # noqa: BLE001  told; not raised: the loop's own end may wait for a thread
            _log.error("%s cannot be started: %s", self._program.argv[0], getattr(error, "strerror", None) or error)
            if self._child is None and another_try.may_pass(error):
                take([("state", lambda: self._lifecycle.exited(1))])
                self._start_of_this.failed(error, self._program.name, self._paths.state)
            self._leave(1)  # its own update may just be replacing it
        self._leave(await self._keep())

    async def _begin(self) -> None:
        self._install_handlers()
        self._lifecycle = Lifecycle(self._paths, own.new(os.getpid(), None, __version__, time.time()))
        # Ours, not the program's: an update of ours is proven by it.
        self._lifecycle.revised(await in_thread(self._query.collect))
        await in_thread(self._program.end_leftover)
        await self._start_program()

    async def _start_program(self) -> None:
        me = self._lifecycle.described.identity
        marker = environment.marker(self._paths.state, me.pid, me.start_ticks)
        self._child = await asyncio.create_subprocess_exec(
            *self._program.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LINE,
            env={**environment.scrubbed(), environment.MARKER: marker},
            start_new_session=True,
        )
        self._program.remember(self._child.pid)
        _log.info("%s started, pid %d", self._program.name, self._child.pid)
        self._spawn(self._copy_output())
        self._serve_beside()

    async def _keep(self) -> int:
        """Ask the probe until the program ends, or somebody asks for its end. Return the exit code."""
        assert self._child is not None
        ended = asyncio.ensure_future(self._child.wait())
        asked = asyncio.ensure_future(self._ending.wait())
        begun, interval = time.monotonic(), self._config.gateway.heartbeat_interval or 15.0
        self._lifecycle.beat(self._config.gateway.heartbeat_interval)
        pause, said = 0.0, ""
        while not ended.done() and not asked.done():
            await asyncio.wait({ended, asked}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() or asked.done():
                break
            answer = await in_thread(self._program.ask, time.monotonic() - begun)
            if answer.why != said:
                said = answer.why
                _log.info("%s", said)
            if answer.holds and self._lifecycle.state == "starting" and self._code is None:
                self._lifecycle.ready()
                self._notifier.ready()
            pause = interval if self._lifecycle.state == "ready" else _ASK_AGAIN
        if ended.done() and self._code is None:
            code = ended.result()
            _log.warning("%s %s", self._program.name, describe_exit(code))
            try:
                return await in_thread(self._program.exit_code, code, self._child.pid, patience=_THREAD_WAIT)
            except NoThreadError:  # nothing runs any more that this could hold up
                return self._program.exit_code(code, self._child.pid)
        await self._end(ended)
        assert self._code is not None
        return self._code

    async def _end(self, ended: "asyncio.Future[int]") -> None:
        """Have the program end, and kill it when it takes longer than its file allows."""
        assert self._child is not None
        number, now = self._program.signal, time.time()
        limit = self._clocks(signal.SIGUSR1 if self._code else signal.SIGTERM).drain
        if self._lifecycle.state == "ready":
            self._lifecycle.draining(DrainState(now, now + limit, 0))
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(number)
        await asyncio.wait({ended}, timeout=limit)
        if not ended.done():
            _log.warning("%s has not ended after %.0f s: SIGKILL", self._program.name, limit)
            self._kill()
            await asyncio.wait({ended}, timeout=_KILL_WAIT)

    def _handle(self, number: signal.Signals) -> None:
        _log.info("%s", number.name)
        if number == signal.SIGUSR1:
            if self._code is None and self._lifecycle.state == "ready" and self._staying.begins():
                return
            self._lifecycle.signalled()
            self._code = RESTART_EXIT_CODE if self._code is None else self._code
        else:  # a stop wins over a restart
            self._code, self._stops = 0, self._stops + 1
            if self._stops > 1:
                self._kill()
        self._begin_end()

    def _decided(self, stays: bool) -> None:
        if self._code is not None:  # a stop has come meanwhile
            return
        if stays:
            self._backstop.disarm()
        else:
            self._code = RESTART_EXIT_CODE
            self._begin_end()

    def _begin_end(self) -> None:
        self._arm(signal.SIGUSR1 if self._code else signal.SIGTERM, None)
        self._ending.set()

    @property
    def _is_leaving(self) -> bool:
        return self._code is not None

    def _glance(self) -> str | None:
        return super()._glance() or self._program.missing()

    def _clocks(self, number: int) -> Clocks:
        """Return how long its end may take: what its file says, within what its service manager was told to wait."""
        gateway = self._config.gateway
        within = gateway.drain_timeout if number == signal.SIGUSR1 else gateway.stop_timeout
        return Clocks(min(self._program.exit_limit, within), gateway.teardown_timeout)

    def _kill(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def _leave(self, code: int) -> NoReturn:
        leave(
            [
                ("manager", self._notifier.stopping),
                ("its children", self._kill),
                ("leftover", self._program.forget),
                ("state", lambda: self._lifecycle.exited(code)),
                ("poke", lambda: self._poke(code)),
            ],
            code,
        )

    # --- beside it

    async def _copy_output(self) -> None:
        """Write what the program prints into the log, whose bounds are ours."""
        assert self._child is not None
        assert self._child.stdout is not None
        while True:
            try:
                line = await self._child.stdout.readline()
            except ValueError:  # longer than what is kept of one
                line = b"(a line that is too long)"
            if not line:
                return
            _log.info("%s", printable(line.decode(errors="replace").rstrip(), _LINE))
