"""Ask for a restart: write the intent, then signal, then poke. The record comes first and is all that counts.

Up to the durable record this imports nothing heavier than json; see tests/benchmarks.
"""

import contextlib
import os
import sys

from hermes_cli.environment import SESSION
from hermes_cli.errors import HermesError, QueueError, TryAgainError, called
from hermes_cli.intents import request as records
from hermes_cli.programs import description
from hermes_cli.restart.in_tree import is_in_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hermes_cli.paths import Paths
    from hermes_cli.services.base import ServiceManager


# Seconds.
_DESCRIBES = 2.0  # a gateway with its lock describes itself within milliseconds, and again with each heartbeat
_LOOK_AGAIN = 0.5  # a lock that is let go wakes nobody
_LONGEST_BUSY = 86400.0  # after which a request that waits for an idle gateway expires
_TAKEN_UP_IN_TREE = 1.0  # from a poke to a driver that runs; `wake.TAKEN_UP` is that of everybody else


class Submitted:
    """A request that is on the disk. `target` is the instance that it names, as JSON, or None when none ran."""

    __slots__ = ("_manager", "drain_timeout", "id", "in_tree", "is_poked", "obstacle", "target")

    def __init__(self, record: "dict[str, Any]", manager: "ServiceManager | None" = None) -> None:
        """Only made once the record is durable. `manager`: the profile's, where the caller has chosen it already."""
        self.id = str(record["id"])
        self.target: dict[str, Any] | None = record["target"]
        self.in_tree = bool(record["requester"]["in_tree"])
        self.drain_timeout = float(record["drain_timeout"])
        self.is_poked = False  # the service manager has accepted it, which is no driver that runs yet
        self.obstacle: str | None = None  # why nothing was signalled
        self._manager = manager

    def manager(self, paths: "Paths") -> "ServiceManager":
        """Return the profile's service manager, which is chosen once for a request."""
        if self._manager is None:
            from hermes_cli.services import choose

            self._manager = choose(paths)
        return self._manager


def ask(
    paths: "Paths",
    *,
    reason: str,
    command: str,
    action: str = "restart",
    origin: "dict[str, Any] | None" = None,
    force: bool = False,
    drain_timeout: float | None = None,
    revision: str | None = None,
) -> "dict[str, Any]":
    """Return a record of what the caller wants of the gateway that runs now; it is not written yet.

    Raises what `_running` raises, and TryAgainError after too many requests.
    """
    if os.path.exists(paths.adopted):
        from hermes_cli.restart import ask_adopted

        return ask_adopted.ask(paths, reason=reason, command=command, force=force, drain_timeout=drain_timeout)
    running, in_tree = _running(paths)
    names = ("pid", "create_time", "start_ticks")
    origin = origin or _origin()
    limits = _limits(paths)
    if in_tree or origin:
        _refuse_storm(paths, limits)
    return records.compose(
        paths.profile,
        reason=reason,
        command=command,
        action=action,
        target={name: getattr(running, name) for name in names} if running is not None else None,
        in_tree=in_tree,
        revision=revision or (running.revision if running is not None else None),
        origin=origin,
        force=force,
        drain_timeout=limits.drain if drain_timeout is None else drain_timeout,
        expiry=limits.expiry,
    )


def _running(paths: "Paths") -> "tuple[description.Description | None, bool]":
    """Return the gateway that runs, if one does, and whether the caller is in its tree.

    Raises TryAgainError, HermesError after a stop, and QueueError when it cannot be told what runs: a record without a
    name would ask for nothing.
    """
    try:
        found = description.read_alive(paths.instance, strict=True) or _describes_itself_soon(paths)
        if found is None:
            return None, False
        in_tree = is_in_tree(paths.state, found.pid, found.start_ticks)
        if in_tree and found.state == "ready":
            _refuse_stopped(paths)
    except OSError as error:
        raise QueueError(
            f"the restart was not recorded, nothing was done: cannot tell what runs ({error.strerror}); repeat"
        ) from error
    return found, in_tree


