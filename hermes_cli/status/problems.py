"""What is wrong with what was gathered, each with its mend."""

import errno
import os

from hermes_cli.errors import Advice, Problem
from hermes_cli.intents.instance import Instance
from hermes_cli.mends import said
from hermes_cli.programs import description, starts
from hermes_cli.system import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_cli.status.gather import Status

_SILENT = 60.0  # seconds without a heartbeat; four of them


def problems(status: "Status", home: str | None = None) -> list[Problem]:
    """Return what is wrong, each with its mend as it can be pasted: for this profile and, if given, this home."""
    return [said(one, status.profile, home) for one in plain(status)]


def plain(status: "Status") -> "Iterator[Problem]":
    """Yield what is wrong, with mends that name neither profile nor home."""
    yield from status.service.problems
    yield from _of_config(status)  # these two before what they may be the cause of
    yield from _of_files(status)
    yield from _of_jobs(status)
    yield from _of_profile(status)
    yield from _of_last(status)
    if status.gone is not None:
        text = f"the program is gone: {status.gone}; no start and no restart can succeed"
        yield Problem("program-gone", text, "hermes gateway install")
    if status.elsewhere is not None:
        yield status.elsewhere
    for path in status.drifted if status.elsewhere is None else ():
        yield Problem("definition-drift", f"{path} is not as this release writes it", _install(status))
    for broken in status.broken:
        yield Problem("not-an-intent", f"{broken.shown}: {broken.why}", "hermes gateway intents drive")
    yield from status.updates
    if status.instance is not None:
        yield from _of_instance(status, status.instance)
    if status.telegram is not None and status.telegram.problem is not None:
        text, mend = status.telegram.problem
        is_command = mend in {"hermes gateway restart", "hermes gateway logs"}
        yield Problem("telegram", text, mend if is_command else Advice(mend))


def _of_config(status: "Status") -> "Iterator[Problem]":
    if status.config_error is not None:
        yield Problem("config", status.config_error, Advice(f"edit {status.places.config}"))
    if status.taken_over is not None and status.taken_over.wrong is not None:
        yield Problem("config", status.taken_over.wrong, Advice(f"edit {status.taken_over.file}"))
    if status.environment is not None:
        yield status.environment


def _of_files(status: "Status") -> "Iterator[Problem]":
    for path in status.unreadable:
        mend, is_command = refusal.mend(path, errno.EACCES if not os.access(path, os.R_OK) else errno.EIO)
        text = f"{path} cannot be read: nothing is started or stopped by what it may say"
        yield Problem("unreadable", text, mend if is_command else Advice(mend))
    for one in status.unusable:
        if one.path not in status.unreadable:
            yield Problem(
                "unusable", f"{one.text}, so no restart can succeed", one.mend if one.is_command else Advice(one.mend)
            )
    if status.is_wish_nonsense:
        text = f"{status.places.state}/desired.json says neither running nor stopped, and counts as running"
        yield Problem("desired-nonsense", text, "hermes gateway start")


def _of_jobs(status: "Status") -> "Iterator[Problem]":
    service, restarter = status.service.service, status.restarter
    if status.is_crash_looping:  # before `down`, whose mend does not help as long as what the log says is so
        text = f"the gateway ends by itself soon after its start: {_crashes(status)}"
        yield Problem("crash-loop", text, "hermes gateway logs")
    elif status.has_come_back_from_crashes:
        text = f"the gateway is ready, and has ended by itself soon after its start: {_crashes(status)}"
        yield Problem("crash-loop", text, "hermes gateway logs")
    if status.service.installed and status.desired == "running":
        waits = bool(status.pending) or service.state == "running"  # who has not described itself yet is starting
        if status.adopted is not None and status.adopted.verdict is not None and not waits:
            why = f"{status.adopted.program} is down: {status.adopted.verdict}"
            mend = Advice(status.adopted.mend or "nothing: the resident restarter sees to it")
            yield Problem("down", why, mend)
        elif status.adopted is None and status.instance is None and service.state == "stopped":
            yield Problem("down", f"the gateway is down: {service.detail}", "hermes gateway start")
        if restarter.state in {"missing", "disabled"}:
            text = f"no restarter: {restarter.detail}; a restart would wait for the next hermes command"
            yield Problem(f"restarter-{restarter.state}", text, _install(status))
    yield from _of_unknown(status)
    if status.is_undescribed:
        text = f"a gateway runs and gateway.json {status.undescribed}: it writes it again within its heartbeat_interval"
        yield Problem("undescribed", text, "hermes gateway status")
    yield from _of_driver(status)
    if status.storm is not None:
        text = f"a restart that a program asks for is {status.storm.partition('; see ')[0]}; one from a shell is carried out"
        yield Problem("storm", text, "hermes gateway intents list")


