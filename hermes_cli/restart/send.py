"""Send a request that was asked for: make it durable, then signal, then poke; see that somebody takes it up.

The record comes first and is all that counts: whatever fails after it, a driver makes good. Up to the durable record
this imports nothing heavier than json; see tests/benchmarks.
"""

import contextlib
import os

from hermes_cli.errors import HermesError, NotNowError
from hermes_cli.intents import request as records
from hermes_cli.programs import description

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hermes_cli.paths import Paths
    from hermes_cli.services.base import ServiceManager


_LONGEST_BUSY = 86400.0  # seconds after which a request that waits for an idle gateway expires
_TAKEN_UP_IN_TREE = 1.0  # seconds from a poke to a driver that runs; `wake.TAKEN_UP` is that of everybody else


class Submitted:
    """A request that is on the disk. `target` is the instance that it names, as JSON, or None when none ran."""

    __slots__ = ("_manager", "drain_timeout", "id", "in_tree", "is_poked", "is_put_off", "obstacle", "target")

    def __init__(self, record: "dict[str, Any]", manager: "ServiceManager | None" = None) -> None:
        """Only made once the record is durable. `manager`: the profile's, where the caller has chosen it already."""
        self.id = str(record["id"])
        self.target: dict[str, Any] | None = record["target"]
        self.in_tree = bool(record["requester"]["in_tree"])
        self.drain_timeout = float(record["drain_timeout"])
        self.is_poked = False  # the service manager has accepted it, which is no driver that runs yet
        self.obstacle: str | None = None  # why nothing was signalled
        self.is_put_off = False  # nothing was signalled yet, and a driver will
        self._manager = manager

    def manager(self, paths: "Paths") -> "ServiceManager":
        """Return the profile's service manager, which is chosen once for a request."""
        if self._manager is None:
            from hermes_cli.services import choose

            self._manager = choose(paths)
        return self._manager


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
    """Make the record durable, poke the restarter, signal the instance that the record names. Raises QueueError.

    `looked`: the caller has seen just now that the next gateway would start.
    """
    records.submit(paths.intents, record)
    return begin(paths, Submitted(record, manager), looked=looked or record["force"])


def begin(paths: "Paths", submitted: Submitted, *, looked: bool = False) -> Submitted:
    """Poke and signal for a record that is durable already. Never raises: whatever fails here, a driver makes good.

    The poke comes first: a driver starts while this looks ahead, and the request is in its hands before anything ends.
    Unless the caller has `looked`, nothing is signalled whose successor would not start; the driver then says why.
    Who does not wait for the outcome calls `look_after` once the answer is given.
    """
    try:
        _begin(paths, submitted, looked=looked)
    except (HermesError, OSError):
        _drive(paths, submitted)
    return submitted


def _begin(paths: "Paths", submitted: Submitted, *, looked: bool) -> None:
    manager = submitted.manager(paths)
    submitted.is_poked = bool(manager.poke("poke"))
    try:
        submitted.obstacle = None if looked or submitted.target is None else obstacle(manager)
    except NotNowError:
        submitted.is_put_off = True
    if submitted.obstacle is None and not submitted.is_put_off and not _has_hook(paths):
        with contextlib.suppress(OSError):
            signal_target(paths, submitted.target)
    if not submitted.is_poked:
        _drive(paths, submitted)


def look_after(paths: "Paths", submitted: Submitted) -> None:
    """See that a poke that was accepted becomes a driver, within a bound; otherwise start one (rule 12). Never raises.

    In-tree the bound is shorter than the grace of the turn that asked.
    """
    if not submitted.is_poked:
        return
    with contextlib.suppress(OSError):
        from hermes_cli.restart.wake import TAKEN_UP, is_taken_up

        if is_taken_up(paths, _TAKEN_UP_IN_TREE if submitted.in_tree else TAKEN_UP):
            return
    _drive(paths, submitted)


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


def obstacle(manager: "ServiceManager") -> str | None:
    """Return why the next gateway would not start, or None: also where that cannot be told. Raises NotNowError."""
    try:
        return manager.obstacle()
    except NotNowError:
        raise
    except HermesError:
        return None


def _has_hook(paths: "Paths") -> bool:
    """Say whether something runs before a restart: then the driver signals, which runs it."""
    if not os.path.exists(paths.config):
        return False
    from hermes_cli.config import load_or_defaults

    return bool(load_or_defaults(paths.config).hooks.before_restart)


def _drive(paths: "Paths", submitted: Submitted) -> None:
    """Do what no driver of the service manager does: start one, or, where there is an obstacle, give its outcome.

    Never raises: the record stays, and the next command finds it.
    """
    with contextlib.suppress(HermesError, OSError):
        if submitted.obstacle is not None:
            _settle_as_failed(paths, submitted.id, submitted.obstacle)
            return
        from hermes_cli.installation import entry_points
        from hermes_cli.restart.wake import start_driver

        if submitted.in_tree:  # one that is started here may go with the gateway's tree; that is better than none
            argv = entry_points.argv(entry_points.RESTARTER, "-p", paths.profile, "--trigger", "poke")
            with contextlib.suppress(HermesError, OSError):
                submitted.manager(paths).run_outside("driver", argv, {})
                return
        start_driver(paths, "poke")


def _settle_as_failed(paths: "Paths", identifier: str, obstacle: str) -> None:
    from hermes_cli.intents import sign_of_life
    from hermes_cli.intents.decide import not_restarted

    lock = sign_of_life.take(paths.queue.driver_lock)
    if lock is None:
        return
    try:
        for intent in paths.queue.unsettled():
            if intent.id == identifier:
                paths.queue.settle(intent, "failed", not_restarted(obstacle), trigger="cli")
    finally:
        lock.release()
