"""Installed code that is not the code that runs: the next command says so, and the gateway restarts if configured to.

Cheap: a few small files are read and no process is started, because every command pays for it.
"""

import os

from hermes_cli.installation import lock as installation_lock
from hermes_cli.installation import origin, revision
from hermes_cli.programs import description
from hermes_cli.system import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths


def line(paths: "Paths") -> str | None:
    """Return what a command says of stale code, or None when nothing is stale or something under way will end it."""
    found = description.read(paths.instance)
    if found is None or found.revision is None or found.state != "ready":
        return None
    if found.text("package") not in {None, origin.package()}:  # what is installed here is not what it would run
        return None
    installed = newer(paths, found.revision)
    if installed is None or not found.is_alive():
        return None
    return f"the gateway runs {found.revision}, installed is {installed}: hermes gateway restart"


def newer(paths: "Paths", running: str) -> str | None:
    """Return the installed revision if it is not `running` and nobody is at work on that, else None."""
    installed = revision.glance(running)
    if installed is None or installed == running:
        return None
    try:
        if os.listdir(paths.pending) or os.listdir(paths.queue.holds):
            return None
    except OSError:
        pass
    return None if locks.may_be_held(paths.update_lock) or locks.may_be_held(installation_lock.path()) else installed
