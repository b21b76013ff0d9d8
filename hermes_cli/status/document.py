"""Status as JSON, schema 1: a contract (docs/status-json.md)."""

from typing import Any

from hermes_cli import __version__
from hermes_cli.errors import Problem
from hermes_cli.intents.request import timestamp
from hermes_cli.programs.starts import crashes_in_a_row, last_ended
from hermes_cli.status.gather import Status
from hermes_cli.status.problems import problems
from hermes_cli.system.process import signal_name


def document(status: Status) -> dict[str, Any]:
    """Return the status as JSON."""
    service = status.service.service
    return {
        "schema": 1,
        "version": __version__,
        "profile": status.profile,
        "manager": status.manager,
        "desired": status.desired,
        "service": {
            "label": status.service.label,
            "domain": status.service.domain,
            "installed": status.service.installed,
            "state": service.state,
            "pid": service.pid,
            "detail": service.detail,
        },
        "instance": _instance(status),
        "restarter": {"state": status.restarter.state, "detail": status.restarter.detail},
        "pending": list(status.pending),
        "last": _last(status),
        "last_exit": _last_exit(status),
        "restarts": restarts_of(status),
        "starts": _starts(status),
        "kind": status.kind,
        "adopted": _adopted(status),
        "taken_over": _taken_over(status),
        "telegram": _telegram(status),
        "paths": status.places._asdict(),
        "problems": [problem_document(one) for one in problems(status)],
    }


def problem_document(problem: Problem) -> dict[str, Any]:
    """Return a problem as JSON; `command` is null where the mend is advice."""
    return {"code": problem.code, "text": problem.text, "mend": problem.mend, "command": problem.command}


def _instance(status: Status) -> dict[str, Any] | None:
    found = status.instance
    if found is None:
        return None
    return {
        "pid": found.identity.pid,
        "create_time": found.identity.create_time,
        "state": found.state,
        "ready": found.ready,
        "revision": found.revision,
        "uptime": round(found.uptime(status.now), 1),
        "active_turns": found.active_turns,
        "started_at": timestamp(found.started_at),
    }


def _adopted(status: Status) -> dict[str, Any] | None:
    found = status.adopted
    if found is None:
        return None
    return {
        "program": found.program,
        "definition": found.definition,
        "home": found.home,
        "unloaded": found.unloaded,
        "wish": found.wish,
        "verdict": found.verdict,
    }


def _taken_over(status: Status) -> dict[str, Any] | None:
    found = status.taken_over
    return None if found is None else {"program": found.program, "command": found.command, "file": found.file}


def _telegram(status: Status) -> dict[str, Any] | None:
    found = status.telegram
    if found is None:
        return None
    return {
        "bot": found.bot,
        "username": found.username,
        "state": found.state,
        "since": None if found.since is None else timestamp(found.since),
        "last_poll": None if found.last_poll is None else timestamp(found.last_poll),
        "undelivered": found.undelivered,
        "undeliverable": found.undeliverable,
        "held_up": list(found.held_up),
        "paired": found.paired,
        "codes": found.codes,
    }


def restarts_of(status: Status) -> int | None:
    """Return how often the gateway was started again since somebody, or the machine, started it; None: nothing is known."""
    return max(0, status.series.starts - 1) if status.series is not None else None


def _starts(status: Status) -> dict[str, Any] | None:
    if status.series is None:
        return None
    return {
        "since": timestamp(status.series.since),
        "count": status.series.starts,
        "why": status.runs[-1].why if status.runs else None,
    }


def _last_exit(status: Status) -> dict[str, Any] | None:
    last = last_ended(status.runs)
    if last is None:
        return None
    return {
        "pid": last.pid,
        "at": timestamp(last.ended_at or last.at),
        "exit_code": last.code if last.code is None or last.code >= 0 else None,
        "signal": signal_name(-last.code) if last.code is not None and last.code < 0 else None,
        "crashed": last.crashed,
        "crashes_in_a_row": crashes_in_a_row(status.runs),
    }


def _last(status: Status) -> dict[str, Any] | None:
    if status.last is None:
        return None
    return {
        "id": status.last.intent.id,
        "outcome": status.last.outcome,
        "detail": status.last.detail,
        "at": timestamp(status.last.settled_at),
        "took": status.last.took,
        "trigger": status.last.trigger,
    }
