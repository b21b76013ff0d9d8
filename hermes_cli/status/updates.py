"""What updates have left to be said: a rollback, and crashes since."""

import os

from hermes_cli.errors import Problem
from hermes_cli.paths import Paths
from hermes_cli.programs import own


def left_to_say(paths: Paths) -> list[Problem]:
    """Return what the newest update has left to be said."""
    if not os.path.isdir(paths.updates):
        return []
    # More to import than somebody who has never updated should pay for.
    from hermes_cli.system.command import printable
    from hermes_cli.update.rollback import CRASHES, Rollback, newest

    update, last = newest(paths), own.read(paths)
    if update is None:
        return []
    if update.rolls_back and update.command != Rollback().command:
        text = f"{update.old_shown} was rolled back to {update.new_shown} ({printable(update.command)})"
        return [Problem("rolled-back", f"{text}; hermes update takes only a newer one", "hermes update")]
    crashes = last.crashes if last is not None else None
    if crashes is None or crashes.update != update.intent or crashes.times < CRASHES:
        return []
    text = f"the gateway has ended by itself {crashes.times} times since the update to {update.new_shown}"
    return [Problem("crashes", text, "hermes update --rollback")]
