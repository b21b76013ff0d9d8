"""`hermes update`: the order of events (design 8).

    lock → recover → fetch → hold, journal, intent → change → prove → journal away, hold released → signal, poke → wait
                                      └─ not sound: the old revision put back, the intent cancelled

Whatever this process needs is imported before the code changes: afterwards another release lies there (A10).
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

from hermes_cli import desired, instance, requester
from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.intents import queue
from hermes_cli.intents import request as records
from hermes_cli.intents.hold import hold
from hermes_cli.paths import Paths
from hermes_cli.services import choose
from hermes_cli.services.base import ServiceManager
from hermes_cli.update import change, git, journal, recovery
from hermes_cli.update.exclusive import descriptor, only_update
from hermes_cli.update.git import Checkout
from hermes_cli.update.journal import Journal
from hermes_cli.update.news import News, fetch_news, refuse_local_changes
from hermes_cli.update.report import Report

# Waits for the outcome of a request that is on the disk, at most for its drain in seconds and what follows; the exit code.
WaitForOutcome = Callable[[Paths, requester.Submitted, float], int]


def update(paths: Paths, wait_for_outcome: WaitForOutcome, *, check: bool = False, no_restart: bool = False) -> int:
    """Update the installation and restart the gateway; the exit code. Raises HermesError."""
    report = Report(paths)
    manager = choose(paths)
    try:
        asked = _update(paths, manager, report, check=check, no_restart=no_restart)
    except HermesError as error:
        report.keep(str(error))
        raise
    except OSError as error:
        report.keep(repr(error))
        place = error.filename or paths.updates
        raise HermesError(f"{place} cannot be used ({error.strerror}): mend it and repeat") from None
    return 0 if asked is None else _restart(paths, manager, asked, report, wait_for_outcome)


def _update(
    paths: Paths, manager: ServiceManager, report: Report, *, check: bool, no_restart: bool
) -> dict[str, Any] | None:
    """Everything under the update lock; the record of the restart that is to follow."""
    with only_update(paths) as lock:
        checkout = git.find((descriptor(lock),))
        if not check:
            recovery.finish_all(checkout, paths, report.say)
        news = fetch_news(checkout, report.say)
        if not news.count:
            report.say(f"already up to date ({news.old_short})")
            _say_what_is_stale(paths, report, news.old_short)
            return None
        report.say(news.headline)
        if check:
            for subject in news.subjects:
                report.say(f"  {subject}")
            return None
        refuse_local_changes(checkout, news)
        record = None
        if not no_restart and _needs_restart(paths, manager):
            record = requester.ask(paths, reason=records.UPDATE, command="hermes update", revision=news.old_short)
        _change(paths, checkout, news, record, report)
    report.say(f"updated {news.old_short} → {news.new_short}")
    if record is None:
        _say_what_is_stale(paths, report, news.new_short)
    return record


def _change(paths: Paths, checkout: Checkout, news: News, record: dict[str, Any] | None, report: Report) -> None:
    """The intent first, held; then the code. Raises HermesError after the old revision was put back."""
    identifier = str(record["id"]) if record is not None else records.new_id(time.time())
    begun = Journal(journal.path_of(paths, identifier), identifier, checkout.root, news.old, news.new)
    with contextlib.ExitStack() as stack:
        if record is not None:
            lock = stack.enter_context(hold(paths, identifier))
            checkout = checkout.keeping(descriptor(lock))
        try:
            begun.write()
        except OSError as error:
            raise HermesError(f"{begun.path} cannot be written ({error.strerror}): nothing was changed") from None
        try:
            if record is not None:
                records.submit(paths, record)
            change.apply(checkout, begun, paths.profile, report.say)
        except BaseException as error:
            why = str(error) or f"interrupted by {type(error).__name__}"
            end = _undo(paths, checkout, begun, why, report)
            if isinstance(error, HermesError | OSError):
                raise HermesError(end) from None
            raise
        begun.remove()


def _undo(paths: Paths, checkout: Checkout, begun: Journal, why: str, report: Report) -> str:
    """Put the old revision back and cancel the intent; what became of it, in one line. The journal stays if it fails."""
    old = checkout.short(begun.old)
    report.say(f"putting {old} back")
    try:
        change.put_back(checkout, begun, report.say)
        begun.remove()
        end = f"{old} was put back"
    except (HermesError, OSError) as error:
        end = f"{old} could not be put back ({error}), hermes update tries again"
    text = f"{why}: {end}, the running gateway was not touched"
    for intent in queue.pending(paths):
        if intent.id == begun.intent:
            queue.settle(paths, intent, "cancelled", text, trigger="cli")
    return text


def _restart(
    paths: Paths, manager: ServiceManager, record: dict[str, Any], report: Report, wait_for_outcome: WaitForOutcome
) -> int:
    ended = queue.find_settled(paths, str(record["id"]))
    if ended is not None:  # stop wins, also over a signal of ours
        report.say(f"the restart was {ended.outcome} meanwhile: {ended.detail}")
        return 0
    submitted = requester.Submitted(str(record["id"]), record["target"], in_tree=record["requester"]["in_tree"])
    requester.begin(paths, submitted)
    if submitted.in_tree:
        report.say(f"restart recorded, will be completed by {manager.completed_by} (intent {submitted.id})")
        return 0
    report.say(f"restarting the gateway (intent {submitted.id})")
    return wait_for_outcome(paths, submitted, float(record["drain_timeout"]))


def _needs_restart(paths: Paths, manager: ServiceManager) -> bool:
    """Whether a gateway runs, or ought to. Not knowing counts as yes: an intent too many settles by itself."""
    if instance.read_alive(paths) is not None:
        return True
    if desired.read(paths) == "stopped":
        return False
    try:
        return manager.status().installed
    except CannotTellError:
        return True


def _say_what_is_stale(paths: Paths, report: Report, installed: str) -> None:
    running = instance.read_alive(paths)
    if running is None:
        report.say("the gateway is not running")
    elif running.revision and not (installed.startswith(running.revision) or running.revision.startswith(installed)):
        report.say(f"the running gateway is on {running.revision}: hermes gateway restart")
