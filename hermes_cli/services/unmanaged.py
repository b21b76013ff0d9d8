"""A gateway that runs without its service manager: started by hand, or left over from another one."""

import signal
import time

from hermes_cli.config import load_or_defaults
from hermes_cli.errors import CannotTellError, Problem
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs import description, own
from hermes_cli.programs.description import Description
from hermes_cli.system import locks
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle

_OUTSIDE = "outside"
_LOOK_AGAIN = 0.5  # seconds; a lock that is let go wakes nobody
_LAST = 5.0  # seconds for the kernel after SIGKILL


def seen(paths: Paths, said: Service, label: str) -> Service:
    """Return the manager's answer, or, if it runs nothing, the gateway that runs without it."""
    if said.state != "stopped":
        return said
    found = description.read(paths.instance)
    if (running := description.alive(paths.instance, found)) is not None:
        return Service("running", running.pid, detail=f"{_OUTSIDE} {label}")
    if found is None and is_undescribed(paths):
        return Service("running", detail=f"{_OUTSIDE} {label}")
    return cannot_tell(paths, found) or said


def cannot_tell(paths: Paths, found: Description | None) -> Service | None:
    """Return the answer for a gateway that might run: its lock cannot be looked at, or its pid says nothing here.

    `found`: what gateway.json says.
    """
    if description.is_elsewhere(paths.instance, found):
        return Service("unknown", detail=description.ELSEWHERE)
    if locks.look(paths.gateway_lock) is not None:
        return None
    return Service("unknown", detail=f"{paths.gateway_lock} cannot be looked at")


def is_undescribed(paths: Paths) -> bool:
    """Say whether a gateway runs whose gateway.json is gone, or says nothing; it writes it again with its heartbeat."""
    return own.read(paths) is None and locks.is_held(paths.gateway_lock)


def is_outside(service: Service) -> bool:
    """Say whether `seen` found such a gateway."""
    return service.detail.startswith(_OUTSIDE)


def problem(service: Service) -> Problem:
    """Return the problem that `status` shows for it."""
    return Problem("unmanaged", f"the gateway runs {service.detail}", "hermes gateway restart")


def stop(paths: Paths, timeout: float) -> bool:
    """End the profile's gateway: SIGTERM, then SIGKILL after `timeout` seconds. Return whether one ran.

    Raises CannotTellError if one runs that does not say which process it is.
    """
    description.refuse_elsewhere(paths.instance)
    running = own.read_alive(paths) or _described_soon(paths)
    if running is None:
        if (unknown := cannot_tell(paths, description.read(paths.instance))) is not None:
            raise CannotTellError(f"whether a gateway runs cannot be told, {unknown.detail}: hermes gateway status")
        return False
    try:
        with Handle(running.identity) as handle:
            handle.send(signal.SIGTERM)
            if not handle.wait(timeout):
                handle.send(signal.SIGKILL)
                handle.wait(_LAST)
    except ProcessLookupError:
        pass
    return True


def _described_soon(paths: Paths) -> Instance | None:
    """Return None if no gateway runs; else wait until it describes itself. Raises CannotTellError."""
    if not is_undescribed(paths):
        return None
    deadline = time.monotonic() + load_or_defaults(paths.config).gateway.heartbeat_interval + _LAST
    with DirectoryWatch(paths.state) as watch:
        while is_undescribed(paths):
            left = deadline - time.monotonic()
            if left <= 0:
                who = f"which process it is, says whoever holds {paths.gateway_lock}"
                raise CannotTellError(
                    f"a gateway runs and gateway.json does not describe it, so it was not stopped: end it; {who}"
                )
            watch.wait(min(left, _LOOK_AGAIN))
    return own.read_alive(paths)
