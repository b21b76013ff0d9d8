"""`/status`: the gateway, its turns and pending restarts, in a few lines."""

import time

from hermes_cli.intents.instance import Instance
from hermes_cli.paths import Paths


def status_text(paths: Paths, me: Instance) -> str:
    """Describe the running instance `me` and the restarts that are pending."""
    pending = paths.queue.unsettled()
    others = max(0, me.active_turns - 1)  # than the turn that asks
    lines = [
        f"gateway pid {me.identity.pid}, {me.state}, revision {me.revision}",
        f"up {me.uptime(time.time()):.0f} s, {others or 'no'} other turn{'s' if others > 1 else ''} running",
        *(f"pending: {intent.id}, {intent.reason}, asked by {intent.requester}" for intent in pending),
    ]
    return "\n".join(lines if pending else [*lines, "no restart is pending"])
