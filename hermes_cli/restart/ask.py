"""Ask for a restart: say what is wanted of which instance, unless it can be seen that it would come to nothing. `send` sends it.

Up to the durable record this imports nothing heavier than json; see tests/benchmarks.
"""

import os
import sys

from hermes_cli.environment import SESSION
from hermes_cli.errors import HermesError, NotNowError, QueueError, TryAgainError, called, refusing
from hermes_cli.intents import request as records
from hermes_cli.programs import description
from hermes_cli.restart.in_tree import is_in_tree
from hermes_cli.restart.send import Submitted, obstacle, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hermes_cli.paths import Paths
    from hermes_cli.services.base import ServiceManager


# Seconds.
_DESCRIBES = 2.0  # a gateway with its lock describes itself within milliseconds, and again with each heartbeat
_LOOK_AGAIN = 0.5  # a lock that is let go wakes nobody


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
        from hermes_cli.system import refusal

        raise QueueError(
            f"the restart was not recorded, nothing was done: cannot tell what runs ({error.strerror}): "
            f"{refusal.mend(error.filename or paths.instance, error.errno or 0)[0]} and repeat"
        ) from error
    return found, in_tree


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

    try:
        why = obstacle(manager)
    except NotNowError as error:
        raise refusing("nothing was restarted, the next gateway would not start", str(error)) from None
    if why is None:
        return False
    start = manager.next_start()
    is_dead = bool(manager.drifted()) if start is None else not start.is_there
    if is_dead and ahead.obstacle(paths, ahead.of_this(paths)) is None:
        edits.say(manager.definitions(), lambda text: print(f"{called()}: {text}", file=sys.stderr))
        return manager.install()
    raise refusing("nothing was restarted, the next gateway would not start", why)


def _describes_itself_soon(paths: "Paths") -> "description.Description | None":
    """Return None if no gateway holds the lock; else wait until it describes itself. Raises TryAgainError and OSError.

    A record without a name would be satisfied by the very instance that was to go.
    """
    from hermes_cli.system import locks

    if not locks.may_be_held(paths.gateway_lock):
        return None
    description.refuse_elsewhere(paths.instance)
    import time

    from hermes_cli.system.directory_watch import DirectoryWatch

    deadline = time.monotonic() + _DESCRIBES
    with DirectoryWatch(paths.state) as watch:
        while locks.may_be_held(paths.gateway_lock):
            described = description.read_alive(paths.instance, strict=True)
            if described is not None:
                return described
            left = deadline - time.monotonic()
            if left <= 0:
                from hermes_cli.services import usable

                in_the_way = next(usable.unusable(paths), None)
                if in_the_way is not None:
                    why = f"{in_the_way.text}: {in_the_way.mend}"
                    raise refusing("the restart was not recorded, nothing was done", why)
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
