"""Everything that `hermes gateway status` knows, gathered once; the JSON is a contract (docs/status-json.md)."""

import os
import time
from dataclasses import dataclass
from typing import Any

from hermes_cli.config import load
from hermes_cli.errors import ConfigError, Problem
from hermes_cli.intents import desired, queue
from hermes_cli.intents.record import Intent
from hermes_cli.intents.request import timestamp
from hermes_cli.intents.settled import Settled
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.programs.own import GatewayInstance
from hermes_cli.services.base import RestarterStatus, ServiceManager, ServiceStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SILENT = 60.0  # seconds without a heartbeat; four of them


@dataclass(frozen=True, slots=True)
class Status:
    """One look at everything."""

    now: float
    profile: str
    manager: str
    desired: str
    service: ServiceStatus
    instance: GatewayInstance | None
    restarter: RestarterStatus
    pending: tuple[dict[str, Any], ...]
    last: Settled | None
    drifted: tuple[str, ...]
    broken: tuple[queue.Broken, ...]
    config_error: str | None
    config_path: str
    installed_revision: str | None
    updates: tuple[Problem, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 ready or getting there, 3 not running, 4 not installed, 5 cannot tell (docs/status-json.md)."""
        if self.instance is not None or self.service.service.state == "running":
            return 0
        if self.service.service.state == "unknown":
            return 5
        return 3 if self.service.installed else 4

    @property
    def problems(self) -> list[Problem]:
        """What is wrong, each with its mend."""
        running, service, restarter, last = self.instance, self.service.service, self.restarter, self.last
        found = list(self.service.problems)
        if self.service.installed and self.desired == "running":
            if running is None and service.state == "stopped":
                found.append(Problem("down", f"the gateway is down: {service.detail}", "hermes gateway start"))
            if restarter.state in {"missing", "disabled"}:
                text = f"no restarter: {restarter.detail}; a restart would wait for the next hermes command"
                found.append(Problem(f"restarter-{restarter.state}", text, "hermes gateway install"))
        if last is not None and last.outcome == "failed":
            mend = f"hermes gateway intents retry {last.intent.id}"
            found.append(Problem("last-restart-failed", f"the last restart failed: {last.detail}", mend))
        found += [
            Problem("definition-drift", f"{path} is not as this release writes it", "hermes gateway install")
            for path in self.drifted
        ]
        found += [
            Problem("not-an-intent", f"{broken.shown}: {broken.why}", "hermes gateway intents drive")
            for broken in self.broken
        ]
        found += self.updates
        if running is not None and self.installed_revision not in {None, running.revision}:
            text = f"the gateway runs {running.revision}, the installation is {self.installed_revision}"
            found.append(Problem("skew", text, "hermes gateway restart"))
        if running is not None and running.ready and self.now - running.heartbeat > _SILENT:
            text = f"no heartbeat for {self.now - running.heartbeat:.0f} s"
            found.append(Problem("silent", text, "hermes gateway restart --force"))
        if self.config_error is not None:
            found.append(Problem("config", self.config_error, f"edit {self.config_path}"))
        return found

    def document(self) -> dict[str, Any]:
        """As JSON, schema 1."""
        service = self.service.service
        return {
            "schema": 1,
            "profile": self.profile,
            "manager": self.manager,
            "desired": self.desired,
            "service": {
                "label": self.service.label,
                "domain": self.service.domain,
                "installed": self.service.installed,
                "state": service.state,
                "pid": service.pid,
                "detail": service.detail,
            },
            "instance": self._instance(),
            "restarter": {"state": self.restarter.state, "detail": self.restarter.detail},
            "pending": list(self.pending),
            "last": self._last(),
            "problems": [{"code": one.code, "text": one.text, "mend": one.mend} for one in self.problems],
        }

    def _instance(self) -> dict[str, Any] | None:
        found = self.instance
        if found is None:
            return None
        return {
            "pid": found.identity.pid,
            "create_time": found.identity.create_time,
            "state": found.state,
            "ready": found.ready,
            "revision": found.revision,
            "uptime": round(max(0.0, self.now - found.started_at), 1),
            "active_turns": found.active_turns,
        }

    def _last(self) -> dict[str, Any] | None:
        if self.last is None:
            return None
        return {
            "id": self.last.intent.id,
            "outcome": self.last.outcome,
            "detail": self.last.detail,
            "at": timestamp(self.last.settled_at),
            "took": self.last.took,
            "trigger": self.last.trigger,
        }


def gather(paths: Paths, manager: ServiceManager, installed_revision: "Callable[[], str | None]") -> Status:
    """One look. Raises OSError only when pending/ cannot be listed."""
    now = time.time()
    scan = paths.queue.scan()
    return Status(
        now=now,
        profile=paths.profile,
        manager=manager.name,
        desired=desired.read(paths.desired),
        service=manager.status(),
        instance=own.read_alive(paths),
        restarter=manager.restarter(),
        pending=tuple(_pending(paths, intent, now) for intent in scan.intents),
        last=max(paths.queue.history(), key=lambda one: one.settled_at, default=None),
        drifted=manager.drifted(),
        broken=scan.broken,
        config_error=_config_error(paths),
        config_path=paths.config,
        updates=tuple(_of_updates(paths)),
        installed_revision=installed_revision(),  # last: it may still be under way
    )


def _pending(paths: Paths, intent: Intent, now: float) -> dict[str, Any]:
    known = paths.queue.progress_of(intent.id)
    return {
        "id": intent.id,
        "action": intent.action,
        "reason": intent.reason,
        "age": round(max(0.0, now - intent.requested_at), 1),
        "requester": str(intent.requester),
        "waiting_for": known.waiting_for or "a driver",
        "rule": known.rule or None,
        "attempts": known.attempts,
    }


def _of_updates(paths: Paths) -> list[Problem]:
    if not os.path.isdir(paths.updates):
        return []
    from hermes_cli.update import rollback  # more to import than who has never updated should pay for

    return rollback.problems(paths)


def _config_error(paths: Paths) -> str | None:
    try:
        load(paths.config)
    except ConfigError as error:
        return str(error)
    return None
