"""`hermes gateway probe`: for an orchestrator. `hermes_cli.__main__` answers it without the command line."""

import click

from hermes_cli.paths import Paths
from hermes_cli.status.probe import KINDS, run


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.pass_obj
def probe(paths: Paths, kind: str) -> int:
    """Say whether the gateway is live or ready, for the probes of an orchestrator; in a few milliseconds.

    Exit code: 0 yes, 3 no.
    """
    return run(paths, kind)
