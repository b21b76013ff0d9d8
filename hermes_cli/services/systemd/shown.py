"""Parse what `systemctl show -p …` says about a unit, strictly: exact keys, and a missing key means unknown. Pure."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from hermes_cli.errors import EX_CONFIG, Advice, Problem
from hermes_cli.intents.service import Service
from hermes_cli.services import unmanaged
from hermes_cli.services.base import RestarterStatus
from hermes_cli.services.job.owner import Said
from hermes_cli.system.process import describe_exit

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "MainPID",
    "ExecMainCode",
    "ExecMainStatus",
    "NRestarts",
    "UnitFileState",
    "FragmentPath",
    "NeedDaemonReload",
    "Job",
    "ExecStart",
    "Environment",
)
_ENDED_BY_SIGNAL = {2, 3}  # CLD_KILLED, CLD_DUMPED of waitid(2); 1 is CLD_EXITED, 0 never ran
_REFUSED = range(200, 246)  # systemd's own codes for what it could not even execute, systemd.exec(5)
_UP = {"active", "reloading", "activating", "deactivating"}
_DOWN = {"inactive", "failed"}
_MEND = "hermes gateway install"
_ARGV = re.compile(r"argv\[\]=(.*?) ; ignore_errors=")


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit. The strings are systemd's own words; empty: it did not say."""

    name: str
    load: str = ""
    active: str = ""
    sub: str = ""
    result: str = ""
    pid: int | None = None
    exit_code: int | None = None  # of the process before; negative: ended by that signal
    restarts: int = 0  # by systemd itself, in a row
    enabled: str = ""
    fragment: str = ""
    stale: bool = False  # the file was changed and not loaded since
    queued: bool = False  # a start, stop or restart of it is on its way
    said: Said = field(default_factory=Said)  # of itself, as it is loaded

    @property
    def is_there(self) -> bool:
        """Say whether systemd could start it."""
        return self.load == "loaded"

    @property
    def is_awaiting_restart(self) -> bool:
        """Say whether systemd waits for RestartSec to start it again; meanwhile a plain `start` only queues."""
        return self.sub == "auto-restart"


def parse(text: str) -> dict[str, Unit]:
    """Return units by name, from the blocks that `show` prints."""
    found = [_unit(block) for block in text.split("\n\n")]
    return {unit.name: unit for unit in found if unit is not None}


def service_of(unit: Unit) -> Service:
    """Say whether the gateway's unit runs: running, stopped or unknown."""
    if unit.is_awaiting_restart:
        detail = f"{_ended(unit)}, systemd starts it again after its RestartSec"
        return Service("stopped", None, unit.exit_code, detail, scheduled=True)
    if unit.active in _UP and unit.pid is not None:
        return Service("running", unit.pid, detail="" if unit.active == "active" else unit.sub)
    if unit.queued and unit.active in {*_UP, *_DOWN}:
        return Service("running", detail=f"{unit.sub}, a job is queued")
    if unit.active in _UP:  # between two processes: before the first one, or the last has gone and the rest has not
        return Service("stopped" if unit.active == "deactivating" else "running", None, unit.exit_code, unit.sub)
    if unit.active in _DOWN:
        return Service("stopped", None, unit.exit_code, _why_down(unit))
    return Service("unknown", unit.pid, unit.exit_code, f"systemd says state {unit.active!r}")


def restarter_of(unit: Unit, watch: Unit) -> RestarterStatus:
    """Say whether the restarter can be started. That only its watch is off is found by `problems`."""
    if unit.load == "masked":
        return RestarterStatus("disabled", f"{unit.name} is masked")
    if not unit.is_there:
        return RestarterStatus("missing", f"systemd knows no {unit.name}")
    if unit.pid is not None:
        return RestarterStatus("running", f"{unit.name}, pid {unit.pid}")
    return RestarterStatus("loaded", f"{watch.name} is {watch.sub or 'not known'}")


