"""What a decision may be; the driver carries it out."""

from dataclasses import dataclass

from hermes_cli.intents.queue import Outcome
from hermes_cli.system.process import Identity


@dataclass(frozen=True, slots=True)
class Settle:
    """The intent has its end."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again when anything changes, and at `until` (epoch seconds) whatever happens."""

    waiting_for: str
    until: float


@dataclass(frozen=True, slots=True)
class Signal:
    """Send SIGUSR1 to this instance."""

    target: Identity


@dataclass(frozen=True, slots=True)
class Kill:
    """Send SIGKILL to this instance: every softer deadline has passed."""

    target: Identity


@dataclass(frozen=True, slots=True)
class Start:
    """Demand-start the service; after a changed definition, reload it."""

    reload: bool = False


@dataclass(frozen=True, slots=True)
class PutBack:
    """Bring the old code back: a gateway on the new one did not come, or did not stay."""

    why: str


Step = Settle | Wait | Signal | Kill | Start | PutBack
