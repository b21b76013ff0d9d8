"""`hermes update`: the order of events (docs/update.md).

    lock → recover → look → copy of the restarter → hold, journal, intent → change → prove → hold released
                                      └─ not sound: the old revision put back, the intent cancelled
    → signal, poke → wait; the driver judges the fresh gateway, ends the journal, and goes back if it must

Whatever this process needs is imported before the code changes (law: imports before the swap).
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.installation import copy
from hermes_cli.installation.revision import installed_revision
from hermes_cli.intents import desired, queue
from hermes_cli.intents import request as records
from hermes_cli.intents.hold import hold
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.programs import own
from hermes_cli.restart import ask
from hermes_cli.services import choose
from hermes_cli.services.base import ServiceManager
from hermes_cli.update import after, change, journal, recovery, rollback, sources
from hermes_cli.update.journal import Journal
from hermes_cli.update.lock import descriptor, only_update
from hermes_cli.update.report import Report
from hermes_cli.update.sources.base import News, Source, Want

# Waits for the outcome of a request that is on the disk, at most for its drain in seconds and what follows; the exit code.
WaitForOutcome = Callable[[Paths, ask.Submitted, float], int]


@dataclass(frozen=True, slots=True)
class Options:
    """What was typed."""

    want: Want = Want()  # noqa: RUF009  frozen
    check: bool = False
    no_restart: bool = False
    all_profiles: bool = False
    back: rollback.Rollback | None = None

    @property
    def command(self) -> str:
        """Who asks, in the words of the history."""
        return self.back.command if self.back else "hermes update"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A restart that is to follow, of one profile."""

    paths: Paths
    record: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.record["id"])


def update(paths: Paths, wait_for_outcome: WaitForOutcome, options: Options) -> int:
    """Update the installation and restart the gateway; the exit code. Raises HermesError."""
    manager = choose(paths)
    with Report(paths) as report:
        try:
            asked = _update(paths, manager, report, options)
        except HermesError as error:
            report.keep(str(error))
            raise
        except OSError as error:
            report.keep(repr(error))
            place = error.filename or paths.updates
            raise HermesError(f"{place} cannot be used ({error.strerror}): mend it and repeat") from None
    return _restart(paths, manager, asked, report, wait_for_outcome)


def _update(paths: Paths, manager: ServiceManager, report: Report, options: Options) -> list[_Asked]:
    """Everything under the update lock; the restarts that are to follow."""
    with only_update(paths) as lock:
        if not options.check and recovery.finish_all(paths, descriptor(lock), report.say):
            _execute_anew()
        source = sources.find(paths, (descriptor(lock),))
        back = rollback.find(paths, options.back) if options.back else None
        news = _news(paths, source, back, report, options)
        if news is None:
            return []
        source.refuse(news, options.want)
        asked = []
        if not options.no_restart:
            everybody = options.all_profiles or bool(back and back.others)  # as when it came
            told = news if source.kind != "command" else None
            asked = _ask(paths, manager, told, report, options.command, all_profiles=everybody)
        for owner in {one.paths.profile: one.paths for one in asked} | {paths.profile: paths}:
            copy.keep(sibling(paths, owner))
        done = _change(paths, source, news, asked, report, options, back)
    if done.new == done.old:
        report.say(f"already up to date ({done.old_shown})")
        return []
    report.say(f"{'rolled back' if back else 'updated'} {done.old_shown} → {done.new_shown}")
    if not any(one.paths is paths for one in asked):
        _say_what_is_stale(paths, report)
        after.refresh(paths, report.say)
    return asked


def _news(paths: Paths, source: Source, back: Journal | None, report: Report, options: Options) -> News | None:
    """What is to be brought in; None, and said why, when that is nothing."""
    say = report.say
    news = rollback.news(source, back, options.want, say) if back else source.news(options.want, say)
    if not news.is_new:
        say(f"already up to date ({news.old_shown})")
        _say_what_is_stale(paths, report)
        return None
    say(news.headline)
    for line in news.details if options.check else ():
        say(f"  {line}")
    refused = rollback.refusal(paths, news, options.want) if back is None else None
    if refused is not None:
        say(refused)
    return None if options.check or refused is not None else news


def _ask(
    paths: Paths, manager: ServiceManager, news: News | None, report: Report, command: str, *, all_profiles: bool
) -> list[_Asked]:
    """The records of the restarts that are to follow; not written yet.

    `news` None: what its revisions are called says nothing of what a gateway calls itself.
    """
    asked = []
    old = news.old_shown if news is not None else None
    if _needs_restart(paths, manager):
        record = ask.ask(paths, reason=records.UPDATE, command=command, revision=old)
        asked.append(_Asked(paths, record))
    for name in profiles(paths) if all_profiles else ():
        owner = sibling(paths, name)
        if owner is paths or own.read_alive(owner) is None:
            continue
        whose = f"{command} --all-profiles, of profile {paths.profile}"
        try:
            record = ask.ask(owner, reason=records.UPDATE, command=whose, revision=old)
        except HermesError as error:  # one profile must not hold up the others
            report.say(f"profile {name} is left alone: {error}")
            continue
        record["origin"] = None  # the conversation is another gateway's
        asked.append(_Asked(owner, record))
    return asked


