"""A driver that begins while no update is under way: what finishes one or takes it back is not imported then.

If an update shows later, its code may have been changed already. The driver begins anew and imports that release's whole.
"""

from collections.abc import Callable

from hermes_cli.errors import HermesError
from hermes_cli.installation.revision import installed_revision
from hermes_cli.intents.facts import Trial
from hermes_cli.intents.protocols import NoUpdates
from hermes_cli.intents.request import UPDATE
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.system import durable


def is_any(paths: Paths) -> bool:
    """Say whether an update of any profile has a journal, or an intent that waits here."""
    if any(_has_journal(paths, name) for name in profiles(paths)):
        return True
    return any(intent.reason == UPDATE for intent in paths.queue.unsettled())


def _has_journal(paths: Paths, name: str) -> bool:
    try:
        return bool(durable.names_in(sibling(paths, name).updates_under_way))
    except HermesError:  # another profile's trouble holds up no restart of this one (rule 8)
        return False


class NoneUnderWay(NoUpdates):
    """The recovery of a driver to whom no update was known when it began; `renew` becomes one that knows."""

    def __init__(self, renew: Callable[[], object]) -> None:
        """Ask nothing yet."""
        self._renew = renew

    def installed(self) -> str | None:
        """Return the revision that a gateway on the installed code would show, or None if that cannot be told."""
        return installed_revision()

    def recover(self, identifier: str) -> str | None:
        """Begin anew: an update waits to be finished or undone."""
        self._renew()
        return super().recover(identifier)

    def change(self, identifier: str) -> Trial | None:
        """Begin anew: a change of code may be on trial."""
        self._renew()
        return super().change(identifier)

    def ended(self, identifier: str, outcome: str, detail: str) -> None:
        """Leave the journal to the next driver: an update that is under way has one started."""
        del identifier, outcome, detail
