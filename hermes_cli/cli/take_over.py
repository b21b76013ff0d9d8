"""`install --program FILE`: a program without a service of its own becomes a profile of ours."""

import os
import shutil

import click

from hermes_cli.errors import HermesError, UsageError
from hermes_cli.paths import DEFAULT_PROFILE, Paths, resolve
from hermes_cli.programs import adoption, program_file
from hermes_cli.programs.taken_over import TakenOver
from hermes_cli.services import registered
from hermes_cli.system import durable, locks, refusal


def take_over(paths: Paths, path: str, *, only_look: bool) -> Paths:
    """Check the program file and keep a copy of it. Return its profile. Raises UsageError, ConfigError, HermesError."""
    what = program_file.load(path)
    if what.get("argv") is None:
        raise UsageError(f"{what.name} has a service of its own: hermes gateway adopt {path}")
    paths = resolve(what.name) if paths.profile == DEFAULT_PROFILE else paths
    place = adoption.program_path(paths)
    if adoption.read(paths) is not None:
        raise UsageError(f"profile {paths.profile} adopts a program already: hermes gateway release, or use -p NAME")
    if not os.path.exists(place) and registered.read(paths).get("manager") is not None:
        raise UsageError(f"profile {paths.profile} has a gateway of its own: use -p NAME for {what.name}")
    program = TakenOver(paths, what)
    if shutil.which(program.argv[0]) is None:
        raise HermesError(f"{program.argv[0]} is no program that can be run: mend argv in {path}")
    if only_look or durable.read_text(place) == what.text:
        return paths
    try:
        durable.make_private_directory(os.path.dirname(place))
        durable.publish_text(place, what.text, 0o600)
    except OSError as error:
        raise HermesError(refusal.refused(place, "written", error)) from None
    click.echo(f"wrote {place}")
    if locks.is_held(paths.gateway_lock):
        click.echo(f"{what.name} runs as it was told before: hermes -p {paths.profile} gateway restart")
    return paths
