"""What is wrong with what was gathered, each with its mend."""

import os

from hermes_cli.errors import Problem
from hermes_cli.paths import Paths
from hermes_cli.programs import own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.status.gather import Status

_SILENT = 60.0  # seconds without a heartbeat; four of them


def problems(status: "Status") -> list[Problem]:
    """Return what is wrong, each with its mend."""
    running, service, restarter, last = status.instance, status.service.service, status.restarter, status.last
    found = list(status.service.problems)
    if status.service.installed and status.desired == "running":
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
        for path in status.drifted
    ]
    found += [
        Problem("not-an-intent", f"{broken.shown}: {broken.why}", "hermes gateway intents drive")
        for broken in status.broken
    ]
    found += status.updates
    if running is not None and status.installed_revision not in {None, running.revision}:
        text = f"the gateway runs {running.revision}, the installation is {status.installed_revision}"
        found.append(Problem("skew", text, "hermes gateway restart"))
    if running is not None and running.ready and status.now - running.heartbeat > _SILENT:
        text = f"no heartbeat for {status.now - running.heartbeat:.0f} s"
        found.append(Problem("silent", text, "hermes gateway restart --force"))
    if status.config_error is not None:
        found.append(Problem("config", status.config_error, f"edit {status.config_path}"))
    return found


def of_updates(paths: Paths) -> list[Problem]:
    """Return what the newest update has left to be said."""
    if not os.path.isdir(paths.updates):
        return []
    # More to import than who has never updated should pay for.
    from hermes_cli.system.command import printable
    from hermes_cli.update.rollback import CRASHES, Rollback, newest

    update, last = newest(paths), own.read(paths)
    if update is None:
        return []
    if update.rolls_back and update.command != Rollback().command:
        text = f"{update.old_shown} was rolled back to {update.new_shown} ({printable(update.command)})"
        return [Problem("rolled-back", f"{text}; hermes update takes only a newer one", "hermes update")]
    crashes = last.crashes if last is not None else None
    if crashes is None or crashes.update != update.intent or crashes.count < CRASHES:
        return []
    text = f"the gateway has ended by itself {crashes.count} times since the update to {update.new_shown}"
    return [Problem("crashes", text, "hermes update --rollback")]
