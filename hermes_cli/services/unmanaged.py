"""A gateway that runs without its service manager: started by hand, or left over from another one."""

import signal

from hermes_cli import instance
from hermes_cli.paths import Paths
from hermes_cli.process import Handle

_LAST = 5.0  # seconds for the kernel after SIGKILL


def stop(paths: Paths, timeout: float) -> None:
    """End the profile's gateway: SIGTERM, then SIGKILL after `timeout` seconds."""
    running = instance.read_alive(paths)
    if running is None:
        return
    try:
        with Handle(running.identity) as handle:
            handle.send(signal.SIGTERM)
            if not handle.wait(timeout):
                handle.send(signal.SIGKILL)
                handle.wait(_LAST)
    except ProcessLookupError:
        return
