"""What a decision may be; the driver carries it out. `rule` names the rule that decided, and is no part of equality."""

from dataclasses import dataclass, field
from typing import Literal

from hermes_cli.system.process import Identity

Outcome = Literal["restarted", "already-satisfied", "cancelled", "expired", "failed", "rejected"]


@dataclass(frozen=True, slots=True)
class Settle:
    """Give the intent its outcome."""

    outcome: Outcome
    detail: str
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again when anything changes, and at `until` (epoch seconds) whatever happens."""

    waiting_for: str
    until: float
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class LookAhead:
    """Find out whether another instance could start; the next look decides with the answer."""

    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Signal:
    """Ask this instance to drain and exit."""

    target: Identity
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Kill:
    """Send SIGKILL to this instance: every softer deadline has passed."""

    target: Identity
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Start:
    """Demand-start the service; after a changed definition, reload it."""

    reload: bool = False
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class PutBack:
    """Bring the old code back: an instance on the new one did not come, or did not stay."""

    why: str
    rule: str = field(default="", compare=False)


Step = Settle | Wait | LookAhead | Signal | Kill | Start | PutBack
