"""`launchctl`, called and read strictly: bounded calls, exact keys, nothing guessed from a part of a line.

`launchctl print` is not an API (its man page says so), so only what is needed is read, from the outermost block, and
what is missing is unknown. Nested blocks hold a `state =` of their own.
"""

import re
from dataclasses import dataclass

from hermes_cli.errors import HermesError
from hermes_cli.service import Service
from hermes_cli.services.call import Answer, call

TIMEOUT = 10.0  # seconds for a call that changes something; `kickstart` was seen to block for minutes
LOOK = 4.0  # seconds for one that only asks

# launchctl's exit status is the error's number (xpc/launchd's errors, `launchctl error N`).
NO_SUCH_PROCESS = 3
EIO = 5
IN_PROGRESS = (36, 37)
NO_DOMAIN = 112
NO_SERVICE = 113
TEARING_DOWN = 124
NO_SUCH_ACTION = 125  # what a domain that is not there answers to bootstrap and kickstart

_FIELD = re.compile(r"\t([a-z][a-z ]*) = (.*)")
_NUMBER = re.compile(r"[0-9]{1,9}")
_EXIT = re.compile(r"(-?[0-9]{1,9})(?:: .*)?")
_SIGNAL = re.compile(r".*: ([0-9]{1,3})")
_DISABLED = re.compile(r'\s*"([^"]+)" => (?:disabled|true)')
_STOPPED = {"not running", "waiting", "exited"}
_ENDING = {"SIGTERMed", "SIGKILLed"}
_RUNNING = {"running", "spawning", "xpcproxy", *_ENDING}


@dataclass(frozen=True, slots=True)
class Job:
    """What `print DOMAIN/LABEL` says of a loaded job. None: it does not say."""

    state: str | None = None
    pid: int | None = None
    runs: int | None = None
    exit_code: int | None = None  # of the previous run; negative: ended by that signal
    pended: str | None = None  # why a start of launchd's own is held back: speculative, inefficient, semaphore
    interval: int | None = None  # seconds, ThrottleInterval as it was loaded

    @property
    def is_ending(self) -> bool:
        """Whether launchd is stopping it: to start it again, or to remove it."""
        return self.state in _ENDING

    @property
    def service(self) -> Service:
        """In three values."""
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
        return f"killed by signal {-self.exit_code}" if self.exit_code < 0 else f"exited {self.exit_code}"


class Launchctl:
    """The client. Raises HermesError when there is none."""

    def __init__(self, program: str) -> None:
        """`program` as it is to be called."""
        self._program = program

    def __call__(self, *arguments: str, timeout: float = TIMEOUT) -> Answer:
        """One bounded call."""
        try:
            return call([self._program, *arguments], timeout)
        except OSError as error:
            raise HermesError(f"{self._program} cannot be run ({error.strerror}): mend PATH and repeat") from None

    def look(self, target: str) -> Job | int | None:
        """The job at DOMAIN/LABEL; else NO_SERVICE or NO_DOMAIN; None when that cannot be told."""
        answer = self("print", target, timeout=LOOK)
        if answer.ok:
            return parse_print(answer.out)
        return answer.code if answer.code in {NO_SERVICE, NO_DOMAIN} else None

    def disabled(self, domain: str) -> frozenset[str]:
        """Labels that a person, or Login Items, has switched off in `domain`; `print` of a label does not show it."""
        answer = self("print-disabled", domain, timeout=LOOK)
        return parse_disabled(answer.out) if answer.ok else frozenset()


def parse_print(text: str) -> Job:
    """Read the outermost block of `launchctl print DOMAIN/LABEL`; the first of equal keys counts."""
    found: dict[str, str] = {}
    depth = 0
    for line in text.splitlines():
        stripped = line.strip()
        if depth == 1 and (field := _FIELD.fullmatch(line)) and not stripped.endswith("{"):
            found.setdefault(field[1], field[2])
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
    )


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
