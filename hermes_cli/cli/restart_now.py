"""`hermes gateway restart` as it is usually typed, without a parser: record, signal, poke; then, out of tree, wait for what is seen."""

import contextlib
import json
import os
import sys

from hermes_cli.errors import ConfigError, NotInstalledError
from hermes_cli.paths import Paths
from hermes_cli.restart import ask, send
from hermes_cli.system.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hermes_cli.services.base import ServiceManager, ServiceStatus


def restart_now(
    paths: Paths, *, no_wait: bool = False, force: bool = False, timeout: float | None = None, as_json: bool = False
) -> int:
    """Record, signal, poke, and, out of tree and unless `no_wait`, wait for the outcome. Return the exit code. Raises HermesError.

    `timeout`: seconds that running turns may take, if less than drain_timeout. `as_json`: the outcome for scripts.
    """
    from hermes_cli.services import check, choose

    check()  # the managers themselves are only imported when the record is on the disk
    record = ask.ask(paths, reason="manual", command="hermes gateway restart", force=force, drain_timeout=timeout)
    in_tree = record["requester"]["in_tree"]
    looks = not (in_tree or force or no_wait)
    manager = choose(paths) if looks or record["target"] is None else None
    if manager is not None and record["target"] is None and not _status(manager).installed:
        from hermes_cli.programs.verdicts import REINSTALL

        mend = REINSTALL if os.path.exists(paths.adopted) else "hermes gateway install"
        raise NotInstalledError(f"nothing to restart, the service is not installed: {mend}")
    if manager is not None and looks and ask.refuse_leap(paths, manager):
        record["action"] = "reload"
    if no_wait and not (in_tree or force):
        _refuse_broken_config(paths)
    if not in_tree:
        _want_running(paths)
    submitted = send.send(paths, record, looked=not (in_tree or no_wait), manager=manager)
    if as_json:
        with contextlib.redirect_stdout(sys.stderr):
            code = _finish(paths, submitted, no_wait=no_wait)
        print(json.dumps(document(paths, submitted.id), indent=2), flush=True)
        return code
    return _finish(paths, submitted, no_wait=no_wait)


def _finish(paths: Paths, submitted: send.Submitted, *, no_wait: bool) -> int:
    manager = submitted.manager(paths)
    if submitted.in_tree or no_wait:
        print(f"recorded, will be completed by {manager.completed_by} (intent {submitted.id})", flush=True)
        send.look_after(paths, submitted)
        return 0
    from hermes_cli.programs import description
    from hermes_cli.restart.wait import await_outcome
    from hermes_cli.services import other_installation

    with contextlib.suppress(OSError):  # a warning; the record is on the disk
        if (other := other_installation.find(manager, description.read_alive(paths.instance))) is not None:
            print(printable(other.says(paths)), file=sys.stderr, flush=True)
    return await_outcome(paths, submitted)


def document(paths: Paths, identifier: str) -> "dict[str, Any]":
    """Return what became of the request as JSON; the outcome is null while it is pending."""
    found = paths.queue.find(identifier)
    return {
        "schema": 1,
        "id": identifier,
        "profile": paths.profile,
        "outcome": found.outcome if found else None,
        "detail": found.detail if found else None,
        "took": found.took if found else None,
        "trigger": found.trigger if found else None,
    }


def _refuse_broken_config(paths: Paths) -> None:
    """Refuse what can be seen at no cost to keep the next gateway down; the rest is looked at after the record."""
    if not os.path.exists(paths.config):
        return
    from hermes_cli.config import load

    try:
        load(paths.config)
    except ConfigError as error:
        raise ConfigError(f"nothing was restarted, the next gateway would not start: {error}") from None


def _status(service: "ServiceManager") -> "ServiceStatus":
    """Return the service's status. Raises ForeignError when its name is somebody else's."""
    from hermes_cli.services.job import owner

    status = service.status()
    owner.refuse_problem(status.problems)
    return status


def _want_running(paths: Paths) -> None:
    """Undo an earlier stop, as `systemctl restart` does. Not for callers in-tree: there a stop is under way."""
    from hermes_cli.intents import desired

    if desired.seen(paths.desired) == "stopped":
        desired.write(paths.desired, "running", "hermes gateway restart")
