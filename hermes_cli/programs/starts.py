"""starts.json: when the gateway was started, why, and how each run ended. The newest are kept; each fresh gateway adds itself.

Two files tell about the run before. gateway.json has its own word: how far it came, and its exit code if it left in order.
`state/ends` has what its manager was told: the signal that ended it, and starts that failed before they could say anything.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from hermes_cli.errors import EX_CONFIG
from hermes_cli.intents.instance import Instance, Marks
from hermes_cli.intents.request import boot_time, elapsed
from hermes_cli.paths import Paths
from hermes_cli.programs import description, ends, own
from hermes_cli.programs.description import Description
from hermes_cli.programs.ends import End
from hermes_cli.system import durable, process_table
from hermes_cli.system.process import describe_exit

KEPT = 100  # starts in the file; a crash loop every two seconds fills it in three minutes
SHORT = 60.0  # seconds; a run that lasted longer did not crash at its start
ASKED_FOR = (0, own.RESTART_EXIT_CODE)  # exit codes
NO_LOOP = (*ASKED_FOR, EX_CONFIG)  # after these, how often says nothing: an edit is what helps after 78
_TOLERANCE = 2.0  # seconds; how old a process is follows from whole seconds of the wall clock
_EARLY = 2.0  # seconds; systemd's note of an end has whole seconds
# first: nothing is known before it; started: somebody said start; asked: a restart; crash, boot: how the run before ended;
# manager: the service manager, or somebody by it
Why = Literal["first", "started", "asked", "crash", "boot", "manager"]
_WHYS: tuple[Why, ...] = ("first", "started", "asked", "crash", "boot", "manager")
_BEGINS_ANEW = ("first", "started", "boot")


class Run(NamedTuple):
    """One run of the gateway. Epoch seconds. `code`: its exit code, negative: ended by that signal; None: not known (yet).

    `boot`: the machine's boot; a run that the machine's own end ended did not crash. `why` it was started; `marks`: how far it came.
    `began`, `ended`: both moments in seconds since that boot, which no setting of the clock changes; None of an older release.
    """

    pid: int
    at: float
    boot: str | None = None
    ended_at: float | None = None
    code: int | None = None
    rebooted: bool = False
    why: Why | None = None
    marks: Marks | None = None
    began: float | None = None
    ended: float | None = None

    def document(self) -> dict[str, Any]:
        """Return what the journal keeps of it."""
        return {**self._asdict(), "marks": self.marks._asdict() if self.marks is not None else None}

    @property
    def crashed(self) -> bool:
        """Whether it ended although nobody had asked for it."""
        return self.ended_at is not None and not self.rebooted and self.code not in ASKED_FOR

    @property
    def was_short(self) -> bool:
        """Whether it ended soon after its start."""
        return self.ended_at is not None and self.lasted(self.ended_at) < SHORT

    def lasted(self, now: float) -> float:
        """Return how many seconds it ran, or has run until `now`, in epoch seconds."""
        if self.ended_at is None:
            return elapsed(self.at, self.boot, self.began, now)
        if self.began is not None and self.ended is not None:
            return max(0.0, self.ended - self.began)
        return max(0.0, self.ended_at - self.at)

    def ended_before(self, now: float) -> float:
        """Return how many seconds before `now`, in epoch seconds, it ended; 0 while it runs."""
        return 0.0 if self.ended_at is None else elapsed(self.ended_at, self.boot, self.ended, now)

    @property
    def end(self) -> str:
        """How it ended, in words."""
        if self.code is None:
            return "by the end of the machine" if self.rebooted else "killed, or crashed without a word"
        return describe_exit(self.code)


class Series(NamedTuple):
    """Starts in a row, since somebody started the gateway or the machine: the first was at `since` (epoch seconds)."""

    since: float
    starts: int


def read(paths: Paths, running: int | None = None) -> tuple[Run, ...]:
    """Return the recorded runs, oldest first; none of what cannot be read.

    `running`: the pid of the instance that runs. A last run that is another one has ended, though no successor said so.
    """
    return look(paths, running, description.read(paths.instance))[0]


def look(paths: Paths, running: int | None, described: Description | None) -> tuple[tuple[Run, ...], Series | None]:
    """Return the same, and the series of the last start; None where nothing is known. `described`: what gateway.json says."""
    document, known, runs = _look(paths, running, described)
    if known and known[-1].ended_at is None and runs[-1].crashed and runs[-1].code is None:
        # Nobody has said how it ended: the caller may have read gateway.json before it said so, or before it began.
        document, known, runs = _look(paths, running, description.read(paths.instance))
    return tuple(runs), _series(document, runs, len(known))


def _look(
    paths: Paths, running: int | None, described: Description | None
) -> tuple[dict[str, Any], list[Run], list[Run]]:
    """Return the file, the runs in it, and the same with the end of the last one if that has ended."""
    document = _document(paths)
    known = _runs(document)
    if not known or known[-1].pid == running or description.is_elsewhere(paths.instance, described):
        return document, known, known
    # In another pid namespace its pid names another process, or none.
    is_pid_ours = described is None or not described.is_elsewhere
    if is_pid_ours and _is_alive(known[-1]):
        return document, known, known
    now = Run(0, time.time(), process_table.boot_id(), began=boot_time())
    return document, known, _ended(known, own.described(described), now, ends.read(paths))


def _is_alive(run: Run) -> bool:
    """Say whether the process of a run is there still, and not another one with its pid."""
    if run.ended_at is not None or run.boot != process_table.boot_id():
        return False
    try:
        created = process_table.create_time(run.pid)
    except OSError:
        return False
    now = time.time()
    return created is not None and now - created >= run.lasted(now) - _TOLERANCE


def _series(document: dict[str, Any], runs: Sequence[Run], recorded: int) -> Series | None:
    if not runs:
        return None
    known = document.get("series")
    since, count = (known.get("since"), known.get("starts")) if isinstance(known, dict) else (None, None)
    since = durable.finite(since)
    if since is None or type(count) is not int:  # of an older release
        return Series(runs[0].at, len(runs))
    return Series(since, count + max(0, len(runs) - recorded))


def record(paths: Paths, pid: int, now: float) -> None:
    """Add the calling gateway, and the end of the one before it. Raises OSError.

    Must be called before gateway.json is replaced, which still describes the run before.
    """
    document = _document(paths)
    known = _runs(document)
    fresh = Run(pid, now, process_table.boot_id(), began=boot_time())
    runs = with_start(known, own.read(paths), fresh, ends.read(paths), _last_wish(paths))
    before = _series(document, known, len(known))
    if before is None or runs[-1].why in _BEGINS_ANEW:
        found = Series(now, 1)
    else:
        found = Series(before.since, before.starts + len(runs) - len(known))
    fresh_document = {"schema": 1, "starts": [run.document() for run in runs[-KEPT:]], "series": found._asdict()}
    durable.replace_volatile(path_of(paths), fresh_document)
    ends.forget(paths)


def complete(paths: Paths, code: int | None) -> None:
    """Note how the run before the present one ended, if nobody has said so; launchd tells it afterwards. Raises OSError."""
    document = _document(paths)
    runs = _runs(document)
    if code is not None and len(runs) > 1 and runs[-2].crashed and runs[-2].code is None:
        runs[-2] = runs[-2]._replace(code=code)
        durable.replace_volatile(path_of(paths), {**document, "starts": [run.document() for run in runs]})


def is_end_unknown(paths: Paths) -> bool:
    """Say whether nobody has said yet how the run before the present one ended."""
    runs = _runs(_document(paths))
    return len(runs) > 1 and runs[-2].crashed and runs[-2].code is None


def make_durable(paths: Paths) -> None:
    """Have what was recorded survive a power cut. Never raises; not in the way of a start."""
    with contextlib.suppress(OSError):
        durable.sync_file(path_of(paths))
        durable.sync_directory(os.path.dirname(path_of(paths)))


def with_start(
    runs: Sequence[Run],
    before: Instance | None,
    fresh: Run,
    ended: Iterable[End] = (),
    asked: float | None = None,
) -> tuple[Run, ...]:
    """Return the runs with a fresh one, and why it was started.

    The last one ended as `before` says of itself, else as its manager was told. `asked`: when somebody last said start, epoch seconds.
    """
    known = _ended(runs, before, fresh, ended)
    return (*known, fresh._replace(why=why(known[-1] if known else None, asked)))


def why(before: Run | None, asked: float | None) -> Why:
    """Return why the run after `before` was started. `asked`: for a start, perhaps while `before` ran already."""
    if before is None:
        return "first"
    if before.rebooted:
        return "boot"
    unheard = before.ended_at if before.crashed and before.ended_at is not None else before.at
    if asked is not None and asked >= unheard and before.code != own.RESTART_EXIT_CODE:
        return "started"
    if before.crashed:
        return "crash"
    return "asked" if before.code == own.RESTART_EXIT_CODE else "manager"


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


def last_ended(runs: Sequence[Run]) -> Run | None:
    """Return the run before the present one."""
    return next((run for run in reversed(runs) if run.ended_at is not None), None)


def last_crash(runs: Sequence[Run]) -> Run | None:
    """Return the run before the present one if it crashed, else None."""
    last = last_ended(runs)
    return last if last is not None and last.crashed else None


def path_of(paths: Paths) -> str:
    """Return the path of starts.json."""
    return f"{paths.state}/starts.json"


def _ended(
    runs: Sequence[Run],
    before: Instance | None,
    now: Run,
    told: Iterable[End] = (),
) -> list[Run]:
    """Return the runs, the last one ended, and after it the starts that ended before they could add themselves.

    `now`: a run that begins now.
    """
    known, left = list(runs), list(told)
    if known and known[-1].ended_at is None:
        last = known[-1]
        mine = next((end for end in left if _is_of(end, last)), None)
        left = left[left.index(mine) + 1 :] if mine is not None else left
        known[-1] = _with_end(last, before, mine, now)
    pids = {run.pid for run in known}
    after = known[-1].at if known else 0.0
    known += [
        Run(end.pid, end.at, now.boot, ended_at=end.at, code=end.code)
        for end in left
        if end.at >= after - _EARLY and (not end.pid or end.pid not in pids) and end.code not in ASKED_FOR
    ]
    return known


def _with_end(last: Run, before: Instance | None, mine: End | None, now: Run) -> Run:
    said = before if before is not None and before.identity.pid == last.pid else None
    code = said.exit_code if said is not None and said.state == "exited" else None
    code = mine.code if code is None and mine is not None else code
    is_same_boot = last.boot == now.boot
    ended_at, ended = (now.at, now.began) if said is None else (said.heartbeat, said.heartbeat_since_boot)
    if mine is not None and (said is None or said.state != "exited"):
        # Of the moment only the wall clock was noted; it came after the last sign of life, which has both.
        ended = None if said is None or ended is None else ended + max(0.0, mine.at - ended_at)
        ended_at = mine.at
    if is_same_boot and ended is not None and now.began is not None:
        ended = min(ended, now.began)
    return last._replace(
        ended_at=max(last.at, min(ended_at, now.at)),
        ended=ended if is_same_boot or said is not None else None,
        code=code,
        rebooted=code is None and not is_same_boot,
        marks=said.marks if said is not None else None,
    )


def _is_of(end: End, run: Run) -> bool:
    return end.pid == run.pid or (not end.pid and end.at >= run.at - _EARLY)


def _last_wish(paths: Paths) -> float | None:
    """Return when somebody last said that the gateway is to run."""
    found = durable.read_json(paths.desired) or {}
    return durable.finite(found.get("at")) if found.get("state") == "running" else None


def _document(paths: Paths) -> dict[str, Any]:
    return durable.read_json(path_of(paths)) or {}


def _runs(document: dict[str, Any]) -> list[Run]:
    found = document.get("starts")
    return [run for run in map(_run, found) if run is not None] if isinstance(found, list) else []


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
        next((one for one in _WHYS if one == found.get("why")), None),
        own.marks(found.get("marks")),
        durable.finite(found.get("began")),
        durable.finite(found.get("ended")),
    )
