"""Whether the breaker against storms of restarts refuses what a program asks for now (B6): told before it is asked."""

import os

from hermes_cli.intents import request as records
from hermes_cli.intents.directories import Directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths


def refusal(paths: "Paths") -> str | None:
    """Return why a restart that a program asks for is refused now, and until when; None if it is not."""
    if not os.path.exists(paths.config):
        limits = (records.STORM_LIMIT, records.STORM_WINDOW, records.EXPIRY)
    else:
        from hermes_cli.config import load_or_defaults

        restart = load_or_defaults(paths.config).restart
        limits = (restart.storm_limit, restart.storm_window, restart.expiry)
    return refused(paths, *limits)


def refused(paths: "Paths", limit: int, window: float, expiry: float) -> str | None:
    """Return the same for these numbers, seconds. Looks at names before it opens anything."""
    import time

    try:
        names = os.listdir(Directories(paths.intents).settled)
    except OSError:
        return None
    if len(names) < limit:
        return None
    now = time.time()
    # A name says when it was asked for: settled at most one expiry later. Fewer names than the limit are no storm.
    horizon = records.new_id(max(0.0, now - expiry - window))[:15]
    if sum(name[:15] >= horizon for name in names) < limit:
        return None
    from hermes_cli.intents.settled import restart_times
    from hermes_cli.restart.policy import policy_of

    automatic = restart_times(settled for settled in paths.queue.history() if settled.intent.is_automatic)
    return policy_of(paths).storm(automatic, now)
