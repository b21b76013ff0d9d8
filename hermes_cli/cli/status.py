"""`hermes gateway status`: its options, and what goes on showing it. `status_now` has one look."""

import sys

import click

from hermes_cli.cli import status_now
from hermes_cli.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.status.gather import Status

_WATCHED = ("pending", "progress", "settled")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.option("--watch", is_flag=True, help="Show it again whenever it changes.")
@click.option("--all", "everybody", is_flag=True, help="Every profile: the same as hermes gateway list.")
@click.pass_obj
def status(paths: Paths, *, as_json: bool, watch: bool, everybody: bool) -> int:
    """Show service, instance, restarter and pending intents.

    Exit code: 0 running, 3 not running, 4 not installed, 5 cannot tell.
    """
    if everybody:
        from hermes_cli.cli.list_ import show

        return show(paths, as_json=as_json, watch=watch)
    if watch:
        return _watch(paths, as_json=as_json)
    return status_now.show(paths, as_json=as_json)


def _watch(paths: Paths, *, as_json: bool) -> int:
    from hermes_cli.intents.request import make_directories
    from hermes_cli.system.directory_watch import DirectoryWatch
    from hermes_cli.system.terminal import Picture

    make_directories(paths.intents)
    found: Status | None = None
    with Picture() as picture, DirectoryWatch(paths.state, *(getattr(paths.queue, n) for n in _WATCHED)) as watch:
        try:
            while True:
                found = status_now.look(paths)
                text = status_now.shown(found, as_json=as_json)
                if picture.is_live and not as_json:
                    text = "\n".join([text, *_phases(paths, found, picture.columns)])
                picture.show(text)
                # Uptime and ages go on without a file changing; on a pipe that is not news.
                watch.wait(1.0 if picture.is_live else 60.0)
        except KeyboardInterrupt:
            return found.exit_code if found is not None else 130


def _phases(paths: Paths, found: "Status", columns: int) -> list[str]:
    """Return the phases of the oldest pending restart, to be drawn below the status."""
    intent = next(iter(paths.queue.unsettled()), None)
    if intent is None:
        return []
    from hermes_cli.intents.trace import live_trace
    from hermes_cli.restart.timeline import lines
    from hermes_cli.system.terminal import is_utf8

    trace = live_trace(intent, paths.queue.progress_of(intent.id), found.instance)
    return ["", *lines(trace, found.now, columns, plain=not is_utf8(sys.stdout))]
