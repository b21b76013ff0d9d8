"""The cheap look at pending/ that every command takes: the backstop when every other trigger was lost.

One directory scan; nothing else is imported unless something is pending and no driver is at it.
"""

from hermes_cli.pending import is_restart_pending, is_something_pending
from hermes_cli.system import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths


def look(paths: "Paths") -> str | None:
    """Have somebody finish what is pending; the line that says so, or None. Never raises for the queue's sake."""
    if not is_something_pending(paths) or locks.is_held(paths.queue.driver_lock):
        return None
    what = "a restart is pending" if is_restart_pending(paths) else "an update was cut off"
    from hermes_cli.errors import HermesError
    from hermes_cli.services import choose

    try:
        manager = choose(paths)
        if manager.poke("cli"):
            return f"{what}, will be completed by {manager.completed_by}: see hermes gateway status"
        start_driver(paths, "cli")
    except (HermesError, OSError):
        return f"{what} and no driver could be started: hermes gateway intents drive"
    return f"{what}, a driver was started for it: see hermes gateway status"


def start_driver(paths: "Paths", trigger: str) -> None:
    """A driver of its own, in its own session, that outlives the caller. Raises OSError."""
    import subprocess

    from hermes_cli.environment import scrubbed
    from hermes_cli.installation.copy import driver_argv

    subprocess.Popen(
        driver_argv(paths, trigger),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=scrubbed(),
        start_new_session=True,
    )
