"""`hermes update`: what is typed; the rest is hermes_cli.update.run."""

import click

from hermes_cli.cli import progress_line, restart
from hermes_cli.errors import UsageError
from hermes_cli.intents import clocks, driver, progress, queue
from hermes_cli.paths import Paths
from hermes_cli.restart import policy, wake
from hermes_cli.system import locks
from hermes_cli.system.directory_watch import DirectoryWatch

# What the wait for the outcome imports when it begins (law: imports before the swap).
_BEFORE_THE_CHANGE = (DirectoryWatch, clocks, driver, locks, policy, progress, progress_line, queue, wake)


@click.command()
@click.option("--check", is_flag=True, help="Say what is new and change nothing.")
@click.option("--to", metavar="REF", help="To this branch, tag, commit or version, also backwards.")
@click.option("--rollback", is_flag=True, help="Back to what the newest update began at.")
@click.option("--after-crashes", type=(str, int), hidden=True)  # of this update, so many: see update/probation.py
@click.option("--pre", is_flag=True, help="Take pre-releases, too.")
@click.option("--stash", is_flag=True, help="Take local changes of a checkout along.")
@click.option("--no-restart", is_flag=True, help="Leave the running gateway on the old code.")
@click.option("--all-profiles", is_flag=True, help="Restart the running gateways of all profiles.")
@click.option("--history", is_flag=True, help="Show past updates and change nothing.")
@click.pass_obj
def update(
    paths: Paths,
    *,
    check: bool,
    to: str | None,
    rollback: bool,
    after_crashes: tuple[str, int] | None,
    pre: bool,
    stash: bool,
    no_restart: bool,
    all_profiles: bool,
    history: bool,
) -> int:
    """Update the installation, prove that the new code starts, and restart the gateway; also from inside it.

    If the new gateway does not come or does not stay, the old code is put back and started.
    """
    if history:
        from hermes_cli.update.history import lines

        for line in lines(paths):
            click.echo(line)
        return 0
    if no_restart and all_profiles:
        raise UsageError("--no-restart and --all-profiles contradict each other: use one of them")
    if rollback and (to is not None or pre):
        raise UsageError("--rollback goes to where the newest update began: leave --to and --pre out")
    from hermes_cli.update.rollback import Rollback
    from hermes_cli.update.run import Options
    from hermes_cli.update.run import update as run
    from hermes_cli.update.sources.base import Want

    back = Rollback() if rollback else None
    if rollback and after_crashes is not None:
        back = Rollback(f"gateway, after {after_crashes[1]} crashes", of=after_crashes[0])
    options = Options(Want(to, pre, stash), check=check, no_restart=no_restart, all_profiles=all_profiles, back=back)
    return run(paths, restart.await_outcome, options)
