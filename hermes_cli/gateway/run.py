"""`hermes gateway run`: the order of start-up, the signals, and the one way out.

    lock → signal handlers → gateway.json `starting` → (rollback after crashes) → messages → channel → `ready` → turns
    signal → drain → channel closed → messages closed → gateway.json `exited` → poke → end of the process

SIGUSR1: drain, exit 75. SIGTERM, SIGINT: drain briefly, exit 0; the second one: exit now. A stop wins over a restart.
"""

import asyncio
import logging
import os
import signal
import sqlite3
import sys
import time
from dataclasses import replace
from typing import Any, NoReturn

from hermes_cli import __version__
from hermes_cli.config import Config, load
from hermes_cli.errors import ConfigError, HermesError
from hermes_cli.gateway import notify, supervisor_watch
from hermes_cli.gateway.agents.builtin import BuiltinAgent, Tools
from hermes_cli.gateway.channels.local.server import LocalChannel
from hermes_cli.gateway.conversations.notices import Notices
from hermes_cli.gateway.conversations.store import Store, open_store
from hermes_cli.gateway.conversations.turns import Turn, Turns, interrupt_left_behind
from hermes_cli.gateway.conversations.updates import Updates
from hermes_cli.gateway.drain import Drain
from hermes_cli.gateway.exit import Backstop, Step, leave
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.gateway.skew_watch import SkewWatch
from hermes_cli.gateway.tools import session, terminal
from hermes_cli.installation.revision import RevisionQuery
from hermes_cli.intents.clocks import Clocks
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.restart.wake import look
from hermes_cli.services import choose
from hermes_cli.system import locks, log, process_table
from hermes_cli.system.process import Handle
from hermes_cli.update import crashes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.services.base import ServiceManager

_log = logging.getLogger("hermes.gateway")
EX_CONFIG = 78
_LOCK_WAIT = 5.0  # seconds; the instance before us may be in its last instructions
_REVISION_WAIT = 0.2  # seconds that readiness waits for git at most


def main(paths: Paths) -> int:
    """Run the gateway of one profile until a signal ends it. Returns an exit code, or ends the process itself."""
    notifier = notify.claim(os.environ)
    query = RevisionQuery()
    log.configure()
    mark = supervisor_watch.claim(os.environ)
    session.forget_session()
    try:
        config = load(paths.config)
    except ConfigError as error:
        print(f"hermes: {error}", file=sys.stderr)
        return EX_CONFIG
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
        return asyncio.run(Gateway(paths, config, query, mark, notifier).run())
    except (OSError, sqlite3.Error) as error:
        print(f"hermes: the gateway cannot start ({error}): see that {paths.state} is writable", file=sys.stderr)
        return 1


