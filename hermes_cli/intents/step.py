"""What a decision may be; the driver carries it out. `rule` names the rule that decided, and is no part of equality.

Plain classes: a driver defines them at each start, and dataclasses would cost it a tenth of a whole restart.
"""

from typing import Literal, Self

from hermes_cli.system.process import Identity

Outcome = Literal["restarted", "already-satisfied", "cancelled", "expired", "failed", "rejected"]


class _Compared:
    """Steps are equal if they are of one kind and ask for the same."""

    __slots__ = ("rule",)
    __match_args__: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.rule = ""

    def by(self, rule: str) -> Self:
        """Name the rule that has decided so. Return this step."""
        self.rule = rule
        return self

    def _asked(self) -> tuple[object, ...]:
        return (type(self), *(getattr(self, name) for name in self.__match_args__))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Compared) and self._asked() == other._asked()

    def __hash__(self) -> int:
        return hash(self._asked())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in (*self.__match_args__, "rule"))
        return f"{type(self).__name__}({shown})"


class Settle(_Compared):
    """Give the intent its outcome."""

    __slots__ = __match_args__ = ("outcome", "detail")

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__()
        self.outcome, self.detail = outcome, detail


class Wait(_Compared):
    """Look again when anything changes, and at `until` (epoch seconds) whatever happens."""

    __slots__ = __match_args__ = ("waiting_for", "until")

    def __init__(self, waiting_for: str, until: float) -> None:
        super().__init__()
        self.waiting_for, self.until = waiting_for, until


class LookAhead(_Compared):
    """Find out whether another instance could start; the next look decides with the answer."""

    __slots__ = ()


class Signal(_Compared):
    """Ask this instance to drain and exit."""

    __slots__ = __match_args__ = ("target",)

    def __init__(self, target: Identity) -> None:
        super().__init__()
        self.target = target


class Kill(_Compared):
    """Send SIGKILL to this instance: every softer deadline has passed."""

    __slots__ = __match_args__ = ("target",)

    def __init__(self, target: Identity) -> None:
        super().__init__()
        self.target = target


class Start(_Compared):
    """Demand-start the service; after a changed definition, reload it."""

    __slots__ = __match_args__ = ("reload",)

    def __init__(self, *, reload: bool = False) -> None:
        super().__init__()
        self.reload = reload


class PutBack(_Compared):
    """Bring the old code back: an instance on the new one did not come, or did not stay."""

    __slots__ = __match_args__ = ("why",)

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


Step = Settle | Wait | LookAhead | Signal | Kill | Start | PutBack
