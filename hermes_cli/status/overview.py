"""Every profile at a glance: the same look as `status` takes, at all of them at once, and a row for each."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from hermes_cli.errors import CannotTellError, HermesError, NotInstalledError, Problem
from hermes_cli.installation import origin
from hermes_cli.intents.request import timestamp
from hermes_cli.paths import DEFAULT_PROFILE, Paths, profiles, sibling
from hermes_cli.services import choose
from hermes_cli.services.base import ServiceManager
from hermes_cli.status.document import document, problem_document, restarts_of
from hermes_cli.status.gather import Kind, Status, gather
from hermes_cli.status.problems import problems
from hermes_cli.system import threads

_AT_ONCE = 8  # looks; a supervisor that does not answer must not hold up the others
_LONG = 0.1  # seconds
_GRAVITY = (  # the worst first; what is not named here comes after
    "unreadable",
    "unknown",
    "unusable",  # these two before what they are the cause of
    "config",
    "crash-loop",
    "down",
    "service-unloaded",
    "service-foreign",
    "service-disabled",
    "last-restart-failed",
    "silent",
    "restarter-missing",
    "restarter-disabled",
    "skew",
)


class Row(NamedTuple):
    """One profile. `since`: epoch seconds at which its process began, or the last one ended; None: not known."""

    profile: str
    kind: Kind
    state: str
    manager: str
    exit_code: int
    since: float | None = None
    restarts: int | None = None
    revision: str | None = None
    is_skewed: bool = False
    pending: int = 0
    waiting_for: str | None = None
    worst: Problem | None = None
    problems: int = 0
    status: Status | None = None  # None: it could not be looked at


Seen = tuple[Paths, ServiceManager] | Row  # a profile to look at, or the row of one that cannot be looked at


def overview(paths: Paths, installed_revision: Callable[[], str | None]) -> list[Row]:
    """Look at every profile once. A profile that cannot be looked at has a row that says why."""
    everybody = [DEFAULT_PROFILE] if paths.profile == DEFAULT_PROFILE else [DEFAULT_PROFILE, paths.profile]
    names = list(dict.fromkeys([*everybody, *profiles(paths)]))
    seen: list[Seen] = [_chosen(paths, name) for name in names]
    _share(one[1] for one in seen if not isinstance(one, Row))
    package = origin.package()
    rows = _each(seen, lambda one: one if isinstance(one, Row) else _row(*one, installed_revision, package))
    shown = [row for row in rows if not _is_nothing(row)]
    return shown or rows[:1]


def row_of(status: Status) -> Row:
    """Return the row of one profile's status."""
    running, found = status.instance, problems(status)
    ended = next((run.ended_at for run in reversed(status.runs) if run.ended_at is not None), None)
    return Row(
        profile=status.profile,
        kind=status.kind,
        state=state_of(status),
        manager=status.manager,
        exit_code=status.exit_code,
        since=running.started_at if running is not None else ended,
        restarts=restarts_of(status),
        revision=running.revision if running is not None else None,
        is_skewed=any(one.code == "skew" for one in found),
        pending=len(status.pending),
        waiting_for=str(status.pending[0]["waiting_for"]) if status.pending else None,
        worst=min(found, key=_gravity, default=None),
        problems=len(found),
        status=status,
    )


def state_of(status: Status) -> str:
    """Return the one word for what the profile's gateway does."""
    running, service = status.instance, status.service
    if status.is_crash_looping:
        return "crashing"
    if running is not None:
        return running.state
    if status.is_elsewhere:
        return "unknown"
    if service.service.state != "stopped":
        return {"running": "starting"}.get(service.service.state, "unknown")
    if not service.installed:
        return "not installed"
    return "stopped" if status.desired == "stopped" else "down"


def document_of(row: Row) -> dict[str, Any]:
    """Return a row as JSON: what `status --json` says of the profile, and what only the row says."""
    known: dict[str, Any] = (
        document(row.status) if row.status is not None else {"profile": row.profile, "manager": row.manager}
    )
    if row.status is None and row.worst is not None:
        known["problems"] = [problem_document(row.worst)]
    known.pop("schema", None)
    return known | {
        "kind": row.kind,
        "state": row.state,
        "since": timestamp(row.since) if row.since is not None else None,
        "restarts": row.restarts,
        "revision": row.revision,
        "skew": row.is_skewed,
        "waiting_for": row.waiting_for,
        "exit_code": row.exit_code,
    }


def exit_code_of(rows: Sequence[Row]) -> int:
    """Return the worst exit code that `status` has for any of them; what was uninstalled counts where nothing else is."""
    codes = [row.exit_code for row in rows]
    return max((code for code in codes if code != NotInstalledError.exit_code), default=max(codes, default=0))


def _chosen(paths: Paths, name: str) -> tuple[Paths, ServiceManager] | Row:
    try:
        one = sibling(paths, name)
        return one, choose(one)
    except (HermesError, OSError) as error:
        return _unreadable(name, error)


def _row(paths: Paths, manager: ServiceManager, installed_revision: Callable[[], str | None], package: str) -> Row:
    try:
        return row_of(gather(paths, manager, installed_revision, package))
    except (HermesError, OSError) as error:
        return _unreadable(paths.profile, error, manager.name)


def _unreadable(profile: str, error: HermesError | OSError, manager: str = "unknown") -> Row:
    text = str(error)
    if isinstance(error, OSError):
        text = f"{error.filename or 'its state'} cannot be read ({error.strerror})"
    worst = Problem("unreadable", text, "hermes gateway status")
    return Row(profile, "own", "unknown", manager, CannotTellError.exit_code, worst=worst, problems=1)


def _is_nothing(row: Row) -> bool:
    """Say whether nobody has ever made anything of the default profile, which always exists."""
    status = row.status
    return (
        row.profile == DEFAULT_PROFILE
        and row.state == "not installed"
        and status is not None
        and not status.pending
        and not status.runs
    )


def _gravity(problem: Problem) -> int:
    return _GRAVITY.index(problem.code) if problem.code in _GRAVITY else len(_GRAVITY)


def _share(managers: Iterable[ServiceManager]) -> None:
    """Have what would be one call for each profile asked in one, where the manager has a client that can."""
    clients = [manager.asked for manager in managers if manager.name == "systemd" and hasattr(manager, "asked")]
    if clients:
        from hermes_cli.services.systemd.systemctl import share

        share(clients)


def _each(items: Sequence[Seen], act: Callable[[Seen], Row]) -> list[Row]:
    """Return what `act` finds for each item, in their order: one after the other, a few at a time once that takes long."""
    found: dict[int, Row] = {}
    left = list(enumerate(items))

    def work() -> None:
        while left:
            try:
                index, one = left.pop()
            except IndexError:
                return
            found[index] = act(one)

    def work_together() -> None:
        if is_done.wait(_LONG):  # who has nothing to wait for is quickest alone
            return
        helpers = [threading.Thread(target=work) for _ in range(min(_AT_ONCE, len(items)) - 2)]
        begun = [helper for helper in helpers if threads.start(helper)]
        work()
        for helper in begun:
            helper.join()

    is_done, second = threading.Event(), threading.Thread(target=work_together)
    is_begun = len(items) > 1 and threads.start(second)
    try:
        work()
    finally:
        is_done.set()
    if is_begun:
        second.join()
    return [found[index] for index in range(len(items))]