def send_for_later(paths: "Paths", record: "dict[str, Any]", *, idle: bool, at: float | None) -> Submitted:
    """Make a record durable that is not to be acted on yet, and have a driver wait. Raises QueueError.

    `idle`: not before no turn runs; `at`: nor before then, epoch seconds.
    """
    import time

    from hermes_cli.restart.wake import look

    wait = max(0.0, at - time.time()) if at is not None else 0.0
    record["when_idle"] = idle
    record["not_before"] = None if at is None else records.timestamp(at)
    record["expires_at"] = records.timestamp(time.time() + wait + (_LONGEST_BUSY if idle else records.EXPIRY))
    records.submit(paths.intents, record)
    look(paths)
    return Submitted(record)


def send(
    paths: "Paths", record: "dict[str, Any]", *, looked: bool = False, manager: "ServiceManager | None" = None
) -> Submitted:
    """Make the record durable, signal the instance that it names, poke the restarter. Raises QueueError.

    `looked`: the caller has seen just now that the next gateway would start.
    """
    records.submit(paths.intents, record)
    return begin(paths, Submitted(record, manager), looked=looked or record["force"])


def begin(paths: "Paths", submitted: Submitted, *, looked: bool = False) -> Submitted:
    """Signal and poke for a record that is durable already. Whatever fails here, a driver makes good.

    Unless the caller has `looked`, nothing is signalled whose successor would not start; the driver then says why.
    Who does not wait for the outcome calls `look_after` once the answer is given.
    """
    manager = submitted.manager(paths)
    submitted.obstacle = None if looked or submitted.target is None else _obstacle(manager)
    if submitted.obstacle is None and not _has_hook(paths):
        with contextlib.suppress(OSError):
            signal_target(paths, submitted.target)
    submitted.is_poked = bool(manager.poke("poke"))
    if not submitted.is_poked:
        _drive(paths, submitted)
    return submitted


def look_after(paths: "Paths", submitted: Submitted) -> None:
    """See that a poke that was accepted becomes a driver, within a bound; otherwise start one (rule 12).

    In-tree the bound is shorter than the grace of the turn that asked.
    """
    from hermes_cli.restart.wake import TAKEN_UP, is_taken_up

    if submitted.is_poked and not is_taken_up(paths, _TAKEN_UP_IN_TREE if submitted.in_tree else TAKEN_UP):
        _drive(paths, submitted)


def _has_hook(paths: "Paths") -> bool:
    """Say whether something runs before a restart: then the driver signals, which runs it."""
    if not os.path.exists(paths.config):
        return False
    from hermes_cli.config import load_or_defaults

    return bool(load_or_defaults(paths.config).hooks.before_restart)


def _drive(paths: "Paths", submitted: Submitted) -> None:
    """Do what no driver of the service manager does: start one, or, where there is an obstacle, give its outcome."""
    if submitted.obstacle is None:
        from hermes_cli.installation import entry_points
        from hermes_cli.restart.wake import start_driver

        if submitted.in_tree:  # it would go with the gateway's tree
            argv = entry_points.argv(entry_points.RESTARTER, "-p", paths.profile, "--trigger", "poke")
            with contextlib.suppress(HermesError):
                submitted.manager(paths).run_outside("driver", argv, {})
                return
        with contextlib.suppress(OSError):
            start_driver(paths, "poke")
        return
    from hermes_cli.intents import sign_of_life
    from hermes_cli.intents.decide import not_restarted

    lock = sign_of_life.take(paths.queue.driver_lock)
    if lock is None:
        return
    try:
        for intent in paths.queue.unsettled():
            if intent.id == submitted.id:
                paths.queue.settle(intent, "failed", not_restarted(submitted.obstacle), trigger="cli")
    finally:
        lock.release()


def request(
    paths: "Paths", *, reason: str, command: str, origin: "dict[str, Any] | None" = None, force: bool = False
) -> Submitted:
    """Ask and send. Raises QueueError and TryAgainError."""
    return send(paths, ask(paths, reason=reason, command=command, origin=origin, force=force))


