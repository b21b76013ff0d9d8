"""starts.json: when the gateway was started, and how each run ended. The newest are kept; each fresh gateway adds itself.

The end of a run is known to its successor only: gateway.json says the exit code of who left in order, and nothing of who
was killed or crashed. A gateway that fails before it holds its lock leaves no line; its service manager has its exit code.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import durable, process_table

KEPT = 100  # starts in the file; a crash loop every two seconds fills it in three minutes
SHORT = 60.0  # seconds; a run that lasted longer did not crash at its start
_ASKED_FOR = (0, own.RESTART_EXIT_CODE)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the gateway. Epoch seconds. `code`: its exit code; None while it runs, and of who said nothing.

    `boot`: the machine's boot; a run that the machine's own end ended did not crash.
    """

    pid: int
    at: float
    boot: str | None = None
    ended_at: float | None = None
    code: int | None = None
    rebooted: bool = False

    @property
    def crashed(self) -> bool:
        """Whether it ended although nobody had asked for it."""
        return self.ended_at is not None and not self.rebooted and self.code not in _ASKED_FOR

    @property
    def was_short(self) -> bool:
        """Whether it ended soon after its start."""
        return self.ended_at is not None and self.ended_at - self.at < SHORT

    @property
    def end(self) -> str:
        """How it ended, in words."""
        return "killed, or crashed without a word" if self.code is None else f"exited {self.code}"


def read(paths: Paths, running: int | None = None) -> tuple[Run, ...]:
    """Return the recorded runs, oldest first; none of what cannot be read.

    `running`: the pid of the instance that runs. A last run that is another one has ended, though no successor said so.
    """
    found = (durable.read_json(_path(paths)) or {}).get("starts")
    runs = [run for run in map(_run, found) if run is not None] if isinstance(found, list) else []
    if runs and runs[-1].pid != running:
        runs = _ended(runs, own.read(paths), process_table.boot_id(), time.time())
    return tuple(runs)


def record(paths: Paths, pid: int, now: float) -> None:
    """Add the calling gateway, and the end of the one before it. Raises OSError.

    Must be called before gateway.json is replaced, which still describes the run before.
    """
    runs = with_start(read(paths, pid), own.read(paths), Run(pid, now, process_table.boot_id()))
    durable.replace_volatile(_path(paths), {"schema": 1, "starts": [asdict(run) for run in runs]})


def with_start(runs: Sequence[Run], before: own.GatewayInstance | None, fresh: Run) -> tuple[Run, ...]:
    """Return the runs with a fresh one, the last one ended as `before` says of itself."""
    return (*_ended(runs, before, fresh.boot, fresh.at), fresh)[-KEPT:]


def crashes_in_a_row(runs: Sequence[Run]) -> int:
    """Return how many runs before the present one crashed soon after their start, one after the other."""
    count = 0
    for run in reversed(runs):
        if run.ended_at is None:
            continue
        if not (run.crashed and run.was_short):
            break
        count += 1
    return count


def last_crash(runs: Sequence[Run]) -> Run | None:
    """Return the run before the present one if it crashed, else None."""
    ended = [run for run in runs if run.ended_at is not None]
    return ended[-1] if ended and ended[-1].crashed else None


def _ended(runs: Sequence[Run], before: own.GatewayInstance | None, boot: str | None, now: float) -> list[Run]:
    known = list(runs)
    if not known or known[-1].ended_at is not None:
        return known
    last = known[-1]
    if before is None or before.identity.pid != last.pid:  # it says nothing of this run
        known[-1] = replace(last, ended_at=now, rebooted=last.boot != boot)
        return known
    code = before.exit_code if before.state == "exited" else None
    known[-1] = replace(
        last,
        ended_at=max(last.at, min(before.heartbeat, now)),
        code=code,
        rebooted=code is None and last.boot != boot,
    )
    return known


def _run(found: Any) -> Run | None:
    if not isinstance(found, dict) or type(found.get("pid")) is not int:
        return None
    at, ended_at = durable.finite(found.get("at")), durable.finite(found.get("ended_at"))
    boot, code = found.get("boot"), found.get("code")
    if at is None:
        return None
    return Run(
        found["pid"],
        at,
        boot if isinstance(boot, str) else None,
        ended_at,
        code if type(code) is int else None,
        found.get("rebooted") is True,
    )


def _path(paths: Paths) -> str:
    return f"{paths.state}/starts.json"
