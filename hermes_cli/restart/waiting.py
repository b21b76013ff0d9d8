"""What a pending intent waits for, at the moment of the look.

The driver notes the reason whenever it looks. The seconds of a drain go on without it: they are computed from what the
gateway itself says of its drain.
"""

from typing import NamedTuple

from hermes_cli.intents.instance import DrainState, Instance
from hermes_cli.intents.progress import Progress

NOBODY = "a driver"  # nobody has looked at the intent yet
OVER = "a driver to look again: the drain is over"


class Waiting(NamedTuple):
    """What for, in words; if that is a drain, its times."""

    text: str
    drain: DrainState | None = None


def waiting(known: Progress, running: Instance | None, now: float) -> Waiting:
    """Return what the intent with this note waits for. `now` in epoch seconds."""
    drain = running.drain if running is not None and running.state == "draining" else None
    is_noted = known.waiting_for.startswith("drain: ")
    if drain is not None and (is_noted or not known.waiting_for):  # it goes on before a driver has noted it
        return Waiting(drain.shown(now), drain)
    if is_noted and (running is None or running.state != "draining"):
        return Waiting(OVER)
    return Waiting(known.waiting_for or NOBODY)