def _change(  # noqa: PLR0917  everything that was found out so far
    paths: Paths,
    source: Source,
    news: News,
    asked: list[_Asked],
    report: Report,
    options: Options,
    back: Journal | None,
) -> Journal:
    """The intents first, held; then the code; what was done. Raises HermesError after the old revision was put back."""
    mine = next((one for one in asked if one.paths is paths), None)
    identifier = mine.id if mine is not None else records.new_id(time.time())
    begun = Journal(
        path=journal.path_of(paths, identifier),
        intent=identifier,
        source=source.document(),
        old=news.old,
        new=news.new,
        old_shown=news.old_shown,
        new_shown=news.new_shown,
        command=options.command,
        rolls_back=back.intent if back else "",
        notes=dict(news.notes),
        others=[[one.paths.profile, one.id] for one in asked if one is not mine],
        began_at=time.time(),
    )
    with contextlib.ExitStack() as stack:
        for one in asked:
            source = source.keeping(descriptor(stack.enter_context(hold(one.paths, one.id))))
        try:
            source.begin(begun, options.want)
            begun.write()
        except OSError as error:
            place = error.filename or begun.path
            raise HermesError(f"{place} cannot be written ({error.strerror}): nothing was changed") from None
        try:
            for one in asked:
                records.submit(one.paths, one.record)
            change.apply(source, begun, paths.profile, report.say)
        except BaseException as error:
            why = str(error) or f"interrupted by {type(error).__name__}"
            end = _undo(source, begun, asked, why, report)
            if isinstance(error, HermesError | OSError):
                raise HermesError(end) from None
            raise
        if begun.new == begun.old:  # a command that found nothing new
            _cancel(asked, f"already up to date ({begun.old_shown})")
            begun.end("updated", "nothing new")
            asked.clear()
        elif mine is None:
            source.end(begun)
            begun.end("updated")
    return begun


def _undo(source: Source, begun: Journal, asked: list[_Asked], why: str, report: Report) -> str:
    """Put the old revision back and cancel the intents; what became of it, in one line. The journal stays if it fails."""
    report.say(f"putting {begun.old_shown} back")
    try:
        change.put_back(source, begun, report.say, why)
        end = f"{begun.old_shown} was put back"
    except (HermesError, OSError) as error:
        end = f"{begun.old_shown} could not be put back ({error}), hermes update tries again"
    text = f"{why}: {end}, the running gateway was not touched"
    _cancel(asked, text)
    return text


def _cancel(asked: list[_Asked], why: str) -> None:
    for one in asked:
        for intent in queue.pending(one.paths):
            if intent.id == one.id:
                queue.settle(one.paths, intent, "cancelled", why, trigger="cli")


def _restart(
    paths: Paths, manager: ServiceManager, asked: list[_Asked], report: Report, wait_for_outcome: WaitForOutcome
) -> int:
    """Signal every gateway that is to restart, then wait for each; the worst exit code."""
    submitted = []
    for one in asked:
        ended = queue.find_settled(one.paths, one.id)
        if ended is not None:  # stop wins, also over a signal of ours
            report.say(f"the restart was {ended.outcome} meanwhile: {ended.detail}")
            continue
        target = ask.Submitted(one.id, one.record["target"], in_tree=one.record["requester"]["in_tree"])
        submitted.append((one, ask.begin(one.paths, target)))
    in_tree = any(sent.in_tree for _, sent in submitted)
    worst = 0
    for one, sent in submitted:
        who = "" if one.paths is paths else f" of profile {one.paths.profile}"
        if in_tree:
            report.say(f"restart{who} recorded, will be completed by {manager.completed_by} (intent {sent.id})")
            continue
        report.say(f"restarting the gateway{who} (intent {sent.id})")
        try:
            worst = max(worst, wait_for_outcome(one.paths, sent, float(one.record["drain_timeout"])))
        except HermesError as error:
            if len(submitted) == 1:
                raise
            report.say(f"profile {one.paths.profile}: {error}")
            worst = max(worst, error.exit_code)
    return worst


def _needs_restart(paths: Paths, manager: ServiceManager) -> bool:
    """Whether a gateway runs, or ought to. Not knowing counts as yes: an intent too many settles by itself."""
    if own.read_alive(paths) is not None:
        return True
    if desired.read(paths) == "stopped":
        return False
    try:
        return manager.status().installed
    except CannotTellError:
        return True


def _say_what_is_stale(paths: Paths, report: Report) -> None:
    running = own.read_alive(paths)
    installed = installed_revision()
    if running is None:
        report.say("the gateway is not running")
    elif running.revision and installed and running.revision != installed:
        report.say(f"the running gateway is on {running.revision}: hermes gateway restart")


def _execute_anew() -> NoReturn:
    """Begin again as a fresh process: what this one has imported may be of the code that was just undone."""
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  our own command line
