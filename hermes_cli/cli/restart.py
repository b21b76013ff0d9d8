"""`hermes gateway restart`: record, signal, poke; then, out of tree, wait for what is seen."""

import contextlib
import json
import math
import os
import sys

import click

from hermes_cli.errors import ConfigError, NotInstalledError, UsageError, called
from hermes_cli.paths import Paths
from hermes_cli.restart import ask, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hermes_cli.services.base import ServiceManager, ServiceStatus


@click.command()
@click.option("--no-wait", is_flag=True, help="Return as soon as the request is recorded.")
@click.option("--force", is_flag=True, help="Cut running turns off, and restart even what would not come up again.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=86400),
    metavar="S",
    help="Seconds that running turns may take, if less than drain_timeout.",
)
@click.option("--when-idle", is_flag=True, help="Not before no turn runs.")
@click.option("--at", metavar="TIME", help="Not before 04:00, or 2026-11-23T16:05; local, unless it names a zone.")
@click.option("--json", "as_json", is_flag=True, help="For scripts: the outcome; the format is in docs/status-json.md.")
@click.option("--all", "everybody", is_flag=True, help="Every profile that runs, or should: one after the other.")
@click.option("--order", metavar="NAME[,NAME]", help="With --all: these first, in this order.")
@click.pass_obj
def restart(
    paths: Paths,
    *,
    no_wait: bool,
    force: bool,
    timeout: float | None,
    when_idle: bool,
    at: str | None,
    as_json: bool,
    everybody: bool,
    order: str | None,
) -> int:
    """Restart the gateway, also from inside it: the request is on the disk before anything is touched."""
    if timeout is not None and math.isnan(timeout):  # click's range lets it pass
        raise UsageError("--timeout must be a number of seconds, not nan")
    if timeout is not None and not force:
        _say_limit(paths, timeout)
    of_all = everybody or order is not None
    if of_all and as_json:
        raise UsageError("--json is of one profile: leave --all out, and look at hermes gateway list --json")
    if when_idle or at is not None:
        if force or of_all:
            raise UsageError("--when-idle and --at are of one profile, and not with --force: leave one of them out")
        return _later(paths, timeout=timeout, when_idle=when_idle, at=at, as_json=as_json)
    if of_all:
        return _all(paths, no_wait=no_wait, force=force, timeout=timeout, everybody=everybody, order=order)
    return _now(paths, no_wait=no_wait, force=force, timeout=timeout, as_json=as_json)


def _say_limit(paths: Paths, timeout: float) -> None:
    """Say that turns get no longer than the configuration lets them, where more is asked for."""
    from hermes_cli.config import load_or_defaults

    limit = load_or_defaults(paths.config).gateway.drain_timeout
    if timeout > limit and not os.path.exists(paths.adopted):
        text = f"running turns get {limit:.0f} s, gateway.drain_timeout, and not {timeout:.0f}: restart --when-idle waits longer"
        click.echo(f"{called()}: {text}", err=True)


def _all(paths: Paths, *, no_wait: bool, force: bool, timeout: float | None, everybody: bool, order: str | None) -> int:
    from hermes_cli.cli import restart_all

    if no_wait:
        raise UsageError("--all waits for one profile before it goes on to the next: leave --no-wait out")
    return restart_all.restart_all(paths, everybody=everybody, order=order, force=force, timeout=timeout)


def _later(paths: Paths, *, timeout: float | None, when_idle: bool, at: str | None, as_json: bool) -> int:
    from hermes_cli.cli import restart_later

    submitted, said = restart_later.restart_later(paths, timeout=timeout, idle=when_idle, at=at)
    click.echo(json.dumps(_document(paths, submitted.id), indent=2) if as_json else said)
    return 0


def _now(paths: Paths, *, no_wait: bool, force: bool, timeout: float | None, as_json: bool) -> int:
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
        click.echo(json.dumps(_document(paths, submitted.id), indent=2))
        return code
    return _finish(paths, submitted, no_wait=no_wait)


def _finish(paths: Paths, submitted: send.Submitted, *, no_wait: bool) -> int:
    manager = submitted.manager(paths)
    if submitted.in_tree or no_wait:
        click.echo(f"recorded, will be completed by {manager.completed_by} (intent {submitted.id})")
        send.look_after(paths, submitted)
        return 0
    from hermes_cli.restart.wait import await_outcome
    from hermes_cli.services import other_installation

    if (other := other_installation.find(paths, manager)) is not None:
        click.echo(other.says(paths), err=True)
    return await_outcome(paths, submitted)


def _document(paths: Paths, identifier: str) -> "dict[str, Any]":
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
