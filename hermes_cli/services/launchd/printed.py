"""Parse what `launchctl` prints about a label, strictly: exact keys, nothing guessed from a part of a line. Pure.

`launchctl print` is not an API (its man page says so), so only the needed keys are read, from the outermost block, and
a missing key means unknown. Nested blocks have a `state =` of their own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hermes_cli.errors import Problem
from hermes_cli.intents.service import Service
from hermes_cli.services import unmanaged
from hermes_cli.services.base import RestarterStatus
from hermes_cli.services.job.owner import Said
from hermes_cli.system.process import describe_exit

_MEND = "hermes gateway install"
_FIELD = re.compile(r"\t([a-z][a-z ]*) = (.*)")
_BLOCK = re.compile(r"\t([a-z][a-z ]*) = \{")
_NUMBER = re.compile(r"[0-9]{1,9}")
_EXIT = re.compile(r"(-?[0-9]{1,9})(?:: .*)?")
_SIGNAL = re.compile(r".*: ([0-9]{1,3})")
_DISABLED = re.compile(r'\s*"([^"]+)" => (?:disabled|true)')
_STOPPED = {"not running", "waiting", "exited"}
_ENDING = {"SIGTERMed", "SIGKILLed"}
_RUNNING = {"running", "spawning", "xpcproxy", *_ENDING}


@dataclass(frozen=True, slots=True)
class Job:
    """A loaded job as `print DOMAIN/LABEL` shows it. None: it does not say."""

    state: str | None = None
    pid: int | None = None
    runs: int | None = None
    exit_code: int | None = None  # of the previous run; negative: ended by that signal
    pended: str | None = None  # why a start of launchd's own is held back: speculative, inefficient, semaphore
    interval: int | None = None  # seconds, ThrottleInterval as it was loaded
    said: Said = field(default_factory=Said)  # of itself, as it was loaded

    @property
    def is_ending(self) -> bool:
        """Say whether launchd is stopping the job: to start it again, or to remove it."""
        return self.state in _ENDING

    @property
    def service(self) -> Service:
        """Say whether the service runs: running, stopped or unknown."""
        if self.state in _RUNNING:
            return Service("running", self.pid, self.exit_code, "" if self.state == "running" else str(self.state))
        if self.state == "spawn scheduled":
            detail = f"{self._last()}, launchd starts it again within {self.interval or 10} s"
            return Service("stopped", None, self.exit_code, detail, scheduled=True)
        if self.state in _STOPPED:
            held = f", launchd holds its start back ({self.pended})" if self.pended else ""
            return Service("stopped", None, self.exit_code, f"{self._last()}{held}")
        return Service("unknown", self.pid, self.exit_code, f"launchd says state {self.state!r}")

    def _last(self) -> str:
        if self.exit_code is None:
            return "never ran" if not self.runs else "exited"
        return describe_exit(self.exit_code)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a label is. `job` None: not loaded in `domain`, which exists, or in no domain when that is None."""

    label: str
    domain: str | None
    job: Job | None
    known: bool = True
    foreign: Problem | None = None  # whose it is, if the job, or the definition of that name, is somebody else's

    def without(self, foreign: Problem) -> "Location":
        """Return the place as one where nothing of ours is loaded."""
        return replace(self, job=None, foreign=foreign)

    @property
    def service(self) -> Service:
        """Say whether the service runs: running, stopped or unknown."""
        if not self.known:
            return Service("unknown", detail="launchd does not answer")
        if self.foreign is not None:
            return Service("stopped", detail=f"{self.label} is somebody else's")
        return Service("stopped", detail=f"{self.label} is not loaded") if self.job is None else self.job.service


def restarter_at(place: Location, *, is_disabled: bool) -> RestarterStatus:
    """Return the restarter's state; where it is not loaded, somebody may have switched it off."""
    if place.job is not None:
        state = place.job.service.state
        return RestarterStatus("loaded" if state == "stopped" else state, f"{place.label} in {place.domain}")
    if not place.known:
        return RestarterStatus("unknown", place.service.detail)
    if is_disabled and place.foreign is None:
        return RestarterStatus("disabled", f"{place.label} is switched off in {place.domain}")
    return RestarterStatus("missing", place.service.detail)


def problems(
    place: Location, service: Service, *, is_disabled: bool, is_defined: bool, refused: list[str]
) -> Iterator[Problem]:
    """Find what keeps the service at `place` from running. `refused` are definitions that launchd will not load."""
    if place.job is not None and place.job.pended is not None:
        text = f"launchd holds back its own starts in {place.domain} ({place.job.pended}); a demand start is admitted"
        yield Problem("start-held-back", text, "hermes gateway start")
    if place.foreign is not None:
        yield place.foreign
        return
    if unmanaged.is_outside(service):
        yield unmanaged.problem(service)
    for path in refused:
        yield Problem("definition-refused", f"launchd refuses {path}: it is not yours alone to write", _MEND)
    if place.job is not None or not place.known:
        return
    if is_disabled:
        yield Problem("service-disabled", f"{place.label} is switched off in {place.domain}", _MEND)
    elif is_defined:
        yield Problem("service-unloaded", f"the definition is there but {place.label} is not loaded", _MEND)


def parse_print(text: str) -> Job:
    """Read the outermost block of `launchctl print DOMAIN/LABEL`; the first of equal keys counts."""
    found: dict[str, str] = {}
    blocks: dict[str, tuple[str, ...]] = {}  # those that are whole
    depth = 0
    name, block = "", list[str]()
    for line in text.splitlines():
        stripped = line.strip()
        if depth == 2 and stripped != "}":
            block.append(line.removeprefix("\t\t"))
        if depth == 2 and stripped == "}":
            blocks.setdefault(name, tuple(block))
        if depth == 1 and (begin := _BLOCK.fullmatch(line)):
            name, block = begin[1], []
        if depth == 1 and (entry := _FIELD.fullmatch(line)) and not stripped.endswith("{"):
            found.setdefault(entry[1], entry[2])
        if stripped.endswith("{"):
            depth += 1
        elif stripped == "}":
            depth -= 1
    return Job(
        state=found.get("state"),
        pid=_number(found.get("pid")),
        runs=_number(found.get("runs")),
        exit_code=_exit_code(found),
        pended=found.get("pended nondemand spawn"),
        interval=_number(found.get("minimum runtime")),
        said=_said(blocks, found.get("stdout path", "")),
    )


def _said(blocks: dict[str, tuple[str, ...]], log: str) -> Said:
    """Return what a job says of itself; nothing where a part of it is missing."""
    argv, variables = blocks.get("arguments"), blocks.get("environment")
    if argv is None or variables is None:
        return Said()
    return Said(argv, dict(line.split(" => ", 1) for line in variables if " => " in line), log)


def parse_disabled(text: str) -> frozenset[str]:
    """Read `launchctl print-disabled DOMAIN`."""
    return frozenset(found[1] for line in text.splitlines() if (found := _DISABLED.fullmatch(line)))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def _exit_code(found: dict[str, str]) -> int | None:
    if (ended := _SIGNAL.fullmatch(found.get("last terminating signal", ""))) is not None:
        return -int(ended[1])
    if (ended := _EXIT.fullmatch(found.get("last exit code", ""))) is not None:
        return int(ended[1])
    return None
