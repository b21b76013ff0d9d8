"""Installed code that is not the code that runs: the next command says so, and the gateway restarts if configured to.

Cheap: a few small files are read and no process is started, because every command pays for it.
"""

import os

from hermes_cli.installation import revision
from hermes_cli.system import durable, locks, process_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths


def line(paths: "Paths") -> str | None:
    """Return what a command says of stale code, or None when nothing is stale or something under way will end it."""
    found = durable.read_json(paths.instance)
    running = (found or {}).get("revision")
    if found is None or not isinstance(running, str) or found.get("state") != "ready":
        return None
    installed = newer(paths, running)
    if installed is None or not _is_alive(found):
        return None
    return f"the gateway runs {running}, installed is {installed}: hermes gateway restart"


def newer(paths: "Paths", running: str) -> str | None:
    """Return the installed revision if it is not `running` and nobody is at work on that, else None."""
    installed = revision.glance(running)
    if installed is None or installed == running:
        return None
    try:
        if os.listdir(paths.pending) or os.listdir(f"{paths.intents}/holds"):
            return None
    except OSError:
        pass
    return None if locks.is_held(paths.update_lock) else installed


def _is_alive(found: "dict[str, object]") -> bool:
    pid, ticks, boot = found.get("pid"), found.get("start_ticks"), found.get("boot_id")
    return isinstance(pid, int) and process_table.is_same(
        pid,
        durable.finite(found.get("create_time")),
        ticks if isinstance(ticks, int) else None,
        boot if isinstance(boot, str) else None,
    )
