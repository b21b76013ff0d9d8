"""`hermes gateway list`: its options, and what goes on showing it. `list_now` has one look."""

import os

import click

from hermes_cli.cli import list_now
from hermes_cli.paths import Paths
from hermes_cli.system.terminal import Picture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.status.overview import Row


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.option("--watch", is_flag=True, help="Show it again whenever it changes.")
@click.pass_obj
def list_(paths: Paths, *, as_json: bool, watch: bool) -> int:
    """Show every profile's gateway: state, since when, restarts, revision, manager; what is pending, what is wrong.

    Exit code: the worst that `status` has for one of them that is installed.
    """
    return show(paths, as_json=as_json, watch=watch)


def show(paths: Paths, *, as_json: bool, watch: bool) -> int:
    """Show every profile's gateway, once or until Ctrl-C. Return the exit code."""
    return _watch(paths, as_json=as_json) if watch else list_now.show(paths, as_json=as_json)


def _watch(paths: Paths, *, as_json: bool) -> int:
    from hermes_cli.paths import profiles, sibling
    from hermes_cli.status.overview import exit_code_of
    from hermes_cli.system.directory_watch import DirectoryWatch

    rows: list[Row] = []
    with Picture() as picture:
        try:
            while True:
                places = [sibling(paths, name) for name in profiles(paths)]
                there = [path for one in places for path in (one.state, one.pending) if os.path.isdir(path)]
                with DirectoryWatch(*there) as watch:
                    rows = list_now.look(paths)
                    picture.show(list_now.shown(rows, as_json=as_json))
                    # Ages go on without a file changing; on a pipe that is not news.
                    watch.wait(1.0 if picture.is_live else 60.0)
        except KeyboardInterrupt:
            return exit_code_of(rows)
