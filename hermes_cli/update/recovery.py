"""Finish or undo what a dead updater left: the code is wholly old or wholly new afterwards, and the journal gone.

Old when it never got further, when it was cut off inside git, or when the new code does not start; else new.
"""

import logging
import os
import time

from hermes_cli.errors import HermesError
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.revision import installed_revision
from hermes_cli.update import change, git, journal
from hermes_cli.update.change import Say
from hermes_cli.update.exclusive import descriptor, update_lock
from hermes_cli.update.git import Checkout
from hermes_cli.update.journal import Journal

_log = logging.getLogger("hermes.update")
# Seconds for another updater, which begins by recovering this very update, or for a dead one's last git command.
_PATIENCE = 60.0


class GitRecovery:
    """What a driver asks about an update whose updater is gone."""

    def __init__(self, paths: Paths) -> None:
        """Nothing is looked at yet."""
        self._paths = paths

    def installed(self) -> str | None:
        """What is installed, in the form in which a gateway describes itself; None when that cannot be told."""
        return installed_revision()

    def recover(self, identifier: str) -> str | None:
        """Finish or undo the update of this intent; why the code could not be made whole, or None. Never raises."""
        try:
            self._recover(identifier)
        except (HermesError, OSError) as error:
            _log.warning("the update of %s is left as it is: %s", identifier, error)
            return str(error)
        except Exception as error:  # noqa: BLE001  logged; a driver has other intents to carry out
            _log.exception("the update of %s is left as it is", identifier)
            return repr(error)
        return None

    def _recover(self, identifier: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while journal.read(self._paths, identifier) is not None:
            with update_lock(self._paths, timeout=1.0) as lock:
                if lock is not None:
                    found = journal.read(self._paths, identifier)
                    if found is not None:
                        finish(git.find((descriptor(lock),)), found, self._paths.profile, _log.info)
                    return
            if time.monotonic() >= deadline:
                raise HermesError("another update is under way")


def finish(checkout: Checkout, found: Journal, profile: str, say: Say) -> None:
    """Make the code of one cut-off update whole. The caller holds the update lock. Raises HermesError, OSError."""
    if found.root != checkout.root:
        if os.path.isdir(found.root):
            say(f"{found.intent} is an update of another checkout, {found.root}: left to the hermes that runs there")
            return
        found.remove()
        return
    head = checkout.head()
    if head not in {found.old, found.new}:
        say(f"{found.intent}: {checkout.root} has moved on since, nothing is undone")
        found.remove()
        return
    change.remove_stale_locks(checkout)
    if found.step == "begun" and head == found.new and not checkout.changed_files():
        try:
            change.complete(checkout, found, profile, say)
        except HermesError as error:
            say(f"{found.intent}: {error}")
        else:
            say(f"{found.intent}: the update to {checkout.short(found.new)} was complete")
            found.remove()
            return
    change.put_back(checkout, found, say)
    found.remove()
    say(f"{found.intent}: {checkout.short(found.old)} is in place")


def finish_all(checkout: Checkout, paths: Paths, say: Say) -> None:
    """Make every cut-off update whole, of whatever profile: they share the code. Raises HermesError, OSError."""
    for name in profiles(paths):
        owner = sibling(paths, name)
        for found in journal.left_behind(owner):
            say(f"an update was cut off (intent {found.intent}): finishing or undoing it")
            finish(checkout, found, owner.profile, say)
