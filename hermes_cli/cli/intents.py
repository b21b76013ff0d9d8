"""`hermes gateway intents`: the queue, for a person and for scripts."""

import contextlib
import json
import sys
import time
from typing import Any

import click

from hermes_cli.cli.completion import complete_any, complete_dismissable, complete_settled
from hermes_cli.errors import HermesError, TryAgainError, UsageError
from hermes_cli.intents.queue import Broken
from hermes_cli.intents.record import Intent, is_id
from hermes_cli.intents.settled import Settled
from hermes_cli.intents.tidying import forget
from hermes_cli.intents.trace import Trace, live_trace, settled_trace
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.restart import timeline
from hermes_cli.restart.waiting import waiting
from hermes_cli.system.printable import printable
from hermes_cli.system.terminal import is_utf8, width

_SHORTEST = 4  # letters of an id


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.pass_obj
def list_(paths: Paths, *, as_json: bool) -> None:
    """Show the queue, settled intents too, newest first."""
    rows = _all(paths)
    if as_json:
        click.echo(json.dumps({"schema": 1, "intents": rows}, indent=2))
        return
    if not rows:
        click.echo("no intents")
    for row in rows:
        what = row["outcome"] or row["state"]
        detail = row.get("detail") or row.get("waiting_for") or ""
        click.echo(printable(f"{row['id']}  {what:<17}  {row.get('reason') or '':<8}  {detail}".rstrip()))


@click.command()
@click.argument("identifier", metavar="ID", shell_complete=complete_any)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def show(paths: Paths, identifier: str, *, as_json: bool) -> None:
    """Show one intent, and the phases of its restart. ID may be `last`, or how an id begins."""
    row = _find(paths, identifier)
    found = _trace(paths, str(row["id"]))
    if as_json:
        phases = {"phases": found.document()} if found is not None else {}
        click.echo(json.dumps(row | phases, indent=2))
        return
    for name, value in row.items():
        if name != "trace":
            click.echo(printable(f"{name:<14} {json.dumps(value)}", 65536))
    if found is not None:
        click.echo()
        for line in timeline.lines(found, time.time(), width(sys.stdout), plain=not is_utf8(sys.stdout)):
            click.echo(line)


def _trace(paths: Paths, identifier: str) -> Trace | None:
    """Return the phases of an intent; None for what is no valid intent."""
    settled = paths.queue.find(identifier)
    if settled is not None:
        return settled_trace(settled.intent, settled.took, settled.attempts)
    intent = next((one for one in paths.queue.unsettled() if one.id == identifier), None)
    if intent is None:
        return None
    return live_trace(intent, paths.queue.progress_of(identifier), own.read_alive(paths))


@click.command()
@click.argument("identifier", metavar="ID", shell_complete=complete_dismissable)
@click.pass_obj
def cancel(paths: Paths, identifier: str) -> None:
    """Dismiss a pending intent; a restart that has begun goes on. Of what was rejected, remove the file."""
    row = _find(paths, identifier)
    identifier = str(row["id"])
    if row["state"] == "rejected":
        _forget(paths, identifier)
        return
    intent = next((one for one in paths.queue.unsettled() if one.id == identifier), None)
    if intent is None:
        raise HermesError(f"intent {identifier} is {row['outcome'] or row['state']} already: nothing to cancel")
    if not paths.queue.settle(intent, "cancelled", "hermes gateway intents cancel", trigger="cli"):
        raise HermesError(f"intent {identifier} was settled meanwhile: hermes gateway intents show {identifier}")
    running = own.read_alive(paths)
    click.echo(f"cancelled {identifier}")
    if running is not None and running.state in {"draining", "exited"}:
        click.echo("the gateway drains already, and is restarted all the same", err=True)


def _forget(paths: Paths, identifier: str) -> None:
    """Remove what was set aside. Raises HermesError."""
    with contextlib.suppress(OSError):
        for broken in paths.queue.scan().broken:  # what nobody has set aside yet
            if _shown(broken) == identifier:
                paths.queue.reject(broken)
    for broken in paths.queue.rejects():
        if _shown(broken) != identifier:
            continue
        try:
            forget(paths.queue.rejected, broken.name)
        except OSError as error:
            place = f"{paths.queue.rejected}/{broken.name}"
            raise HermesError(
                f"{place} cannot be removed ({error.strerror}): look at it, and remove it yourself"
            ) from None
        click.echo(f"removed {identifier}, which was no intent: {broken.why}")


