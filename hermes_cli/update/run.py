"""`hermes update`: the order of events (docs/update.md).

    lock → recover → look → copy of the restarter → hold, journal, intent → change → prove → hold released
                                      └─ not sound: the old revision put back, the intent cancelled
    → signal, poke → wait; the driver judges the fresh gateway, ends the journal, and goes back if it must

Whatever this process needs is imported before the code changes (law: imports before the swap).
"""

import os
import sys
import time
from typing import Any, NoReturn

from hermes_cli import mends
from hermes_cli.errors import CutShortError, HermesError
from hermes_cli.installation import copy
from hermes_cli.installation.revision import installed_revision
from hermes_cli.intents import request as records
from hermes_cli.intents.queue import Queue
from hermes_cli.paths import Paths
from hermes_cli.programs import description, own
from hermes_cli.services import choose, other_installation
from hermes_cli.system import refusal
from hermes_cli.update import after, change, recovery, rollback, sources
from hermes_cli.update.candidate import Candidate
from hermes_cli.update.journal import Journal
from hermes_cli.update.lock import only_update
from hermes_cli.update.options import Options
from hermes_cli.update.report import Report
from hermes_cli.update.restarts import Restarts
from hermes_cli.update.sources.base import Source


class Update:
    """One update, or the way back from one, as a profile of the installation asks for it."""

    def __init__(self, paths: Paths, options: Options) -> None:
        """Change nothing yet. Raises UsageError if the service manager is not known."""
        self._paths = paths
        self._options = options
        self._report = Report(paths)
        self._manager = choose(paths)
        self._restarts = Restarts(paths, self._manager, self._report.say)
        self._back: Journal | None = None  # the receipt of the update that is taken back
        self.found: Candidate | None = None  # what `run` has looked at
        self.has_news = False  # it is new, and would be taken

    def run(self) -> int:
        """Update the installation, restart the gateway, and return the exit code. Raises HermesError."""
        try:
            return self._run()
        finally:
            self._restarts.let_go()

    def document(self) -> dict[str, Any]:
        """Return what `--check` has found as JSON."""
        found = self.found
        return {
            "schema": 1,
            "news": self.has_news,
            "installed": found.old_shown if found else None,
            "offered": found.new_shown if found and self.has_news else None,
            "headline": found.headline if found and found.is_new else "",
            "details": list(found.details) if found and found.is_new else [],
        }

    def _run(self) -> int:
        with self._report:
            try:
                self._update()
            except HermesError as error:
                self._report.keep(str(error))
                if more := self._report.where_more_is:
                    raise type(error)(f"{error}{more}") from None
                raise
            except OSError as error:
                self._report.keep(repr(error))
                place = error.filename or self._paths.updates
                raise HermesError(refusal.refused(place, "used", error)) from None
        return self._restarts.carry_out()

    def _update(self) -> None:
        """Do everything that needs the update lock; afterwards only the restarts are left to be carried out."""
        with only_update(self._paths, self._report.say, _execute_anew) as lock:
            # Also for --check: what is installed is not known while an update is half done.
            if recovery.finish_all(self._paths, lock, self._report.say):
                _execute_anew()
            source = sources.find(self._paths, lock)
            self._refuse_elsewhere(source)
            if self._options.back is not None:
                self._back = rollback.find(self._paths, self._options.back)
            candidate = self._candidate(source)
            if candidate is None:
                return
            if self._options.check:
                self._show_restarts(source, candidate)
                return
            source.refuse(candidate, self._options.selection)
            self._plan_restarts(source, candidate)
            self._refuse_leap()
            done = self._change(source, candidate)
        if done.new == done.old:
            self._report.say(f"already up to date ({done.old_shown})")
            return
        verb = "rolled back" if self._back else "updated"
        self._report.say(f"{verb} {done.old_shown} → {done.new_shown}")
        if self._restarts.own is None:
            self._say_what_is_stale()
            after.refresh(self._paths, self._report.say)

    def _refuse_elsewhere(self, source: Source) -> None:
        """Refuse to update code that the service does not run, unless no restart is to follow. Raises HermesError."""
        if self._options.no_restart or source.kind == "command":
            return
        other = other_installation.find(self._manager, description.read_alive(self._paths.instance))
        if other is None:
            return
        if self._options.check:
            self._report.say(other.says(self._paths))
            return
        raise HermesError(
            f"{other.says(self._paths)}: {other.command(self._paths, 'update')}; "
            "hermes update --no-restart changes this one only, hermes gateway install lets the service run it"
        )

    def _candidate(self, source: Source) -> Candidate | None:
        """Return what the update would bring, or None after telling the user why there is nothing to bring in."""
        say, selection = self._report.say, self._options.selection
        if self._back is None:
            candidate = source.candidate(selection, say)
        else:
            candidate = rollback.candidate(source, self._back, selection, say)
        self.found = candidate
        if not candidate.is_new:
            say(f"already up to date ({candidate.old_shown})")
            self._say_what_is_stale()
            return None
        say(candidate.headline)
        for line in candidate.details if self._options.check else ():
            say(f"  {line}")
        refused = rollback.refusal(self._paths, candidate, selection) if self._back is None else None
        self.has_news = refused is None
        if refused is not None:
            say(refused)
        return None if refused is not None else candidate

    def _show_restarts(self, source: Source, candidate: Candidate) -> None:
        """Say who would restart, in which order, and what keeps the update from beginning."""
        try:
            self._plan(source, candidate)
            why = self._restarts.obstacle()
        except HermesError as error:
            why = str(error)
        for line in self._restarts.lines():
            self._report.say(f"  {line}")
        self._restarts.forget()
        if why is not None:
            self._report.say(f"  is refused now: {why}")

    def _refuse_leap(self) -> None:
        """Refuse an update after which a gateway that runs would not come up again (rule 10). Raises HermesError."""
        if (why := self._restarts.obstacle()) is not None:
            raise HermesError(f"nothing was changed, {why}")

    def _plan(self, source: Source, candidate: Candidate) -> None:
        """Plan who is to restart. Raises HermesError."""
        if self._options.no_restart:
            return
        # A rollback restarts the profiles that the update restarted.
        everybody = self._options.all_profiles or bool(self._back and self._back.others)
        # A command's names for revisions are not what a gateway on that code calls itself.
        revision = candidate.old_shown if source.kind != "command" else None
        order = self._options.order
        self._restarts.plan(self._options.command, revision, all_profiles=everybody, order=order)

    def _plan_restarts(self, source: Source, candidate: Candidate) -> None:
        """Plan who is to restart, and keep for each of them a copy of the restarter that no update changes."""
        self._plan(source, candidate)
        for owner in (self._paths, *(one.paths for one in self._restarts.of_others)):
            copy.keep(owner)

    def _change(self, source: Source, candidate: Candidate) -> Journal:
        """Write the held intents, then change the code. Return the journal of what was done.

        Raises HermesError, after the old revision was put back.
        """
        mine = self._restarts.own
        begun = Journal.begin(
            self._paths,
            mine.id if mine is not None else records.new_id(time.time()),
            candidate,
            source=source.document(),
            command=self._options.command,
            rolls_back=self._back.intent if self._back else "",
            others=[[one.paths.profile, one.id] for one in self._restarts.of_others],
        )
        with self._restarts.held() as descriptors:
            for held in descriptors:
                source = source.keeping(held)
            self._write(source, begun)
            self._bring_in(source, begun)
            if begun.new == begun.old:  # a command that found nothing new
                self._restarts.cancel(f"already up to date ({begun.old_shown})")
                begun.end("updated", "nothing new")
            elif mine is None:
                source.end(begun)
                begun.end("updated")
        return begun

    def _write(self, source: Source, begun: Journal) -> None:
        """Keep what the way back needs, and make the journal durable. Raises HermesError."""
        try:
            source.begin(begun, self._options.selection)
            begun.write()
        except OSError as error:
            place = error.filename or begun.path
            raise HermesError(f"{place} cannot be written ({error.strerror}): nothing was changed") from None

    def _bring_in(self, source: Source, begun: Journal) -> None:
        """Submit the intents and change the code. Whatever goes wrong, put the old revision back and raise."""
        try:
            self._restarts.submit()
            change.apply(source, begun, self._paths.profile, self._report.say)
            if begun.new != begun.old:
                self._refuse_new_code(begun)
        except BaseException as error:
            is_interrupted = isinstance(error, KeyboardInterrupt)
            why = "interrupted" if is_interrupted else str(error) or f"interrupted by {type(error).__name__}"
            end = self._undo(source, begun, why)
            if is_interrupted:
                raise CutShortError(end) from None
            if isinstance(error, HermesError | OSError):
                raise HermesError(end) from None
            raise

    def _refuse_new_code(self, begun: Journal) -> None:
        """Raise HermesError if another profile's gateway would not come up again with it (rule 10).

        That it starts for this profile is proven.
        """
        if (why := self._restarts.obstacle_for_others()) is not None:
            raise HermesError(f"with {begun.new_shown} {why}")

    def _undo(self, source: Source, begun: Journal, why: str) -> str:
        """Put the old revision back and cancel the intents. Return a line that says what became of it.

        The journal stays if the old revision could not be put back.
        """
        self._report.say(f"putting {begun.old_shown} back")
        try:
            change.put_back(source, begun, self._report.say, why)
            end = f"{begun.old_shown} was put back"
        except (HermesError, OSError) as error:
            end = f"{begun.old_shown} could not be put back ({error}), hermes update tries again"
        text = f"{why}: {end}, the running gateway was not touched"
        self._restarts.cancel(text)
        return text

    def _say_what_is_stale(self) -> None:
        """Tell the user if the gateway does not run, or runs other code than is installed."""
        running = own.read_alive(self._paths)
        installed = installed_revision()
        if pending := Queue(self._paths.intents, self._paths.profile).scan().intents:
            text = f"a restart is pending, {pending[0].reason}: hermes gateway intents show {pending[0].id}"
            self._report.say(mends.shown(text, self._paths.profile))
        elif running is None:
            self._report.say("the gateway is not running")
        elif running.revision and installed and running.revision != installed:
            self._report.say(f"the running gateway is on {running.revision}: hermes gateway restart")


def _execute_anew() -> NoReturn:
    """Begin again as a fresh process: what this one has imported may be of the code that was just undone."""
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  our own command line
