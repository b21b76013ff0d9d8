"""`hermes gateway run`: the gateway, or its supervisor, in the foreground."""

import json
import os

import click

from hermes_cli.gateway import start
from hermes_cli.paths import Paths


@click.command()
@click.option("--supervise", is_flag=True, help="Supervise a gateway instead of being one; works as PID 1.")
@click.option("--check", is_flag=True, help="Load everything, serve nothing, exit 0 when it would start.")
@click.option("--stay", is_flag=True, help="With --supervise: go on when the gateway cannot start, instead of ending.")
@click.option("--background", is_flag=True, hidden=True)
@click.option("--resume", is_flag=True, hidden=True)
@click.pass_obj
def run(paths: Paths, *, supervise: bool, check: bool, stay: bool, background: bool, resume: bool) -> int:
    """Run the gateway in the foreground: what a service manager starts."""
    if check:
        return _check(paths)
    return start.start(paths, supervise=supervise, background=background, resume=resume, stay=stay)


def _check(paths: Paths) -> int:
    """Everything that a start would load, read and make, short of serving. Raises HermesError."""
    from hermes_cli import user_environment
    from hermes_cli.config import load
    from hermes_cli.errors import HermesError
    from hermes_cli.gateway import extras
    from hermes_cli.gateway.run import main
    from hermes_cli.services import ahead, looked

    user_environment.apply(paths)
    extras.check(paths.config, load(paths.config), ahead=True)
    program = start.taken_over(paths)
    why = ahead.places(paths) or (program.missing() if program is not None else None)
    if why is not None:
        raise HermesError(why)
    if looked.LISTS in os.environ and program is None:  # a program may need what no file of ours says
        print(json.dumps(looked.files(paths)))
    return 0 if callable(main) else 1