@click.command()
@click.argument("identifier", metavar="ID", shell_complete=complete_settled)
@click.pass_obj
def retry(paths: Paths, identifier: str) -> None:
    """Ask again, now, for what a settled intent asked."""
    from hermes_cli.restart import ask, send
    from hermes_cli.services import choose

    row = _find(paths, identifier)
    identifier = str(row["id"])
    if row["state"] == "pending":
        raise HermesError(f"intent {identifier} is still pending: hermes gateway intents drive")
    if row["state"] == "rejected":
        raise HermesError(f"{identifier} is no valid intent ({row['detail']}): hermes gateway restart")
    record = ask.ask(paths, reason="manual", command=f"hermes gateway intents retry {identifier}")
    manager, in_tree = choose(paths), record["requester"]["in_tree"]
    if not in_tree and ask.refuse_leap(paths, manager):
        record["action"] = "reload"
    submitted = send.send(paths, record, looked=not in_tree, manager=manager)
    click.echo(f"recorded, will be completed by {manager.completed_by} (intent {submitted.id})")
    send.look_after(paths, submitted)


@click.command()
@click.option("--trigger", default="cli", show_default=True, help="What started this driver, for the record.")
@click.pass_obj
def drive(paths: Paths, *, trigger: str) -> None:
    """Run a driver now, until nothing is pending."""
    from hermes_cli.jobs import restarter
    from hermes_cli.pending import is_something_pending

    if trigger not in restarter.TRIGGERS:
        raise UsageError(f"trigger {trigger!r} is not known: use one of {', '.join(restarter.TRIGGERS)}")
    if is_something_pending(paths) and not restarter.drive(paths, trigger):
        raise TryAgainError("another driver is at it: see hermes gateway status")


def _all(paths: Paths) -> list[dict[str, Any]]:
    """Every intent as `list --json` shows it, newest first."""
    found = paths.queue.scan()
    rows = [_pending(paths, intent) for intent in found.intents]
    rows += [_settled(one) for one in paths.queue.history()]
    for broken in (*found.broken, *paths.queue.rejects()):
        rows.append({"id": _shown(broken), "state": "rejected", "outcome": "rejected", "detail": broken.why})
    for row in rows:
        row.setdefault("outcome", None)
        row.setdefault("settled_at", None)
        row.setdefault("attempts", 0)
    return sorted(rows, key=lambda row: str(row["id"]), reverse=True)


def _shown(broken: Broken) -> str:
    return broken.shown.removesuffix(".json")


def _pending(paths: Paths, intent: Intent) -> dict[str, Any]:
    known = paths.queue.progress_of(intent.id)
    now = time.time()
    return {
        **intent.document,
        "reason": intent.reason,
        "state": "pending",
        "outcome": None,
        "attempts": known.attempts,
        "waiting_for": waiting(known, own.read_alive(paths), now).text,
        "rule": known.rule or None,
        "age": round(intent.age, 1),
    }


def _settled(one: Settled) -> dict[str, Any]:
    known = {"reason": one.intent.reason, "outcome": one.outcome, "detail": one.detail, "attempts": one.attempts}
    return {**one.intent.document, **known, "state": "settled"}


def _find(paths: Paths, identifier: str) -> dict[str, Any]:
    """One intent, by its id, by how its id begins, or `last`. Raises UsageError."""
    rows = _all(paths)
    found = [row for row in rows if row["id"] == identifier]
    if not found and identifier == "last":
        found = [row for row in rows if is_id(str(row["id"]))][:1]  # the names of what was rejected are anything
    if not found and len(identifier) >= _SHORTEST:
        found = [row for row in rows if str(row["id"]).startswith(identifier)]
    if len(found) > 1:
        raise UsageError(f"{identifier!r} is how {len(found)} ids begin: see hermes gateway intents list")
    if found:
        return found[0]
    if identifier == "last":
        raise UsageError("there is no intent yet: hermes gateway restart asks for one")
    hint = "no intent has it" if is_id(identifier) else "that is no intent's id"
    raise UsageError(f"{identifier!r}: {hint}: see hermes gateway intents list")
