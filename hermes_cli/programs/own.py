"""Our own gateway as the program that is kept alive: gateway.json, its lock, the signal, the exit codes."""

import signal
from typing import Any

from hermes_cli.errors import EX_TEMPFAIL, ConfigError
from hermes_cli.installation import origin
from hermes_cli.intents import desired
from hermes_cli.intents.instance import STATES, Crashes, DrainState, Instance, Marks, State
from hermes_cli.paths import Paths
from hermes_cli.programs import description
from hermes_cli.programs.description import HANDLED_SIGNAL
from hermes_cli.system import durable, locks, process_table
from hermes_cli.system.process import Identity

RESTART_SIGNAL = signal.Signals[HANDLED_SIGNAL]
RESTART_EXIT_CODE = EX_TEMPFAIL  # after a drain that was asked for
REFUSAL_EXIT_CODE = ConfigError.exit_code  # another start would not help


class OwnGateway:
    """One profile's gateway, as a driver asks about it."""

    restart_signal = RESTART_SIGNAL

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def observe(self) -> Instance | None:
        """Return the instance that runs now, or None."""
        return read_alive(self._paths)

    def may_be(self, target: Identity) -> bool:
        """Say whether the gateway's lock is held and the named process runs, although gateway.json does not name it."""
        return locks.may_be_held(self._paths.gateway_lock) and target.is_alive()

    def desired(self) -> desired.Desired:
        """Return what the user wants. Raises OSError when that cannot be told."""
        return desired.read(self._paths.desired)

    def watched(self) -> tuple[str, ...]:
        """Return the directory in which gateway.json is replaced."""
        return (self._paths.state,)


def parse(document: dict[str, Any] | None) -> Instance | None:
    """Return an instance from JSON of any release; None when it names no process. Unknown fields are ignored."""
    return described(description.parse(document))


def read(paths: Paths) -> Instance | None:
    """Return the last instance that wrote gateway.json, alive or not."""
    return described(description.read(paths.instance))


def read_alive(paths: Paths) -> Instance | None:
    """Return the instance that runs now, or None."""
    return described(description.read_alive(paths.instance))


def write(paths: Paths, instance: Instance) -> None:
    """Replace gateway.json. Raises OSError."""
    where = {description.PLACE: paths.state, description.NAMESPACE: process_table.pid_namespace()}
    durable.replace_volatile(paths.instance, {**document(instance), **where})


def document(instance: Instance) -> dict[str, Any]:
    """Return an instance of ours as JSON."""
    drain = None
    if instance.drain is not None:
        drain = {"since": instance.drain.since, "deadline": instance.drain.deadline, "turns": instance.drain.turns}
    return {
        "schema": 1,
        **instance.identity.document(),
        "state": instance.state,
        "ready": instance.ready,
        "revision": instance.revision,
        "version": instance.version,
        "package": instance.package,
        "started_at": instance.started_at,
        "heartbeat": instance.heartbeat,
        "heartbeat_since_boot": instance.heartbeat_since_boot,
        "active_turns": instance.active_turns,
        "signals": [HANDLED_SIGNAL] if instance.handles_signal else [],
        "drain": drain,
        "exit_code": instance.exit_code,
        "crashes": {"update": instance.crashes.update, "count": instance.crashes.times} if instance.crashes else None,
        "marks": instance.marks._asdict() if instance.marks is not None else None,
        "before": instance.before._asdict() if instance.before is not None else None,
    }


def new(pid: int, revision: str | None, version: str, now: float) -> Instance:
    """Return the calling gateway, starting. `now` in epoch seconds."""
    identity = Identity(pid, process_table.create_time(pid), process_table.start_ticks(pid), process_table.boot_id())
    return Instance(
        identity,
        "starting",
        revision=revision,
        version=version,
        started_at=now,
        heartbeat=now,
        package=origin.package(),
    )


def described(found: description.Description | None) -> Instance | None:
    """Return the instance of a description; None for none."""
    if found is None:
        return None
    drain, crashes, code = (found.document.get(name) for name in ("drain", "crashes", "exit_code"))
    return Instance(
        identity=Identity(found.pid, found.create_time, found.start_ticks, found.boot_id),
        state=_state(found.state),
        revision=found.revision,
        version=found.text("version"),
        package=found.text("package"),
        started_at=_number(found.document.get("started_at")),
        heartbeat=_number(found.document.get("heartbeat")),
        heartbeat_since_boot=durable.finite(found.document.get("heartbeat_since_boot")),
        active_turns=_count(found.document.get("active_turns")),
        handles_signal=found.handles_signal,
        drain=DrainState(_number(drain.get("since")), _number(drain.get("deadline")), _count(drain.get("turns")))
        if isinstance(drain, dict)
        else None,
        exit_code=code if type(code) is int else None,
        crashes=Crashes(str(crashes.get("update")), _count(crashes.get("count")))
        if isinstance(crashes, dict)
        else None,
        marks=marks(found.document.get("marks")),
        before=marks(found.document.get("before")),
    )


def marks(found: Any) -> Marks | None:
    """Return what a gateway of 0.2.0 or later says of its phases; times that are no times count as not reached."""
    if not isinstance(found, dict):
        return None
    times = {name: max(0.0, _number(found.get(name))) for name in ("ready", "signalled", "draining", "exited")}
    return Marks(pid=_count(found.get("pid")), turns=_count(found.get("turns")), **times)


def _state(text: str | None) -> State:
    return next((state for state in STATES if state == text), "starting")


def _number(value: Any) -> float:
    return durable.finite(value) or 0.0


def _count(value: Any) -> int:
    return int(min(max(_number(value), 0.0), 1e9))
