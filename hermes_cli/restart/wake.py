"""The cheap look at pending/ that every command takes: the backstop when every other trigger was lost.

One directory scan; nothing else is imported unless something is pending and no driver is at it.
"""

import sys

from hermes_cli.pending import RESIDENT_LOCK, is_restart_pending, is_something_pending, is_update_cut_off
from hermes_cli.system.printable import printable

TAKEN_UP = 3.0  # seconds from a poke that was accepted to a driver that runs
_LAST_LOOK = 1.0  # the same, of a gateway that exits
_LOOK_AGAIN = 0.05
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_cli.paths import Paths
    from hermes_cli.services.base import ServiceManager


def announce(paths: "Paths", say: "Callable[[str], str]" = str) -> bool:
    """Look, and print the line as `say` words it on stderr if there is one. Return whether there was. Never raises."""
    from hermes_cli.errors import HermesError, called

    try:
        line = look(paths)
    except (HermesError, OSError):
        return False  # the command itself meets the same cause and says it
    if line is not None:
        print(f"{called()}: {printable(say(line))}", file=sys.stderr)
    return line is not None


def look(paths: "Paths") -> str | None:
    """Have somebody finish what is pending. Return the line that says so, or None if nothing is to be done."""
    if not is_something_pending(paths):
        return _missed_resident(paths)
    if paths.queue.is_driven():
        return None
    found = _what(paths)
    if found is None:
        return None
    what, done = found
    from hermes_cli.services import usable

    unread = usable.unread_journal(paths)
    if unread is not None:
        return f"{what}, and {unread.text}: {unread.mend}"
    from hermes_cli.errors import HermesError
    from hermes_cli.services import choose

    try:
        manager = choose(paths)
        if manager.poke("cli") and is_taken_up(paths):
            return f"{what}, will be {done} by {manager.completed_by}: see hermes gateway status"
        start_driver(paths, "cli")
    except (HermesError, OSError):
        return f"{what} and no driver could be started: hermes gateway intents drive"
    return f"{what}, a driver was started for it: see hermes gateway status"


def _what(paths: "Paths") -> tuple[str, str] | None:
    """Return the words for what there is, and for what becomes of it; None: a driver has just finished it.

    Never raises: a line keeps nothing from being done.
    """
    if not is_restart_pending(paths):
        return ("an update was cut off", "completed") if is_update_cut_off(paths) else None
    try:
        is_request = bool(paths.queue.unsettled())
    except OSError:
        is_request = True
    return (
        ("a restart is pending", "completed") if is_request else ("something in the queue is no request", "set aside")
    )


def _missed_resident(paths: "Paths") -> str | None:
    """Start the resident restarter of an adopted program if it has died. Return the line that says so, or None.

    While launchd holds everything back, nobody else would: a request that it has not recorded yet is in no pending/.
    """
    import os

    if not os.path.exists(paths.adopted):
        return None
    from hermes_cli.system import locks

    if locks.is_held(f"{paths.state}/{RESIDENT_LOCK}"):
        return None
    from hermes_cli.services import choose

    manager = choose(paths)
    if manager.restarter().state == "running":  # it has just begun
        return None
    if manager.poke("cli"):
        return "the resident restarter did not run and was started: see hermes gateway status"
    return "the resident restarter does not run and cannot be started: see hermes gateway status"


def is_taken_up(paths: "Paths", patience: float = TAKEN_UP) -> bool:
    """Say whether a driver is at work, or has done it, within `patience` seconds after a poke that was accepted.

    A manager's yes is no driver that runs: it may die before its first line (rule 12). Where it cannot be seen, it is none.
    """
    try:
        return _sees_driver(paths, patience)
    except OSError:
        return False


def _sees_driver(paths: "Paths", patience: float) -> bool:
    import time

    from hermes_cli.system.directory_watch import DirectoryWatch

    deadline = time.monotonic() + patience
    paths.queue.make_directories()  # a person may have moved one away
    # A driver writes its sign of life into the lock that it has taken; kqueue does not tell of that.
    with DirectoryWatch(paths.intents, paths.pending, paths.queue.progress, modified=True) as watch:
        while is_something_pending(paths) and not paths.queue.is_driven():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            watch.wait(min(left, _LOOK_AGAIN))
    return True


def leave_to(paths: "Paths", manager: "ServiceManager", code: int) -> None:
    """Have somebody go on when the calling gateway has exited with `code`: the restarter, or the manager itself."""
    from hermes_cli.programs.own import RESTART_EXIT_CODE  # a gateway that runs has it; other callers need it never

    # After a stop only if an intent is pending: the driver settles it as cancelled, and its requester hears of it.
    if not code and not paths.queue.unsettled():
        return
    is_bare = code == RESTART_EXIT_CODE and not is_something_pending(paths)  # a signal by hand
    poked = manager.poke("exit")
    # A restarter has nothing to do for a bare signal. No answer is no driver: of two starts the second finds the service
    # running.
    if code and (poked is False or is_bare or not is_taken_up(paths, _LAST_LOOK)):
        manager.complete_exit()
    if is_bare:
        manager.forgive_exit()  # where an intent is pending its driver resets the count


def start_driver(paths: "Paths", trigger: str) -> None:
    """Start a driver in its own session, which outlives the caller. Raises OSError."""
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