class Gateway:
    """One instance. It is also what the channel asks about turns and the agent about the gateway (`Desk`)."""

    def __init__(
        self, paths: Paths, config: Config, query: RevisionQuery, mark: str | None, notifier: notify.Notifier
    ) -> None:
        """The caller holds gateway.lock. `mark` names the embedded supervisor, `notifier` speaks to systemd, if any."""
        self._paths = paths
        self._config = config
        self._query = query
        self._mark = mark
        self._notifier = notifier
        self._backstop = Backstop()
        self._ending = asyncio.Event()
        self._drain: Drain | None = None
        self._early: list[signal.Signals] = []
        self._stops = 0
        self._lifecycle: Lifecycle
        self._store: Store
        self._channel: LocalChannel
        self._turns: Turns
        self._notices: Notices
        self._updates: Updates
        self._manager: ServiceManager | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> NoReturn:
        """Start, serve, drain, and end the process. Raises OSError and sqlite3.Error when it cannot start."""
        self._install_handlers()
        described = own.new(os.getpid(), None, __version__, time.time())
        finding = crashes.look(self._paths, self._config.update.probation)
        self._lifecycle = Lifecycle(self._paths, replace(described, crashes=finding.crashes))
        if finding.roll_back and finding.crashes is not None:  # first of all: what follows may end us again
            await asyncio.to_thread(crashes.roll_back, self._paths, finding.crashes)
        try:
            await self._open()
        except (OSError, sqlite3.Error):
            self._lifecycle.exited(1)
            raise
        try:
            await self._serve()
            assert self._drain is not None
            await self._drain.wait()
        except Exception:  # noqa: BLE001  logged; whatever it is, the process ends in order
            _log.exception("the gateway failed")
            leave(self._steps(1), 1)
        leave(self._steps(self._drain.code), self._drain.code)

    async def _open(self) -> None:
        me = self._lifecycle.described.identity
        self._store, aside = open_store(self._paths.messages)
        if aside is not None:
            _log.error("%s was corrupt and is kept as %s: a new one was begun", self._paths.messages, aside)
        self._channel = LocalChannel(self._paths.socket, self._store, self)
        self._notices = Notices(self._paths, self._store, lambda: self._lifecycle.described, self._channel.publish)
        self._updates = Updates(self._paths, self._store, self._channel.publish, self.is_draining)
        self._turns = Turns(
            self._store,
            BuiltinAgent(Tools(self._run_command, self._status_text, self._request_restart, self._run_update)),
            process_table.mark(me.pid, me.start_ticks or me.create_time),
            publish=self._channel.publish,
            stream=lambda turn, offset, text: self._channel.stream(turn.message, offset, text),
            changed=self._turns_changed,
            restart_of=self._notices.restart_of,
        )
        left = interrupt_left_behind(self._store, self._notices.restart_of)
        if left:
            _log.warning("%d turns of an instance that died were answered as cut off", left)
        await self._channel.open()

    async def _serve(self) -> None:
        await self._note_revision(_REVISION_WAIT)
        self._lifecycle.ready()
        self._notifier.ready()
        self._notifier.beat(asyncio.get_running_loop().call_later)
        self._lifecycle.beat(self._config.gateway.heartbeat_interval)
        self._turns.open()
        self._watch_settled()
        self._watch_supervisor()
        self._spawn(self._choose_manager())
        self._spawn(self._updates.follow())
        if self._config.update.restart_on_skew:
            interval = self._config.gateway.heartbeat_interval or 15.0
            self._spawn(SkewWatch(self._paths, lambda: self._lifecycle.described, interval).run())
        for number in self._early:
            self._handle(number)
        await self._ending.wait()

    # --- signals

    def _install_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        # A closed terminal is no reason to end, nor is a signal for somebody else. Not SIG_IGN: commands would inherit it.
        for number in (signal.SIGHUP, signal.SIGUSR2):
            loop.add_signal_handler(number, _log.info, "%s: nothing to do", number.name)
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._handle, number)
            # Over asyncio's no-op, whose wake-up stays: the backstop must be armed even while the loop is stuck.
            signal.signal(number, self._arm)

    def _arm(self, number: int, _: object) -> None:
        gateway = self._config.gateway
        clocks = gateway.restart_clocks if number == signal.SIGUSR1 else gateway.stop_clocks
        self._backstop.arm(clocks.exit_backstop)

    def _handle(self, number: signal.Signals) -> None:
        _log.info("%s", number.name)
        if number != signal.SIGUSR1:
            self._stops += 1
            if self._stops > 1:
                self._leave_now()
        if self._lifecycle.state == "starting":
            self._early.append(number)
            return
        stop = number != signal.SIGUSR1
        gateway = self._config.gateway
        if self._drain is None:
            self._turns.close()
            clocks = gateway.stop_clocks if stop else gateway.restart_clocks
            me = self._lifecycle.described.identity
            self._drain = Drain(self._paths, me, clocks, self._turns, self._lifecycle.draining)
            self._ending.set()
        if stop:
            self._drain.stop(gateway.stop_clocks)
        else:
            self._drain.look()
        self._backstop.arm(Clocks(self._drain.left, gateway.teardown_timeout).exit_backstop)

    def _leave_now(self) -> NoReturn:
        code = self._drain.code if self._drain is not None else 0
        leave([("commands", terminal.kill_all), ("state", lambda: self._lifecycle.exited(code))], code)

    def _steps(self, code: int) -> list[Step]:
        return [
            ("manager", self._notifier.stopping),
            ("channel", self._channel.close),
            ("commands", terminal.kill_all),
            ("messages", self._store.close),
            ("state", lambda: self._lifecycle.exited(code)),
            ("poke", lambda: self._poke(code)),
        ]

    def _poke(self, code: int) -> None:
        # After a stop only if somebody waits for an outcome: the driver will tell them that stop won.
        if not code and not self._paths.queue.unsettled():
            return
        manager = self._manager or choose(self._paths)
        if manager.poke("exit") is False and code:
            manager.complete_exit()

    # --- what runs beside the turns

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._background.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._background.discard)

    async def _note_revision(self, patience: float) -> None:
        collected = asyncio.get_running_loop().run_in_executor(None, self._query.collect)
        done, _ = await asyncio.wait({collected}, timeout=patience)
        if done:
            self._lifecycle.revised(collected.result())
        else:
            collected.add_done_callback(lambda future: self._lifecycle.revised(future.result()))

    async def _choose_manager(self) -> None:
        """Before the code on disk can be another release's: importing it at the exit would mix the two."""
        try:
            self._manager = await asyncio.to_thread(choose, self._paths)
        except HermesError as error:
            _log.warning("nobody to poke at the exit: %s", error)
        # Whoever was to settle what brought us up may have died with the instance before: we are an invocation, too.
        said = await asyncio.to_thread(look, self._paths)
        if said is not None:
            _log.info("%s", said)

    def _watch_settled(self) -> None:
        watch = self._notices.watch()
        if watch is not None:

            def changed() -> None:
                watch.drain()
                self._notices.look()

            asyncio.get_running_loop().add_reader(watch.fileno(), changed)
        self._look_for_outcomes(None if watch is None else watch.patience(None))

    def _look_for_outcomes(self, again: float | None) -> None:
        """Look now, and where the watch is blind every `again` seconds."""
        self._notices.look()
        if again is not None:
            asyncio.get_running_loop().call_later(again, self._look_for_outcomes, again)

    def _watch_supervisor(self) -> None:
        if self._mark is None:
            return
        handle = supervisor_watch.handle(self._mark)
        if handle is None:
            self._supervisor_gone(None)
        else:
            asyncio.get_running_loop().add_reader(handle.fileno(), self._supervisor_gone, handle)

    def _supervisor_gone(self, handle: Handle | None) -> None:
        if handle is not None:
            asyncio.get_running_loop().remove_reader(handle.fileno())
            handle.close()
        if self._drain is None:
            _log.warning("the supervisor is gone: starting another")
            self._spawn(self._start_supervisor())

    async def _start_supervisor(self) -> None:
        try:
            await asyncio.to_thread(choose(self._paths).demand_start)
        except HermesError as error:
            _log.error("no supervisor: %s", error)

    # --- what the channel and the agent ask

    def queued(self, session: str) -> None:
        """A message was stored."""
        self._turns.wake(session)

    def is_draining(self) -> bool:
        """Whether the next instance will answer what comes now."""
        return self._drain is not None

    def streaming(self, session: str) -> Turn | None:
        """The session's running turn."""
        return next((turn for turn in self._turns.active.values() if turn.message.session == session), None)

    def report(self) -> dict[str, Any]:
        """The local channel's `status`."""
        return {**self._lifecycle.described.document(), "pending": [one.id for one in self._paths.queue.unsettled()]}

    def _turns_changed(self) -> None:
        self._lifecycle.running(len(self._turns.active))
        if self._drain is not None:
            self._drain.note()

    def _status_text(self) -> str:
        now = self._lifecycle.described
        pending = self._paths.queue.unsettled()
        lines = [
            f"gateway pid {now.identity.pid}, {now.state}, revision {now.revision}",
            f"up {time.time() - now.started_at:.0f} s, {now.active_turns} turn{'' if now.active_turns == 1 else 's'} running",
            *(f"pending: {one.id}, {one.reason}, asked by {one.requester}" for one in pending),
        ]
        return "\n".join(lines if pending else [*lines, "no restart is pending"])

    async def _run_command(self, turn: Turn, command: str) -> str:
        environment = session.children_environment(self._paths, self._lifecycle.described.identity, turn.message)
        limits = terminal.Limits(self._config.terminal.timeout, min(2.0, self._config.gateway.teardown_timeout / 4))
        return await terminal.run(command, self._config.terminal.shell, environment, limits, turn.emit)

    async def _run_update(self, turn: Turn, options: list[str]) -> str:
        try:
            return await self._updates.run(turn, options)
        finally:
            self._spawn(self._updates.follow())

    async def _request_restart(self, turn: Turn) -> str:
        return await session.request_restart(turn, self._paths)