def problems(unit: Unit, restarter: Unit, watch: Unit, service: Service, path: str) -> Iterator[Problem]:
    """Find what keeps the service from running, or its restarter from being started.

    `path` is where the service's unit should be.
    """
    if unit.load == "masked":
        yield Problem("service-disabled", f"{unit.name} is masked", _MEND)
    elif not unit.is_there:
        yield Problem("service-unloaded", f"{unit.name} is installed but not loaded ({unit.load})", _MEND)
    elif unit.fragment != path:
        yield Problem(
            "service-foreign", f"systemd has {unit.name} from {unit.fragment}", Advice(f"remove it, then {_MEND}")
        )
    elif unit.enabled == "disabled":
        yield Problem("service-disabled", f"{unit.name} does not start at login", "hermes gateway start")
    for one in (unit, restarter, watch):
        if one.stale:
            yield Problem("definition-stale", f"{one.name} was changed and not loaded since", _MEND)
    if restarter.is_there and watch.active != "active":
        why = watch.load if not watch.is_there else f"{watch.active}, {watch.result}"
        text = f"{watch.name} watches nothing ({why}): a restart relies on the poke of who asks for it"
        yield Problem("restarter-watch", text, _MEND)
    if unmanaged.is_outside(service):
        yield unmanaged.problem(service)


def _why_down(unit: Unit) -> str:
    if unit.load == "masked":
        return f"{unit.name} is masked"
    if unit.load == "not-found":
        return f"systemd knows no {unit.name}"
    if unit.load not in {"loaded", ""}:
        return f"{unit.name} does not load ({unit.load})"
    if unit.active == "inactive":
        return _ended(unit)
    if unit.exit_code == EX_CONFIG:
        return "configuration error: exited 78; see hermes gateway logs"
    if unit.restarts:
        return f"crash loop: {_ended(unit)}; see hermes gateway logs"
    return f"{_ended(unit)}; see hermes gateway logs"


def _ended(unit: Unit) -> str:
    if unit.exit_code is None:
        return f"systemd says {unit.active}" if unit.result in {"", "success"} else unit.result
    if unit.exit_code in _REFUSED:
        return f"exited {unit.exit_code}: systemd could not execute it"
    # systemd's own word is added where the exit code does not tell: it was not ready in time, or its heartbeat stopped.
    how = f" ({unit.result})" if unit.result in {"timeout", "watchdog", "oom-kill"} else ""
    return describe_exit(unit.exit_code) + how


def _unit(block: str) -> Unit | None:
    found = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    if not found.get("Id"):
        return None
    code = _number(found.get("ExecMainCode"))
    status = _number(found.get("ExecMainStatus"))
    ended = -status if status is not None and code in _ENDED_BY_SIGNAL else status
    return Unit(
        name=found["Id"],
        load=found.get("LoadState", ""),
        active=found.get("ActiveState", ""),
        sub=found.get("SubState", ""),
        result=found.get("Result", ""),
        pid=_number(found.get("MainPID")) or None,
        exit_code=ended if code else None,
        restarts=_number(found.get("NRestarts")) or 0,
        enabled=found.get("UnitFileState", ""),
        fragment=found.get("FragmentPath", ""),
        stale=found.get("NeedDaemonReload") == "yes",
        queued=bool(_number(found.get("Job"))),
        said=_said(found.get("ExecStart", ""), found.get("Environment", "")),
    )


def _said(start: str, environment: str) -> Said:
    """Return what a unit says of itself; systemd shows words that hold spaces without quotes, so they come apart."""
    argv = _ARGV.search(start)
    return Said(
        tuple(argv[1].split(" ")) if argv is not None else (),
        dict(word.split("=", 1) for word in words(environment) if "=" in word),
    )


def words(text: str) -> list[str]:
    """Return the words of a line in which quotes and backslashes mean what they mean to a shell."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and text.isascii() and len(text) < 11 else None