def refuse_leap(paths: "Paths", manager: "ServiceManager") -> bool:
    """Refuse a restart whose gateway would not come up, before it is recorded (rule 10). Raises HermesError.

    A definition whose program is gone is brought up to date with this installation. True: it is in force after a reload.
    """
    from hermes_cli.services import ahead
    from hermes_cli.services.job import edits

    why = _obstacle(manager)
    if why is None:
        return False
    start = manager.next_start()
    is_dead = bool(manager.drifted()) if start is None else not start.is_there
    if is_dead and ahead.obstacle(paths, ahead.of_this(paths)) is None:
        edits.say(manager.definitions(), lambda text: print(f"{called()}: {text}", file=sys.stderr))
        return manager.install()
    raise HermesError(f"nothing was restarted, the next gateway would not start: {why}")


def _obstacle(manager: "ServiceManager") -> str | None:
    try:
        return manager.obstacle()
    except HermesError:
        return None  # unknown is no obstacle


def signal_target(paths: "Paths", target: "dict[str, Any] | None") -> bool:
    """Signal the instance that the record names, if that very process has said that it handles it (rule 5)."""
    if os.path.exists(paths.adopted):
        from hermes_cli.restart import ask_adopted

        return ask_adopted.signal_target(paths, target)
    described = description.read_alive(paths.instance)
    if target is None or described is None or not described.handles_signal:
        return False
    if described.pid != target["pid"] or described.start_ticks != target.get("start_ticks"):
        return False
    import signal

    from hermes_cli.system.process import Identity
    from hermes_cli.system.process import send as send_signal

    identity = Identity(described.pid, described.create_time, described.start_ticks, described.boot_id)
    return send_signal(identity, signal.Signals[description.HANDLED_SIGNAL])


def _describes_itself_soon(paths: "Paths") -> "description.Description | None":
    """Return None if no gateway holds the lock; else wait until it describes itself. Raises TryAgainError and OSError.

    A record without a name would be satisfied by the very instance that was to go.
    """
    from hermes_cli.system import locks

    if not locks.is_held(paths.gateway_lock):
        return None
    import time

    from hermes_cli.system.directory_watch import DirectoryWatch

    deadline = time.monotonic() + _DESCRIBES
    with DirectoryWatch(paths.state) as watch:
        while locks.is_held(paths.gateway_lock):
            described = description.read_alive(paths.instance, strict=True)
            if described is not None:
                return described
            left = deadline - time.monotonic()
            if left <= 0:
                raise TryAgainError(
                    "the restart was not recorded, nothing was done: a gateway runs and gateway.json does not describe "
                    "it; repeat in a moment, or hermes gateway stop, then start"
                )
            watch.wait(min(left, _LOOK_AGAIN))
    return None


def _refuse_stopped(paths: "Paths") -> None:
    """Refuse what would be cancelled: the gateway was stopped, and only its service manager has started it since."""
    from hermes_cli.intents import desired

    if desired.seen(paths.desired) == "stopped":
        text = "the gateway was stopped and then started without hermes, so a restart would be cancelled"
        raise HermesError(f"{text}: hermes gateway start")


def _origin() -> "dict[str, Any] | None":
    found = {name: os.environ[variable] for name, variable in SESSION.items() if os.environ.get(variable)}
    return {**found, "turn": found.get("message")} if found.get("channel") else None


class _Limits:
    """The numbers of config.toml that a requester needs. Seconds."""

    __slots__ = ("drain", "expiry", "storm_limit", "storm_window")

    def __init__(
        self,
        drain: float = records.DRAIN_TIMEOUT,
        expiry: float = records.EXPIRY,
        storm_limit: int = records.STORM_LIMIT,
        storm_window: float = records.STORM_WINDOW,
    ) -> None:
        self.drain = drain
        self.expiry = expiry
        self.storm_limit = storm_limit
        self.storm_window = storm_window


def _limits(paths: "Paths") -> _Limits:
    """Parse config.toml only where there is one, and pass over a broken one."""
    if not os.path.exists(paths.config):
        return _Limits()
    from hermes_cli.config import load_or_defaults

    config = load_or_defaults(paths.config)
    restart = config.restart
    return _Limits(config.gateway.drain_timeout, restart.expiry, restart.storm_limit, restart.storm_window)


def _refuse_storm(paths: "Paths", limits: _Limits) -> None:
    """Refuse at the door what the driver would refuse."""
    from hermes_cli.restart.storm import refused

    why = refused(paths, limits.storm_limit, limits.storm_window, limits.expiry)
    if why is not None:
        raise TryAgainError(why)
