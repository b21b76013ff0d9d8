"""Whether the caller belongs to the gateway that it wants to restart, and would die with it.

The parent chain is not enough: a caller that was set apart (setsid) and whose parent died has none. Unknown counts
as in-tree, because waiting in-tree deadlocks and not waiting out of tree costs nothing.
"""

import os
import sys

from hermes_cli.environment import MARKER
from hermes_cli.system import process_table
from hermes_cli.system.coalition import coalition_of

_DEEPEST = 64  # ancestors; more is a loop of reused pids


def is_in_tree(state: str, pid: int, start_ticks: int | None) -> bool:
    """Whether the caller descends from the gateway `pid` of the profile in `state`, or shares its cgroup or coalition."""
    inherited = os.environ.get(MARKER)
    if inherited is not None and _is_ours(inherited, state, pid, start_ticks):
        return True
    try:
        return _descends_from(pid) or _shares_cgroup(pid) or _shares_coalition(pid)
    except OSError:
        return True


def _is_ours(inherited: str, state: str, pid: int, start_ticks: int | None) -> bool:
    their_pid, _, rest = inherited.partition(":")
    their_ticks, _, their_state = rest.partition(":")
    if not (their_pid.isdecimal() and (their_ticks.isdecimal() or not their_ticks) and their_state):
        return True  # malformed, which is unknown
    # The marker of another profile, or of an earlier gateway that this caller has outlived, says nothing.
    if their_state != state or int(their_pid) != pid:
        return False
    return start_ticks is None or not their_ticks or int(their_ticks) == start_ticks


def _descends_from(pid: int) -> bool:
    current: int | None = os.getpid()
    for _ in range(_DEEPEST):
        if current == pid:
            return True
        if current is None or current <= 1:
            return False
        current = process_table.parent(current)
    return True


def _shares_cgroup(pid: int) -> bool:
    """Linux: systemd ends a service by its cgroup, which survives setsid and reparenting (systemd.kill(5))."""
    if sys.platform != "linux":
        return False
    theirs = _cgroup(pid)
    mine = _cgroup(os.getpid())
    if theirs is None or mine is None or not theirs.endswith(".service"):
        return False
    return mine == theirs or mine.startswith(theirs + "/")


def _shares_coalition(pid: int) -> bool:
    """macOS: launchd's bootout ends a job by its coalition (NousResearch/hermes-agent#43842)."""
    if sys.platform != "darwin":
        return False
    return coalition_of(pid) == coalition_of(os.getpid())


def _cgroup(pid: int) -> str | None:
    """Return the cgroup that systemd manages: the unified one, or name=systemd of version 1."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = {controllers: path for _, controllers, path in lines}
    return found.get("name=systemd") or found.get("")
