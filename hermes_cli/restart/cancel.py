"""Cancel restarts that are pending."""

from collections.abc import Collection

from hermes_cli.paths import Paths


def cancel(paths: Paths, why: str, only: Collection[str] | None = None) -> list[str]:
    """Settle the pending intents of this profile, or `only` those, as cancelled. Return the ids of those that were."""
    cancelled = []
    for intent in paths.queue.unsettled():
        wanted = only is None or intent.id in only
        if wanted and paths.queue.settle(intent, "cancelled", why, trigger="cli"):
            cancelled.append(intent.id)
    return cancelled
