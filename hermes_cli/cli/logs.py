"""`hermes gateway logs`."""

import os
import sys
import time
from collections.abc import Callable, Iterator

import click

from hermes_cli.errors import HermesError, UsageError
from hermes_cli.paths import Paths
from hermes_cli.system.printable import printable_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.status.log_view import View
    from hermes_cli.system.log_reader import Line

LOGS = ("gateway", "restarter", "update")


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, show_default=True, help="How many lines.")
@click.option("--since", metavar="T", help="Only what is younger: 10m, 2h, 3d, or a time such as 2026-11-23T16:05.")
@click.option("--level", type=click.Choice(["info", "warning", "error"]), help="Only lines of this level or above.")
@click.option(
    "--log", "which", type=click.Choice([*LOGS, "all"]), default="gateway", show_default=True, help="Whose log."
)
@click.option("--json", "as_json", is_flag=True, help="One object a line; the format is in docs/status-json.md.")
@click.option("--path", "paths_only", is_flag=True, help="Print where the log is, the oldest file first.")
@click.pass_obj
def logs(
    paths: Paths,
    *,
    follow: bool,
    lines: int,
    since: str | None,
    level: str | None,
    which: str,
    as_json: bool,
    paths_only: bool,
) -> None:
    """Show what gateway and supervisor, the restarter or updates have logged.

    Times are local on a terminal, and UTC for a pipe, as in the file. A log is a file and the older ones that were moved aside when it was full (PATH.1 and so on); all of them are read.
    Of an adopted program, what the restarter did for it is shown: its own log is its own.
    """
    if which == "gateway" and os.path.exists(paths.adopted):  # its own log is its own; ours says what we did for it
        which = "restarter"
    names = LOGS if which == "all" else (which,)
    chosen = [getattr(paths, f"{name}_log") for name in names]
    if paths_only:
        _print_paths(chosen)
        return
    from hermes_cli.status import log_view

    try:
        view = log_view.View(log_view.moment(since, time.time()), level)
    except ValueError:
        raise UsageError(f"--since {since!r} is no time: use for example 10m, 2h, 3d or 2026-11-23T16:05") from None
    _show(chosen, view, _form(names, as_json=as_json), lines=lines, follow=follow)


def _print_paths(chosen: list[str]) -> None:
    from hermes_cli.system.log_file import files

    for path in chosen:
        for file in files(path) or [path]:
            click.echo(file)


def _show(chosen: list[str], view: "View", form: Callable[[int, bytes], bytes], *, lines: int, follow: bool) -> None:
    from hermes_cli.system.log_reader import Reader

    try:
        with Reader(chosen) as reader:
            _print(view.last(reader.backwards(unfinished=not follow), lines), form)
            if follow:
                _print(view.shown(reader.follow()), form)
    except OSError as error:
        if error.filename is None:
            raise  # not the log: whoever reads what is printed has gone
        missing = f"{error.filename} cannot be read ({error.strerror})"
        raise HermesError(f"{missing}: a gateway in the foreground logs to its terminal") from None
    except KeyboardInterrupt:
        return


def _form(names: tuple[str, ...], *, as_json: bool) -> Callable[[int, bytes], bytes]:
    """Return what makes the line that is printed, of a log by its number."""
    from hermes_cli.status import log_view

    if as_json:
        return lambda log, line: log_view.as_json(line, names[log])
    if sys.stdout.isatty():
        return lambda _, line: printable_log(log_view.local(line))
    return lambda _, line: printable_log(line)


def _print(lines: "Iterator[Line]", form: Callable[[int, bytes], bytes]) -> None:
    for log, found in lines:
        line = form(log, found)
        sys.stdout.buffer.write(line)
        if not line.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
