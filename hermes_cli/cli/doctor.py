"""`hermes gateway doctor`."""

import json
import subprocess
import sys

import click

from hermes_cli.errors import called
from hermes_cli.paths import Paths
from hermes_cli.system.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermes_cli.status.doctor import Check


@click.command()
@click.option("--fix", is_flag=True, help="Carry out the mends that are safe, and look again.")
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.pass_obj
def doctor(paths: Paths, *, fix: bool, as_json: bool) -> int:
    """Check everything that can keep a restart from happening, and name the mend.

    Exit code: 0 nothing was found, or --fix has mended all of it, 1 something was.
    """
    from hermes_cli.status.doctor import document

    found = _shown(paths, silent=as_json)
    fixed = _fix(paths, found, silent=as_json) if fix else []
    if fixed:
        found = _shown(paths, silent=as_json)
    if as_json:
        click.echo(json.dumps(document(paths.profile, found, fixed), indent=2))
    return int(any(check.problems for check in found))


def _shown(paths: Paths, *, silent: bool) -> "list[Check]":
    found = []
    for check in _checks(paths):
        found.append(check)
        if silent:
            continue
        if not check.problems:
            click.echo(printable(f"ok       {check.passed}"))
        for problem in check.problems:
            click.echo(printable(f"problem  {problem.text}"))
            click.echo(printable(f"         {problem.mend}"))
    return found


def _checks(paths: Paths) -> "Iterator[Check]":
    from hermes_cli import mends
    from hermes_cli.config import load_or_defaults
    from hermes_cli.installation.revision import RevisionQuery
    from hermes_cli.services import choose, kept
    from hermes_cli.status.doctor import checks

    yield from checks(paths, choose(paths), RevisionQuery().collect, mends.home_to_name())
    if load_or_defaults(paths.config).telegram.is_on and kept.adopted(paths) is None:
        from hermes_cli.cli import ask_telegram

        yield from ask_telegram.checks(paths)


def _fix(paths: Paths, found: "list[Check]", *, silent: bool) -> list[tuple[list[str], int]]:
    """Run what is safe; return each command with its exit code."""
    from hermes_cli.installation import entry_points
    from hermes_cli.status.fixes import safe, words_of

    done = []
    for command in safe(problem for check in found for problem in check.problems):
        words = words_of(command)
        is_ours = words[0] == "gateway"
        run = entry_points.argv(entry_points.HERMES, "-p", paths.profile, *words) if is_ours else words
        if not silent:
            click.echo(printable(f"fix      {' '.join(command)}"))
        sys.stdout.flush()
        output = sys.stderr if silent else None
        try:
            code = subprocess.run(run, check=False, stdin=subprocess.DEVNULL, stdout=output).returncode
        except OSError as error:
            click.echo(printable(f"{called()}: {run[0]} cannot be started ({error.strerror})"), err=True)
            code = 127
        done.append((command, code))
    return done
