"""Probation: the gateway itself rolls back a release that worked at first and then crashes again and again.

An update has succeeded once its gateway has stayed ready. For a while after that, each fresh gateway looks at how the
one before it ended, and writes into gateway.json how many have ended by themselves:

    crash → fresh gateway: 1 → crash → 2 → crash → 3: `hermes update --rollback`, outside its tree → ready, until that
    signals it

The rollback is started before the fresh gateway does anything that could end it. An end before gateway.json is written
leaves nothing to be counted: a failing import, a broken config.toml.

`jobs/rollback` is that rollback.
"""

import logging
import os
import time
from typing import Literal, NamedTuple

from hermes_cli.errors import HermesError
from hermes_cli.installation import entry_points
from hermes_cli.intents.instance import Crashes, Instance
from hermes_cli.intents.request import elapsed
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.services import choose
from hermes_cli.system import process_table
from hermes_cli.update import rollback
from hermes_cli.update.journal import Journal
from hermes_cli.update.rollback import CRASHES

_log = logging.getLogger("hermes.probation")
_ASKED_FOR = (0, own.RESTART_EXIT_CODE)  # exit codes
Verdict = Literal["over", "watched", "rolled back"]


class Receipt(NamedTuple):
    """An update that has succeeded, as far as it matters here. Times in epoch seconds.

    `revision` is what a gateway on the new code calls itself; None if the receipt does not say it.
    """

    update: str
    revision: str | None
    began_at: float
    ended_at: float
    boot_id: str = ""
    boot_time: float = 0.0  # when it began, since that boot; 0: nobody has said
    took: float = 0.0

    def began_before(self, now: float) -> float:
        """Return how many seconds before `now`, in epoch seconds, it began."""
        return elapsed(self.began_at, self.boot_id, self.boot_time or None, now)

    def ended_before(self, now: float) -> float:
        """Return how many seconds before `now` it ended; below 0: the clock was set back, and nobody has noted the boot's."""
        if self.boot_time and self.boot_id == process_table.boot_id():
            return max(0.0, self.began_before(now) - self.took)
        return now - self.ended_at


def verdict(receipt: Receipt | None, crashes: int, now: float, window: float) -> Verdict:
    """Return what becomes of the update after so many crashes. Its probation takes `window` seconds.

    If a rollback is refused or killed, the next crash asks for it again; managers give up after a few crashes.
    A rollback that is made ends the probation.
    """
    if receipt is None or not 0 <= receipt.ended_before(now) < window:
        return "over"
    return "rolled back" if crashes >= CRASHES else "watched"


def is_crash(before: Instance | None, receipt: Receipt, boot: str, now: float) -> bool:
    """Return whether that instance, which has ended, ran the new code and ended by itself. Who drains was asked to end."""
    if before is None or before.identity.boot_id != boot or before.uptime(now) > receipt.began_before(now):
        return False
    if None not in {receipt.revision, before.revision} and before.revision != receipt.revision:
        return False
    if before.state == "exited":
        return before.exit_code is not None and before.exit_code not in _ASKED_FOR
    return before.state in {"starting", "ready"}


class Finding(NamedTuple):
    """The count that a fresh gateway writes on, and whether it is to have the update rolled back."""

    crashes: Crashes | None = None
    roll_back: bool = False


def judge(
    receipt: Receipt | None, before: Instance | None, boot: str, now: float, window: float, *, asked: bool
) -> Finding:
    """Count the end of the instance before this one, if it was a crash. `asked`: a restart is pending."""
    if receipt is None:
        return Finding()
    carried = before.crashes if before is not None else None
    known = carried.times if carried is not None and carried.update == receipt.update else 0
    count = known + (not asked and is_crash(before, receipt, boot, now))
    judged = verdict(receipt, count, now, window)
    if count == known or judged == "over":
        return Finding(Crashes(receipt.update, known) if known else None)
    return Finding(Crashes(receipt.update, count), judged == "rolled back")


def look(paths: Paths, window: float) -> Finding:
    """Judge, for a fresh gateway of this profile, before it replaces gateway.json. Never raises."""
    try:
        newest = rollback.newest(paths)
        receipt = _on_probation(newest, paths)
        before = own.read(paths)
        # A pending intent is about to end an instance or has just done so, by SIGKILL if it must.
        asked = bool(paths.queue.unsettled())
        finding = judge(receipt, before, process_table.boot_id(), time.time(), window, asked=asked)
    except Exception:  # noqa: BLE001  logged; an old receipt must not keep a gateway from starting
        _log.exception("cannot tell how the gateway before this one ended")
        return Finding()
    if newest is not None and before is not None and finding.crashes not in {None, before.crashes}:
        text = "the gateway before this one, pid %d, ended by itself: %d since the update to %s"
        _log.warning(text, before.identity.pid, finding.crashes.times if finding.crashes else 0, newest.new_shown)
    return finding


def roll_back(paths: Paths, crashes: Crashes) -> None:
    """Have the service manager start the rollback, outside the gateway's tree. Never raises."""
    argv = entry_points.argv(entry_points.ROLLBACK, paths.profile, crashes.update, str(crashes.times))
    try:
        choose(paths).run_outside("rollback", argv, {})
    except (HermesError, OSError) as error:
        _log.error("the update is not rolled back: %s", error)
    else:
        _log.warning("the update is to be rolled back: hermes update --history")


def _on_probation(newest: Journal | None, paths: Paths) -> Receipt | None:
    """Return the newest update if this profile made it, it is no rollback, and no rollback of it has failed."""
    if newest is None or newest.rolls_back or os.path.dirname(newest.path) != paths.updates:
        return None
    # One that was cut off or refused has touched no gateway, and may be tried again.
    if any(one.rolls_back == newest.intent and one.outcome == "failed" for one in rollback.receipts(paths)):
        return None
    revision = newest.new_shown if newest.source["kind"] == "git" else None
    began = (newest.began_at, newest.ended_at, newest.boot_id, newest.boot_time, newest.took)
    return Receipt(newest.intent, revision, *began)
