"""Whether anything starts a supervisor when the machine does.

A supervisor in the foreground was started by whoever will start it again: a container's runtime, an init, a person. One
in the background was started by a command, and nobody repeats that command at boot.
"""

import os
import sys

from hermes_cli.errors import Advice, Problem
from hermes_cli.system import trust

# Names of the process 1 of machines that boot; a container has its own program there (proc(5)).
_INITS = {"systemd", "init", "openrc-init", "runit", "s6-svscan", "dinit"}


def problems(*, in_background: bool) -> tuple[Problem, ...]:
    """Return the problem that a reboot would end the gateway for good, on a machine that boots."""
    if not in_background or not _boots():
        return ()
    text = "nothing starts this gateway when the machine boots: the supervisor was started by a command"
    return (Problem("no-boot", text, _mend()),)


def _boots() -> bool:
    return sys.platform == "darwin" or _first_process() in _INITS


def _mend() -> str:
    if sys.platform == "darwin":
        return "hermes gateway install --manager launchd"
    if _first_process() == "systemd":
        user = trust.name_of(os.getuid()) or os.getuid()
        return Advice(
            f"as root: loginctl enable-linger {user}; log in again, then hermes gateway install --manager systemd"
        )
    return Advice("have the machine's init run hermes gateway run --supervise")


def _first_process() -> str:
    try:
        with open("/proc/1/comm", encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
