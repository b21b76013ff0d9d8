"""What a driver does about updates: finish or undo what a dead updater has left, and end what was on trial.

Afterwards the code is wholly old or wholly new. It is old if the change had not begun or was cut off in the middle, if
the new code does not start, or if a gateway on it did not become ready or did not stay; else it is new.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable

from hermes_cli.errors import HermesError
from hermes_cli.installation.revision import installed_revision
from hermes_cli.intents.facts import Trial
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.system import durable
from hermes_cli.update import after, change, journal, sources
from hermes_cli.update.candidate import LineSink
from hermes_cli.update.journal import Journal
from hermes_cli.update.lock import update_lock

_log = logging.getLogger("hermes.update")
# Seconds for another updater, which begins by recovering this very update, or for a dead one's last git command.
_PATIENCE = 60.0
Locks = tuple[int, ...]  # descriptors, which git and pip inherit
_TAIL = 20  # lines of the gateway's log


class UpdateRecovery:
    """The updates of one profile. Methods raise OSError if a journal cannot be read, unless they say otherwise.

    `renew` is called after the code was changed, because the caller has imported the other release.
    """

    def __init__(self, paths: Paths, renew: Callable[[], object] = lambda: None) -> None:
        """Read nothing yet."""
        self._paths = paths
        self._renew = renew

    def installed(self) -> str | None:
        """Return the revision that a gateway on the installed code would show, or None if that cannot be told."""
        return installed_revision()

    def change(self, identifier: str) -> Trial | None:
        """Return the change of code that this intent belongs to, or None if there is none on trial."""
        found = journal.read(self._paths, identifier)
        if found is None or found.in_flux:
            return None
        undone = found.why or "the new code did not work" if found.step == "undone" else None
        # Only of a checkout is it certain what a gateway on the new code calls itself.
        return Trial(undone, found.new_shown if found.source["kind"] == "git" else None)

    def recover(self, identifier: str) -> str | None:
        """Finish or undo the update of this intent. Return why the code could not be made whole, or None."""
        owner, found = self._find(identifier)
        if found is None or not found.in_flux:
            return None
        return self._attempt(owner, found, lambda journal, lock: _finish(owner, journal, lock, _log.info))

    def put_back(self, identifier: str, why: str) -> str | None:
        """Bring back the old code, because the new one does not work. Return why that was not possible, or None."""
        found = journal.read(self._paths, identifier)
        if found is None:
            return "its journal is gone"
        words = _last_words(self._paths)
        found.tried, found.log = True, words
        reason = f"{why}; the log ends: {words[-1]}" if words else why

        def undo(fresh: Journal, lock: Locks) -> None:
            fresh.tried, fresh.log = True, words
            change.put_back(sources.of(fresh, self._paths, lock), fresh, _log.info, reason)

        _log.warning("%s is put back: %s", found.old_shown, reason)
        return self._attempt(self._paths, found, undo)

    def ended(self, identifier: str, outcome: str, detail: str) -> None:
        """End the update of an intent that is settled. Never raises; `finish_left_behind` ends what stays."""
        try:
            found = journal.read(self._paths, identifier)
            if found is None or found.in_flux:
                return
            _end(found, self._paths, outcome, detail)
            if found.outcome in {"restarted", "updated"}:
                after.refresh(self._paths, _log.info)
        except (HermesError, OSError) as error:
            _log.warning("the receipt of %s cannot be written: %s", identifier, error)

    def finish_left_behind(self) -> bool:
        """End every update that no pending intent belongs to. Return False if the code of one could not be made whole."""
        waiting = {intent.id for intent in self._paths.queue.unsettled()}
        whole = True
        for found in journal.under_way(self._paths):
            if found.intent in waiting:
                continue
            if found.in_flux:
                whole = self.recover(found.intent) is None and whole
            else:
                self._end_left(found)
        return whole

    def _end_left(self, found: Journal) -> None:
        with update_lock(self._paths, timeout=0.2) as lock:
            fresh = journal.read(self._paths, found.intent)
            if lock is None or fresh is None or fresh.in_flux:
                return
            settled = self._paths.queue.find(found.intent)
            self.ended(found.intent, settled.outcome if settled else "", settled.detail if settled else "")

    def _find(self, identifier: str) -> tuple[Paths, Journal | None]:
        """Return the journal of this intent, and its owner: another profile, if its update restarts this one too."""
        found = journal.read(self._paths, identifier)
        if found is not None:
            return self._paths, found
        for name in profiles(self._paths):
            owner = sibling(self._paths, name)
            for other in journal.under_way(owner):
                if [self._paths.profile, identifier] in other.others:
                    return owner, other
        return self._paths, None

    def _attempt(self, owner: Paths, found: Journal, act: Callable[[Journal, Locks], None]) -> str | None:
        """Act under the update lock, then renew, because the code was changed. Return why that was not possible, or None."""
        try:
            if not _act_alone(owner, found, act):
                return None
        except (HermesError, OSError) as error:
            _log.warning("the update of %s is left as it is: %s", found.intent, error)
            return str(error)
        except Exception as error:  # noqa: BLE001  logged; a driver has other intents to carry out
            _log.exception("the update of %s is left as it is", found.intent)
            return repr(error)
        self._renew()
        return None


def _act_alone(owner: Paths, found: Journal, act: Callable[[Journal, Locks], None]) -> bool:
    """Act once no other process updates. Return False if one has dealt with the journal meanwhile.

    Raises HermesError, OSError.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with update_lock(owner, timeout=1.0) as lock:
            fresh = journal.read(owner, found.intent)
            if fresh is None or (fresh.step != found.step and not fresh.in_flux):
                return False
            if lock is not None:
                act(fresh, lock)
                return True
    raise HermesError("another update is under way")


def _finish(owner: Paths, found: Journal, lock: Locks, say: LineSink) -> None:
    try:
        source = sources.of(found, owner, lock)
    except sources.GoneError as error:
        found.end("left", str(error))
        say(f"{found.intent}: {error}")
        return
    change.finish(source, found, owner.profile, say)


def finish_all(paths: Paths, lock: Locks, say: LineSink) -> bool:
    """Make the code of every update whole that was cut off, of all profiles: they share the code.

    Return whether there was one.

    Raises HermesError, OSError.
    """
    changed = False
    for name in profiles(paths):
        owner = sibling(paths, name)
        for found in journal.under_way(owner):
            if found.in_flux:
                say(f"an update was cut off (intent {found.intent}): finishing or undoing it")
                _finish(owner, found, lock, say)
                changed = True
    return changed


def _end(found: Journal, paths: Paths, outcome: str, detail: str) -> None:
    """Make the journal a receipt. An update without an intent, or whose restart was cancelled, is `updated`."""
    with contextlib.suppress(HermesError):
        sources.of(found, paths, ()).end(found)
    if found.step == "undone":
        found.end("failed")
    elif outcome in {"restarted", "already-satisfied"}:
        found.end("restarted", detail)
    elif outcome == "failed":
        found.end("failed", detail)
    else:
        found.end("updated", f"the restart was {outcome}: {detail}" if outcome else "")


def _last_words(paths: Paths) -> list[str]:
    """Return the last lines of the gateway's log."""
    try:
        with open(paths.gateway_log, "rb", opener=durable.prompt_opener) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 16384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    # The embedded supervisor writes there, too, that a process has exited; that is known already.
    return [line[:500] for line in lines if line.strip() and " hermes.supervisor: " not in line][-_TAIL:]
