"""The throttle: the time that the next spawn has to wait."""

import math

DEFAULT_INTERVAL = 10


def delay(now: float, last_spawn: float | None, interval: float) -> float:
    """Return launchd's seconds from `now` to the earliest spawn; 0 is at once.

    They count from the start of the previous run, in whole seconds of its run time, rounded down. So two starts are at
    least `interval` apart, and less than a second more.
    """
    if last_spawn is None or interval <= 0:
        return 0.0
    return max(0.0, interval - _ran(now, last_spawn))


def notice(now: float, last_spawn: float, interval: float) -> str:
    """Return what launchd logs about it."""
    ran = _ran(now, last_spawn)
    return f"Service only ran for {ran} seconds. Pushing respawn out by {interval - ran:g} seconds."


def _ran(now: float, last_spawn: float) -> int:
    # Whole seconds that differ by 9.999999999 have been moved by 10.
    return math.floor(round(now - last_spawn, 6))
