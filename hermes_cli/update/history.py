"""`hermes update --history`: one line for each receipt, and for each update that is under way."""

import time
from typing import Any

from hermes_cli.intents.request import timestamp
from hermes_cli.paths import Paths
from hermes_cli.system.command import printable
from hermes_cli.update import journal
from hermes_cli.update.journal import Journal


def lines(paths: Paths) -> list[str]:
    """Return the lines, the newest update first."""
    found = [*reversed(journal.under_way(paths)), *journal.receipts(paths)]
    return [printable(_line(one)) for one in found] or ["no updates yet"]


def document(paths: Paths) -> dict[str, Any]:
    """Return the same as JSON."""
    found = [*reversed(journal.under_way(paths)), *journal.receipts(paths)]
    return {
        "schema": 1,
        "updates": [
            {
                "id": one.intent,
                "began_at": timestamp(one.began_at),
                "ended_at": timestamp(one.ended_at) if one.ended_at else None,
                "old": one.old_shown,
                "new": one.new_shown,
                "kind": one.source.get("kind"),
                "outcome": one.outcome or None,
                "step": one.step,
                "command": one.command,
                "rolls_back": one.rolls_back or None,
                "why": one.why or None,
                "steps": one.steps,
            }
            for one in found
        ],
    }


def _line(one: Journal) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.began_at))
    took = f", {one.took or one.ended_at - one.began_at:.1f} s" if one.ended_at else ""
    steps = ", ".join(f"{step.get('step')} {step.get('took')} s" for step in one.steps)
    why = f": {printable(one.why)}" if one.why else ""
    outcome = one.outcome or f"under way ({one.step})"
    who = f", by {printable(one.command)}" if one.rolls_back else ""
    kind = one.source.get("kind")
    return f"{when}  {one.old_shown} → {one.new_shown}  {kind}  {outcome}{took}{who}  ({steps}){why}"
