"""After an update, have the new release bring its definitions and the restarter's copy up to date, in a fresh process."""

from hermes_cli.environment import scrubbed
from hermes_cli.installation import entry_points
from hermes_cli.paths import Paths
from hermes_cli.system.command import run
from hermes_cli.update.candidate import LineSink

TIMEOUT = 60.0


def refresh(paths: Paths, say: LineSink) -> None:
    """Have the installed release write the definitions of every profile. Never raises: the update itself is done."""
    argv = entry_points.argv(entry_points.DEFINITIONS, paths.profile)
    try:
        done = run(argv, TIMEOUT, environment=scrubbed())
    except OSError as error:
        say(f"definitions were not looked at ({error}): hermes gateway install")
        return
    for line in done.out.splitlines():
        say(line)
    if not done.ok:
        say(f"definitions were not looked at ({done.why}): hermes gateway install")
