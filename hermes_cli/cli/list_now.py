"""One look of `hermes gateway list`, without a parser: every profile at a glance, and at once."""

import json
import sys
import time

from hermes_cli.paths import Paths
from hermes_cli.status.text import span
from hermes_cli.system.printable import printable
from hermes_cli.system.terminal import cut, has_colour, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermes_cli.status.overview import Row

_HEAD = ("PROFILE", "STATE", "SINCE", "RESTARTS", "REVISION", "MANAGER")
_NAME = 20  # letters of a profile's name
_REVISION = 12
_COLOURS = {"ready": "green", "draining": "yellow", "starting": "yellow", "stopped": None, "not installed": None}


def show(paths: Paths, *, as_json: bool) -> int:
    """Look and print. Return the exit code: the worst that `status` has for one of them that is installed."""
    from hermes_cli.status.overview import exit_code_of

    rows = look(paths)
    print(shown(rows, as_json=as_json), flush=True)
    return exit_code_of(rows)


def look(paths: Paths) -> "list[Row]":
    """Return a row for each profile."""
    from hermes_cli.installation import revision
    from hermes_cli.programs import description

    running = description.read(paths.instance)
    query = revision.query(running.revision if running is not None else None)  # git looks while we look ourselves
    from hermes_cli.status.overview import overview

    installed = query()  # every row needs it, and only one process may be asked once
    return overview(paths, lambda: installed)


def shown(rows: "Sequence[Row]", *, as_json: bool) -> str:
    """Return the table, or the JSON of docs/status-json.md."""
    if as_json:
        from hermes_cli.status.overview import document_of

        return json.dumps({"schema": 1, "profiles": [document_of(row) for row in rows]}, indent=2)
    return "\n".join(lines(rows, time.time(), width(sys.stdout), colour=has_colour(sys.stdout)))


def lines(rows: "Sequence[Row]", now: float, columns: int | None, *, colour: bool = False) -> list[str]:
    """Return the table: a line for each profile, below it what is pending and the worst problem, in so many columns."""
    cells = [_HEAD, *(_cells(row, now) for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(_HEAD))]

    def line(words: "Sequence[str]") -> str:
        return "  ".join(word.ljust(wide) for word, wide in zip(words, widths, strict=True)).rstrip()

    if colour:
        import click

    found = [cut(line(_HEAD), columns)]
    for row, words in zip(rows, cells[1:], strict=True):
        text = cut(line(words), columns)
        if colour and (paint := _COLOURS.get(row.state, "red")) is not None:
            begin = widths[0] + 2
            end = begin + len(row.state)
            text = text[:begin] + click.style(text[begin:end], fg=paint) + text[end:]
        found.append(text)
        found += [cut(f"  {printable(note)}", columns) for note in _notes(row)]
    return found


def _cells(row: "Row", now: float) -> tuple[str, ...]:
    revision = printable(row.revision or "-")[:_REVISION] + ("*" if row.is_skewed else "")
    name = row.profile if len(row.profile) <= _NAME else f"{row.profile[: _NAME - 1]}…"
    return (
        name,
        row.state,
        span(now - row.since) if row.since is not None else "-",
        str(row.restarts) if row.restarts is not None else "-",
        revision,
        row.manager if row.kind == "own" else f"{row.manager}, {row.kind}",
    )


def _notes(row: "Row") -> list[str]:
    found = []
    if row.pending:
        count = "a restart" if row.pending == 1 else f"{row.pending} restarts"
        found.append(f"{count} pending, waiting for {row.waiting_for}")
    if row.worst is not None:
        more = f" (and {row.problems - 1} more)" if row.problems > 1 else ""
        found.append(f"{row.worst.code}{more}: {row.worst.text}")
    return found
