"""The rules of KeepAlive: starts at load, after an exit, and for paths that exist."""

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

_CRASHES = {
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGFPE,
    signal.SIGBUS,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
}

KeepAlive = bool | Mapping[str, Any]


def wants_start_at_load(keep_alive: KeepAlive, run_at_load: bool, exists: Callable[[str], bool]) -> bool:
    """Return whether loading alone starts the job. A condition on an exit implies a first run."""
    if run_at_load:
        return True
    if isinstance(keep_alive, bool):
        return keep_alive
    return "SuccessfulExit" in keep_alive or path_states_want(keep_alive, exists)


def wants_respawn(keep_alive: KeepAlive, status: int, exists: Callable[[str], bool]) -> bool:
    """Return whether a run that ended with this wait status is followed by another. One met condition is enough."""
    if isinstance(keep_alive, bool):
        return keep_alive
    success = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    crashed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in _CRASHES
    return (
        keep_alive.get("SuccessfulExit") is success
        or keep_alive.get("Crashed") is crashed
        or path_states_want(keep_alive, exists)
    )


def watched_paths(keep_alive: KeepAlive) -> tuple[str, ...]:
    """Return the paths whose existence decides."""
    return () if isinstance(keep_alive, bool) else tuple(_path_states(keep_alive))


def path_states_want(keep_alive: KeepAlive, exists: Callable[[str], bool]) -> bool:
    """Return whether a path's state alone keeps the job alive."""
    return not isinstance(keep_alive, bool) and any(
        exists(path) is wanted for path, wanted in _path_states(keep_alive).items()
    )


def _path_states(keep_alive: Mapping[str, Any]) -> Mapping[str, bool]:
    states = keep_alive.get("PathState")
    return states if isinstance(states, Mapping) else {}
