"""What `hermes gateway run` starts. The line that service managers and supervisors write is understood without a parser.

That parser would be a sixth of what a gateway does before it is ready, and stay in its memory and its supervisor's.
"""

import os

from hermes_cli.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.programs.taken_over import TakenOver

_WRITTEN = {"--supervise", "--background", "--resume", "--stay"}


def quick(arguments: list[str]) -> int | None:
    """Run `-p NAME gateway run [OPTION…]` as `entry_points.gateway` writes it; None: it is not quite that."""
    found = parsed(arguments)
    if found is None:
        return None
    from hermes_cli import mends
    from hermes_cli.errors import exit_code_of
    from hermes_cli.paths import resolve

    profile, options = found
    return exit_code_of(lambda: start(resolve(profile), **options), lambda text: mends.shown(text, profile))


def parsed(arguments: list[str]) -> tuple[str, dict[str, bool]] | None:
    """Return the profile and what `start` takes, or None. Pure."""
    options = set(arguments[4:])
    if arguments[:1] != ["-p"] or arguments[2:4] != ["gateway", "run"] or not options <= _WRITTEN:
        return None
    return arguments[1], {name.removeprefix("--"): name in options for name in _WRITTEN}


def start(paths: Paths, *, supervise: bool, background: bool, resume: bool, stay: bool) -> int:
    """Be a gateway, a program in its place, or a supervisor. Return its exit code. Raises HermesError."""
    if os.path.exists(paths.adopted):
        from hermes_cli.services.adopted import base

        base.refuse(paths, "its own service runs it")
    if supervise:
        from hermes_cli.intents import desired
        from hermes_cli.services.embedded import supervisor

        if not (background or resume):
            from hermes_cli.services.embedded.manager import Embedded

            desired.write(paths.desired, "running", "hermes gateway run --supervise")
            Embedded(paths).install()
        return supervisor.main(paths, background=background, resumed=resume, stay=stay)
    from hermes_cli.gateway import another_try

    this = another_try.Start(paths)
    try:
        from hermes_cli.gateway import tls

        tls.import_asyncio(paths)
        program = taken_over(paths)
        if program is not None:
            from hermes_cli.gateway import taken_over as runner

            return runner.main(paths, program, this)
        from hermes_cli.gateway.run import main

        return main(paths, this)
    except another_try.FAILURES as error:
        if not another_try.may_pass(error):
            raise
        this.failed(error, "the gateway", paths.state)
        return 1


def taken_over(paths: Paths) -> "TakenOver | None":
    """Return the program that runs in the place of our gateway, or None. Raises ConfigError."""
    from hermes_cli.programs import taken_over as programs

    return programs.of(paths)
