"""The process of a gateway, whatever it does in there: how it begins, its signals, what runs beside, who is poked at the end.

`run` answers messages in it, `taken_over` keeps a program that has no service of its own. To its service manager, to the
driver and to every command both are the profile's gateway: it holds gateway.lock, writes gateway.json, drains at SIGUSR1
and exits 75, ends at SIGTERM and exits 0.
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
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import NamedTuple, NoReturn

from hermes_cli.config import Config
from hermes_cli.errors import ConfigError, HermesError
from hermes_cli.gateway import another_try, sd_notify, supervisor_watch
from hermes_cli.gateway.exit import Backstop
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.gateway.staying import Staying
from hermes_cli.installation.revision import RevisionQuery
from hermes_cli.intents.clocks import Clocks
from hermes_cli.paths import Paths
from hermes_cli.pending import is_something_pending
from hermes_cli.programs import starts
from hermes_cli.restart.wake import leave_to, look
from hermes_cli.services import ahead, choose
from hermes_cli.system import collector, locks, log
from hermes_cli.system.threads import in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.services.base import ServiceManager

_log = logging.getLogger("hermes.gateway")
_LOCK_WAIT = 5.0  # seconds; the instance before this may be in its last instructions
_TEND_LOG = 15.0  # seconds
_LOOK_AGAIN = 60.0  # seconds between two looks at what is pending


class Given(NamedTuple):
    """What a process has from whoever started it. `mark` names the embedded supervisor, `notifier` speaks to systemd."""

    mark: str | None
    notifier: sd_notify.Notifier
    query: RevisionQuery
    start: another_try.Start


def run(
    paths: Paths,
    start: another_try.Start,
    load: Callable[[], Config],
    make: Callable[[Config, Given], "GatewayProcess"],
    *,
    who: str,
    taken: Callable[[], str],
) -> int:
    """Be the one gateway of a profile until a signal ends it. Return an exit code, or end the process.

    `taken`: the words for the one that runs already.
    """
    notifier = sd_notify.claim(os.environ)
    query = RevisionQuery()
    log.configure_by_output(paths.gateway_log)
    given = Given(supervisor_watch.claim(os.environ), notifier, query, start)
    try:
        config = load()
    except ConfigError as error:
        if another_try.may_pass(error):
            raise
        print(f"hermes: {error}", file=sys.stderr)
        return error.exit_code
    log.bound(config.log.bounds)
    try:
        lock = locks.take(paths.gateway_lock, timeout=_LOCK_WAIT)
        if lock is None:
            print(f"hermes: {taken()} runs already: hermes gateway status", file=sys.stderr)
            return 1
        if start.is_first:
            with contextlib.suppress(OSError):  # told to people only: a full disk must not keep a gateway from starting
                starts.record(paths, os.getpid(), time.time())
        else:  # a try for which there was no room was no crash of an update on probation
            config = config._replace(update=config.update._replace(probation=0.0))
        _need_no_thread_for_children()
        return asyncio.run(make(config, given).run())
    except another_try.FAILURES as error:
        if not isinstance(error, (OSError, sqlite3.Error)) and not another_try.may_pass(error):
            raise
        start.failed(error, who, paths.state)
        return 1


def _need_no_thread_for_children() -> None:
    """Have the event loop learn of the end of a child from the kernel, as Python 3.12 has it by itself.

    Python 3.11 starts a thread for each child once that runs: where none is to be had, it would run on and be nobody's.
    """
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):  # a kernel without it
            os.close(os.pidfd_open(os.getpid()))
            asyncio.set_child_watcher(asyncio.PidfdChildWatcher())


class GatewayProcess(ABC):
    """What is the same in every gateway's process. Its owner holds gateway.lock."""

    _lifecycle: Lifecycle

    def __init__(self, paths: Paths, config: Config, given: Given) -> None:
        self._paths = paths
        self._config = config
        self._mark, self._notifier, self._query, self._start_of_this = given
        self._backstop = Backstop()
        self._ending = asyncio.Event()
        self._stops = 0
        self._manager: ServiceManager | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._staying = Staying(
            paths,
            self._glance,
            me=lambda: self._lifecycle.described.identity,
            manager=lambda: self._manager,
            spawn=self._spawn,
            decided=self._decided,
        )

    @abstractmethod
    async def run(self) -> NoReturn:
        """Start, serve, drain, and end the process."""

    @property
    @abstractmethod
    def _is_leaving(self) -> bool:
        """Whether its end has begun."""

    @abstractmethod
    def _clocks(self, number: int) -> Clocks:
        """Return the deadlines of the end that this signal asks for."""

    @abstractmethod
    def _handle(self, number: signal.Signals) -> None:
        """Do what the signal asks for."""

    @abstractmethod
    def _decided(self, stays: bool) -> None:
        """Go on after SIGUSR1, once it is known whether another gateway would come up."""

    def _glance(self) -> str | None:
        """Return what would keep the next gateway down, as far as it costs nothing to see."""
        return ahead.glance(self._paths, ahead.of_this(self._paths))

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
        self._backstop.arm(self._clocks(number).exit_backstop)

    # --- what runs beside

    def _serve_beside(self) -> None:
        """Begin what is the same for each gateway that is up."""
        collector.resume()
        self._notifier.beat(asyncio.get_running_loop().call_later)
        self._tend_log()
        if self._mark is not None:
            supervisor_watch.watch(self._mark, self._supervisor_gone)
        self._spawn(self._choose_manager())
        if self._config.notify.command or self._config.hooks.after_restart:
            from hermes_cli.gateway.notify_watch import NotifyWatch

            self._spawn(NotifyWatch(self._paths).run())

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._background.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._background.discard)

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
        if not self._is_leaving and is_something_pending(self._paths):
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
        if not self._is_leaving:
            _log.warning("the supervisor is gone: starting another")
            self._spawn(self._start_supervisor())

    async def _start_supervisor(self) -> None:
        try:
            await in_thread(lambda: choose(self._paths).demand_start())
        except (HermesError, OSError) as error:
            _log.error("no supervisor: %s", error)

    # --- the end

    def _poke(self, code: int) -> None:
        leave_to(self._paths, self._manager or choose(self._paths), code)
