"""`hermes gateway starts`: when the gateway was started, why, and how each run ended."""

import json
import time
from typing import Any

import click

from hermes_cli.intents.request import timestamp
from hermes_cli.paths import Paths
from hermes_cli.programs import own, starts
from hermes_cli.programs.starts import Run
from hermes_cli.status.text import span
from hermes_cli.system.printable import printable
from hermes_cli.system.process import signal_name


@click.command("starts")
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.pass_obj
def starts_(paths: Paths, *, as_json: bool) -> None:
    """Show the newest 100 starts of the gateway, newest first: when, why, how long each ran and how it ended."""
    running = own.read_alive(paths)
    found = starts.read(paths, running.identity.pid if running is not None else None)[::-1]
    if as_json:
        click.echo(json.dumps({"schema": 1, "starts": [document(one) for one in found]}, indent=2))
        return
    if not found:
        click.echo("no start is recorded")
    for one in found:
        click.echo(printable(line(one, time.time())))


def line(one: Run, now: float) -> str:
    """Return a run in one line."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.at))
    lasted = span(one.lasted(now))
    how = f"runs, {lasted}" if one.ended_at is None else f"ran {lasted}, {one.end}"
    return f"{at}  {one.why or 'unknown':<8}  pid {one.pid or 'unknown':<8}  {how}"


def document(one: Run) -> dict[str, Any]:
    """Return a run as JSON."""
    marks = one.marks
    reached = {name: getattr(marks, name) for name in ("ready", "signalled", "draining", "exited")} if marks else {}
    return {
        "pid": one.pid or None,
        "at": timestamp(one.at),
        "why": one.why,
        "ended_at": timestamp(one.ended_at) if one.ended_at is not None else None,
        "exit_code": one.code if one.code is None or one.code >= 0 else None,
        "signal": signal_name(-one.code) if one.code is not None and one.code < 0 else None,
        "crashed": one.crashed,
        "phases": {name: timestamp(at) for name, at in reached.items() if at > 0},
    }
