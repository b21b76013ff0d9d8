"""`hermes gateway doctor`."""

import click

from hermes_cli.paths import Paths
from hermes_cli.system.printable import printable


@click.command()
@click.pass_obj
def doctor(paths: Paths) -> int:
    """Check everything that can keep a restart from happening, and name the mend.

    Exit code: 0 nothing was found, 1 something was.
    """
    from hermes_cli import mends
    from hermes_cli.installation.revision import RevisionQuery
    from hermes_cli.services import choose
    from hermes_cli.status.doctor import checks

    home = mends.home_to_name()

    def say(text: str) -> str:
        return mends.pasteable(text, paths.profile, program=mends.program(), home=home)

    sick = False
    for check in checks(paths, choose(paths), RevisionQuery().collect):
        if not check.problems:
            click.echo(printable(f"ok       {check.passed}"))
        for problem in check.problems:
            click.echo(printable(f"problem  {say(problem.text)}: {say(problem.mend)}"))
            sick = True
    return int(sick)
