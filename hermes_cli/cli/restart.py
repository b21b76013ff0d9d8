"""`hermes gateway restart`: its options, and which of its forms they ask for."""

import json
import math
import os

import click

from hermes_cli.cli import restart_now
from hermes_cli.errors import UsageError, called
from hermes_cli.paths import Paths


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
    return restart_now.restart_now(paths, no_wait=no_wait, force=force, timeout=timeout, as_json=as_json)


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
    click.echo(json.dumps(restart_now.document(paths, submitted.id), indent=2) if as_json else said)
    return 0
