"""How long the next spawn has to wait."""

import math

DEFAULT_INTERVAL = 10


def delay(now: float, last_spawn: float | None, interval: float, second: float = 1.0) -> float:
    """Seconds from `now` to the earliest spawn; 0 is at once. `second` is how long launchd's seconds last.

    Counted from the start of the previous run, in whole seconds of its run time, rounded down. So two starts
    are at least `interval` apart, and less than a second more.
    """
    if last_spawn is None or interval <= 0:
        return 0.0
    ran = math.floor((now - last_spawn) / second)
    return max(0.0, (interval - ran) * second)


def notice(now: float, last_spawn: float, interval: float, second: float = 1.0) -> str:
    """What launchd logs about it."""
    ran = math.floor((now - last_spawn) / second)
    return f"Service only ran for {ran} seconds. Pushing respawn out by {interval - ran:g} seconds."
