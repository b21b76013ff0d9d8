"""`hermes gateway run`: the gateway, or its supervisor, in the foreground."""

import os

import click

from hermes_cli.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.programs.taken_over import TakenOver


@click.command()
@click.option("--supervise", is_flag=True, help="Supervise a gateway instead of being one; works as PID 1.")
@click.option("--check", is_flag=True, help="Load everything, serve nothing, exit 0 when it would start.")
@click.option("--stay", is_flag=True, help="With --supervise: go on when the gateway cannot start, instead of ending.")
@click.option("--background", is_flag=True, hidden=True)
@click.option("--resume", is_flag=True, hidden=True)
@click.pass_obj
def run(paths: Paths, *, supervise: bool, check: bool, stay: bool, background: bool, resume: bool) -> int:
    """Run the gateway in the foreground: what a service manager starts."""
    if os.path.exists(paths.adopted):
        from hermes_cli.cli.service import refuse_adopted

        refuse_adopted(paths, "its own service runs it")
    if check:
        return _check(paths)
    if supervise:
        from hermes_cli.intents import desired
        from hermes_cli.services.embedded import supervisor
        from hermes_cli.services.embedded.manager import Embedded

        if not (background or resume):
            desired.write(paths.desired, "running", "hermes gateway run --supervise")
            Embedded(paths).install()
        return supervisor.main(paths, background=background, resumed=resume, stay=stay)
    program = _taken_over(paths)
    if program is not None:
        from hermes_cli.gateway import taken_over

        return taken_over.main(paths, program)
    from hermes_cli.gateway.run import main

    return main(paths)


def _taken_over(paths: Paths) -> "TakenOver | None":
    """Return the program that runs in the place of our gateway, or None. Raises ConfigError."""
    from hermes_cli.programs import taken_over

    return taken_over.of(paths)


def _check(paths: Paths) -> int:
    """Everything that a start would load, read and make, short of serving. Raises HermesError."""
    from hermes_cli import user_environment
    from hermes_cli.config import load
    from hermes_cli.errors import HermesError
    from hermes_cli.gateway import extras
    from hermes_cli.gateway.run import main
    from hermes_cli.services import ahead

    user_environment.apply(paths)
    extras.check(paths.config, load(paths.config))
    program = _taken_over(paths)
    why = ahead.places(paths) or (program.missing() if program is not None else None)
    if why is not None:
        raise HermesError(why)
    return 0 if callable(main) else 1
