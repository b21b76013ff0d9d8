"""`hermes gateway status`."""

import json
import sys

import click

from hermes_cli.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.status.gather import Status


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.option("--watch", is_flag=True, help="Show it again whenever it changes.")
@click.pass_obj
def status(paths: Paths, *, as_json: bool, watch: bool) -> int:
    """Show service, instance, restarter and pending intents.

    Exit code: 0 running, 3 not running, 4 not installed, 5 cannot tell.
    """
    if watch:
        return _watch(paths, as_json=as_json)
    found = _look(paths)
    click.echo(_text(found, as_json=as_json))
    return found.exit_code


def _look(paths: Paths) -> "Status":
    from hermes_cli.installation.revision import RevisionQuery

    query = RevisionQuery()  # git looks while we import and look ourselves
    from hermes_cli.errors import HermesError
    from hermes_cli.services import choose
    from hermes_cli.status.gather import gather

    try:
        return gather(paths, choose(paths), query.collect)
    except OSError as error:
        raise HermesError(f"{error.filename} cannot be read ({error.strerror}): mend its permissions") from None


def _watch(paths: Paths, *, as_json: bool) -> int:
    import os

    from hermes_cli.intents.request import make_directories
    from hermes_cli.system.directory_watch import DirectoryWatch

    make_directories(paths.intents)
    last = ""
    with DirectoryWatch(paths.state, paths.pending, paths.queue.progress, paths.queue.settled) as watch:
        while True:
            found = _look(paths)
            text = _text(found, as_json=as_json)
            if text != last:
                if sys.stdout.isatty() and not as_json:
                    click.clear()
                click.echo(text)
                last = text
            try:
                # Uptime and ages go on without a file changing; on a pipe that is not news.
                watch.wait(1.0 if os.isatty(1) else 60.0)
            except KeyboardInterrupt:
                return found.exit_code


def _text(found: "Status", *, as_json: bool) -> str:
    if as_json:
        return json.dumps(found.document(), indent=2)
    service, running = found.service.service, found.instance
    lines = []
    if running is not None:
        turns = f"{running.active_turns} active turn{'' if running.active_turns == 1 else 's'}"
        up = _span(found.now - running.started_at)
        state = f"{running.state}, pid {running.identity.pid}, revision {running.revision}, up {up}, {turns}"
    else:
        state = {"running": "starting", "stopped": "not running", "unknown": "cannot tell"}[service.state]
        state += f", {service.detail}" if service.detail else ""
    lines.append(f"gateway    {state}")
    where = f" in {found.service.domain}" if found.service.domain else ""
    installed = "installed" if found.service.installed else "not installed"
    lines.append(
        f"service    {found.service.label}{where}, {found.manager}, {installed}, {service.state}, "
        f"desired {found.desired}, profile {found.profile}"
    )
    detail = f", {found.restarter.detail}" if found.restarter.detail else ""
    lines.append(f"restarter  {found.restarter.state}{detail}")
    lines.append(f"pending    {len(found.pending) or 'none'}")
    lines += [
        f"  {one['id']}  {one['reason']} by {one['requester']}, {_span(one['age'])} ago, "
        f"{one['attempts']} attempts, waiting for {one['waiting_for']}"
        for one in found.pending
    ]
    if found.last is not None:
        ago = _span(found.now - found.last.settled_at)
        took = f"took {found.last.took:.1f} s, {ago} ago, trigger {found.last.trigger}"
        lines.append(f"last       {found.last.outcome}: {found.last.detail}; {took} ({found.last.intent.id})")
    lines += [f"problem    {one.text}: {one.mend}" for one in found.problems]
    return "\n".join(lines)


def _span(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} d"
