"""One run of the gateway as others see it: gateway.json, checked against the kernel.

This is the one place where an instance is observed. The gateway replaces the file itself; the file is only believed
while the process that it names is alive.
"""

from dataclasses import dataclass
from typing import Any, Literal

from hermes_cli.paths import Paths
from hermes_cli.system import durable, process_table
from hermes_cli.system.process import Identity

State = Literal["starting", "ready", "draining", "exited"]
STATES: tuple[State, ...] = ("starting", "ready", "draining", "exited")
HANDLED_SIGNAL = "SIGUSR1"


@dataclass(frozen=True, slots=True)
class Drain:
    """A drain under way: epoch seconds, and how many turns it waits for."""

    since: float
    deadline: float
    turns: int = 0


@dataclass(frozen=True, slots=True)
class Crashes:
    """How many gateways have ended by themselves since the update with this id."""

    update: str
    count: int


@dataclass(frozen=True, slots=True)
class Instance:
    """What gateway.json says. `signals` names what the process has said it handles (rule 5)."""

    identity: Identity
    state: State
    revision: str | None = None
    version: str | None = None
    started_at: float = 0.0
    heartbeat: float = 0.0
    active_turns: int = 0
    signals: tuple[str, ...] = ()
    drain: Drain | None = None
    exit_code: int | None = None
    crashes: Crashes | None = None  # of those before it

    @property
    def ready(self) -> bool:
        """Whether its channels accept messages."""
        return self.state == "ready"

    @property
    def handles_signal(self) -> bool:
        """Whether SIGUSR1 would be handled; before that it would kill the process."""
        return HANDLED_SIGNAL in self.signals

    def document(self) -> dict[str, Any]:
        """As JSON."""
        drain = None
        if self.drain is not None:
            drain = {"since": self.drain.since, "deadline": self.drain.deadline, "turns": self.drain.turns}
        return {
            "schema": 1,
            **self.identity.document(),
            "state": self.state,
            "ready": self.ready,
            "revision": self.revision,
            "version": self.version,
            "started_at": self.started_at,
            "heartbeat": self.heartbeat,
            "active_turns": self.active_turns,
            "signals": list(self.signals),
            "drain": drain,
            "exit_code": self.exit_code,
            "crashes": {"update": self.crashes.update, "count": self.crashes.count} if self.crashes else None,
        }


def parse(document: dict[str, Any] | None) -> Instance | None:
    """An instance from JSON of any release; None when it names no process. Unknown fields are ignored."""
    identity = Identity.parse(document)
    if document is None or identity is None:
        return None
    state = document.get("state")
    drain = document.get("drain")
    revision, version, code = document.get("revision"), document.get("version"), document.get("exit_code")
    signals, crashes = document.get("signals"), document.get("crashes")
    return Instance(
        identity=identity,
        state=state if state in STATES else "starting",
        revision=revision if isinstance(revision, str) else None,
        version=version if isinstance(version, str) else None,
        started_at=_number(document.get("started_at")),
        heartbeat=_number(document.get("heartbeat")),
        active_turns=_count(document.get("active_turns")),
        signals=tuple(str(name) for name in signals) if isinstance(signals, list) else (),
        drain=Drain(_number(drain.get("since")), _number(drain.get("deadline")), _count(drain.get("turns")))
        if isinstance(drain, dict)
        else None,
        exit_code=code if type(code) is int else None,
        crashes=Crashes(str(crashes.get("update")), _count(crashes.get("count")))
        if isinstance(crashes, dict)
        else None,
    )


def read(paths: Paths) -> Instance | None:
    """The last instance that wrote gateway.json, alive or not."""
    return parse(durable.read_json(paths.instance))


def read_alive(paths: Paths) -> Instance | None:
    """The instance that runs now, or None."""
    found = read(paths)
    return found if found is not None and found.identity.is_alive() else None


def write(paths: Paths, instance: Instance) -> None:
    """Replace gateway.json. Raises OSError."""
    durable.replace_volatile(paths.instance, instance.document())


def new(pid: int, revision: str | None, version: str, now: float) -> Instance:
    """The calling gateway, starting. `now` in epoch seconds."""
    identity = Identity(pid, process_table.create_time(pid), process_table.start_ticks(pid), process_table.boot_id())
    return Instance(identity, "starting", revision=revision, version=version, started_at=now, heartbeat=now)


def _number(value: Any) -> float:
    return durable.finite(value) or 0.0


def _count(value: Any) -> int:
    return int(min(max(_number(value), 0.0), 1e9))
