"""The starts that a domain in on-demand-only mode holds back, and the reasons that `print` then shows."""

from launchd_emulator.keepalive import KeepAlive


def reason(cause: str, keep_alive: KeepAlive, held: str) -> str | None:
    """Return why a start without demand is pended, or None if it is not. `held` is the knob `on_demand_holds`."""
    if cause == "run-at-load":
        return "speculative"
    if cause == "keepalive":
        return "inefficient" if keep_alive is True else "semaphore"
    if held != "all":
        return None
    return "semaphore" if cause == "queue" else "speculative"
