"""What a driver is handed: the program that is kept alive, its service manager, and the updater's code."""

import signal
from collections.abc import Sequence
from typing import Protocol

from hermes_cli.intents.desired import Desired
from hermes_cli.intents.facts import Trial
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.record import Intent
from hermes_cli.intents.service import Service
from hermes_cli.system.process import Identity


class Program(Protocol):
    """What is kept alive, as the driver asks about it."""

    restart_signal: signal.Signals  # has an instance drain and exit

    def observe(self) -> Instance | None:
        """Return the instance that runs, or None."""

    def may_be(self, target: Identity) -> bool:
        """Say whether that process runs and may still be the program, although `observe` does not show it."""

    def desired(self) -> Desired:
        """Return what the user wants. Raises OSError when that cannot be told: a start must not be built on it."""

    def watched(self) -> tuple[str, ...]:
        """Return the directories whose changes are a reason to look again."""


class Manager(Protocol):
    """What the driver asks of a service manager; each call is bounded and raises ReportedError at worst."""

    def observe(self) -> Service:
        """Say whether the service runs."""

    def obstacle(self) -> str | None:
        """Return why another instance would not start, with the mend; None if it would, or if that cannot be told.

        Raises NotNowError where it would once somebody has gone on.
        """

    def demand_start(self) -> None:
        """Start the service if it does not run; a running one is left alone."""

    def reload(self) -> None:
        """Load a changed definition and start it."""


class Recovery(Protocol):
    """What the driver asks of the updater's code about an update whose updater is gone.

    OSError: that cannot be told now. The driver ends, and the next one asks again.
    """

    def installed(self) -> str | None:
        """Return the revision on disk; None when it cannot be told."""

    def recover(self, identifier: str) -> str | None:
        """Finish or undo a half-made change. Return why that was not possible, or None."""

    def change(self, identifier: str) -> Trial | None:
        """Return the change of code that this intent's restart has to prove; None when there is none."""

    def put_back(self, identifier: str, why: str) -> str | None:
        """Bring the old code back. Return why that was not possible, or None."""

    def ended(self, identifier: str, outcome: str, detail: str) -> None:
        """Take note that an update's intent is settled. Never raises."""


class Hooks(Protocol):
    """The commands that a driver runs before it takes an instance down; none of them ends or fails a restart."""

    @property
    def limit(self) -> float:
        """Seconds that `before` takes at most."""

    def is_due(self, intents: Sequence[Intent]) -> bool:
        """Say whether a command is still to run for these intents, which the same step serves."""

    def before(self, intents: Sequence[Intent]) -> None:
        """Run it. Never raises; afterwards it is not due any more."""

    def failure(self, intent: Intent) -> str | None:
        """Return what went wrong, for the outcome, or None. Never raises."""


class NoUpdates:
    """The recovery of a program that nobody updates."""

    def installed(self) -> str | None:
        """Return None: no revision is known."""
        return None

    def recover(self, identifier: str) -> str | None:
        """Return None: there is nothing to recover."""
        del identifier
        return None

    def change(self, identifier: str) -> Trial | None:
        """Return None: no code is on trial."""
        del identifier
        return None

    def put_back(self, identifier: str, why: str) -> str | None:
        """Return None: `decide` puts back only what is on trial."""
        del identifier, why
        return None

    def ended(self, identifier: str, outcome: str, detail: str) -> None:
        """Take no note."""
