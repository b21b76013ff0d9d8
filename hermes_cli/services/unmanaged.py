"""A gateway that runs without its service manager: started by hand, or left over from another one."""

import signal

from hermes_cli.errors import Problem
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system.process import Handle

_OUTSIDE = "outside"
_LAST = 5.0  # seconds for the kernel after SIGKILL


def seen(paths: Paths, said: Service, label: str) -> Service:
    """Return the manager's answer, or, if it runs nothing, the gateway that runs without it."""
    if said.state == "stopped" and (running := own.read_alive(paths)) is not None:
        return Service("running", running.identity.pid, detail=f"{_OUTSIDE} {label}")
    return said


def is_outside(service: Service) -> bool:
    """Say whether `seen` found such a gateway."""
    return service.detail.startswith(_OUTSIDE)


def problem(service: Service) -> Problem:
    """Return the problem that `status` shows for it."""
    return Problem("unmanaged", f"the gateway runs {service.detail}", "hermes gateway restart")


def stop(paths: Paths, timeout: float) -> bool:
    """End the profile's gateway: SIGTERM, then SIGKILL after `timeout` seconds. Return whether one ran."""
    running = own.read_alive(paths)
    if running is None:
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
