"""`hermes update`: what is typed; the rest is hermes_cli.update.run."""

import click

from hermes_cli import clocks, locks, look, policy
from hermes_cli.cli import progress_line, restart
from hermes_cli.directory_watch import DirectoryWatch
from hermes_cli.errors import UsageError
from hermes_cli.intents import driver, progress, queue
from hermes_cli.paths import Paths

# What the wait for the outcome imports when it begins: by then another release lies on the disk.
_BEFORE_THE_CHANGE = (DirectoryWatch, clocks, driver, locks, look, policy, progress, progress_line, queue)


@click.command()
@click.option("--check", is_flag=True, help="Say what is new and change nothing.")
@click.option("--no-restart", is_flag=True, help="Leave the running gateway on the old code.")
@click.option("--all-profiles", is_flag=True, help="Restart the gateways of all profiles (not supported yet).")
@click.option("--to", metavar="REF", help="Update to this revision (not supported yet).")
@click.pass_obj
def update(paths: Paths, *, check: bool, no_restart: bool, all_profiles: bool, to: str | None) -> int:
    """Update the installation, prove that the new code starts, and restart the gateway; also from inside it."""
    if all_profiles:
        raise UsageError(
            "--all-profiles is not supported yet: hermes update, then hermes -p NAME gateway restart for each"
        )
    if to is not None:
        raise UsageError("--to is not supported yet: hermes update brings in the upstream branch")
    from hermes_cli.update.run import update as run

    return run(paths, restart.await_outcome, check=check, no_restart=no_restart)