def _of_unknown(status: "Status") -> "Iterator[Problem]":
    service = status.service.service
    if status.is_elsewhere:
        text = f"{description.ELSEWHERE}: whether it is well cannot be told from here"
        yield Problem("unknown", text, Advice("give the command there"))
    elif status.service.installed and service.state == "unknown" and not any(map(_is_unknown, status.service.problems)):
        text = f"{status.manager} does not say whether the gateway runs ({service.detail})"
        yield Problem("unknown", text, Advice("hermes gateway status, in a while"))


def _of_driver(status: "Status") -> "Iterator[Problem]":
    if status.suspended_driver is not None:
        text = f"the driver, pid {status.suspended_driver}, is stopped (SIGSTOP, Ctrl-Z), so nothing that is pending goes on"
        yield Problem("driver-silent", text, f"kill -CONT {status.suspended_driver}")
    elif status.silent_driver is not None:
        text = f"the driver, pid {status.silent_driver}, hangs, so nothing that is pending goes on"
        yield Problem("driver-silent", text, "hermes gateway intents drive")


def _install(status: "Status") -> str:
    """Return the command that writes and loads what is ours."""
    return status.adopted.again if status.adopted is not None else "hermes gateway install"


def _is_unknown(problem: Problem) -> bool:
    return problem.code == "unknown"


def _of_profile(status: "Status") -> "Iterator[Problem]":
    if not status.is_profile:
        there = ", ".join(status.profiles)
        text = f"there is no profile {status.profile!r} (there are: {there})"
        yield Problem("unknown-profile", text, "hermes gateway install")


def _of_last(status: "Status") -> "Iterator[Problem]":
    last, running = status.last, status.instance
    if last is None or last.outcome != "failed" or status.desired == "stopped":  # a retry would be cancelled
        return
    if running is not None and running.ready and running.started_at > last.settled_at:
        return  # a later instance is ready: the failed restart is history
    mend = f"hermes gateway intents retry {last.intent.id}"
    yield Problem("last-restart-failed", f"the last restart failed: {last.detail}", mend)


def _of_instance(status: "Status", running: Instance) -> "Iterator[Problem]":
    if running.ready and status.desired == "stopped":
        text = "the gateway runs although it was stopped with hermes, so a restart of it is cancelled"
        yield Problem("desired-stopped", text, "hermes gateway start")
    is_known = None not in {running.revision, status.installed_revision}
    if status.elsewhere is None and is_known and status.installed_revision != running.revision:
        text = f"the gateway runs {running.revision}, the installation is {status.installed_revision}"
        yield Problem("skew", text, "hermes gateway restart")
    if running.ready and (silence := running.silence(status.now)) > _SILENT:
        text = f"no heartbeat for {silence:.0f} s"
        yield Problem("silent", text, "hermes gateway restart --force")


def _crashes(status: "Status") -> str:
    count = starts.crashes_in_a_row(status.runs)
    crash = starts.last_crash(status.runs)
    how = crash.end if crash is not None else "unknown"
    return f"{count} time{'' if count == 1 else 's'} in a row, the last one {how}"
