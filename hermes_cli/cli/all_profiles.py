"""`start`, `stop`, `restart` with `--all`: one profile after the other, and no further than the first that fails."""

from collections.abc import Callable, Sequence

import click

from hermes_cli import mends
from hermes_cli.errors import HermesError, UsageError, called
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.restart.one_by_one import ordered, why_not_ready
from hermes_cli.system.printable import printable

Act = Callable[[Paths], int | None]  # an exit code, or None for a profile to which nothing is to be done


def check(*, everybody: bool, order: str | None) -> None:
    """Refuse an order without `--all`. Raises UsageError."""
    if order is not None and not everybody:
        raise UsageError("--order is of --all: add it, or leave --order out")


def one_after_the_other(
    paths: Paths, order: str | None, act: Act, *, last: Callable[[Paths], bool] = lambda _: False, stays: bool = True
) -> int:
    """Act on each profile once the one before is done and, with `stays`, has stayed ready. Return the exit code.

    Those for which `last` holds come after the others. The first that fails is the last that is touched.
    """
    everybody = [sibling(paths, name) for name in ordered(profiles(paths), order)]
    everybody.sort(key=last)
    for index, one in enumerate(everybody):
        code, is_done = _one(one, act)
        if code == 0 and is_done and stays and index + 1 < len(everybody):
            why = why_not_ready(one)
            if why is not None:
                _say(one.profile, f"{one.profile}: {why}: hermes gateway logs")
                code = 1
        if code:
            _say_left(everybody[index + 1 :])
            return code
    return 0


def of(one: Paths) -> Callable[[str], None]:
    """Return what prints a line of a profile."""
    return lambda line: click.echo(f"{one.profile}: {line}")


def _one(one: Paths, act: Act) -> tuple[int, bool]:
    try:
        code = act(one)
    except HermesError as error:
        _say(one.profile, f"{one.profile}: {error}")
        for line in error.log:
            click.echo(f"  {printable(line)}", err=True)
        return error.exit_code, False
    return code or 0, code is not None


def _say(profile: str, text: str) -> None:
    click.echo(printable(f"{called()}: {mends.shown(text, profile)}"), err=True)


def _say_left(left: Sequence[Paths]) -> None:
    if left:
        click.echo(f"{called()}: left as they are: {', '.join(one.profile for one in left)}", err=True)
