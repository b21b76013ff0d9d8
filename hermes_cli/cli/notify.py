"""`hermes gateway notify`."""

import time

import click

from hermes_cli.errors import UsageError
from hermes_cli.paths import Paths
from hermes_cli.system.printable import printable


@click.command()
@click.option("--test", is_flag=True, help="Send an event that nothing has happened for, once.")
@click.pass_obj
def notify(paths: Paths, *, test: bool) -> int:
    """Tell now what is to be told: run [notify] command, and [hooks] after_restart, for each outcome they have not had.

    Exit code: 0 all was told, or there was nothing, 1 something could not be.
    """
    from hermes_cli.config import load
    from hermes_cli.notify import deliver
    from hermes_cli.notify.events import Event
    from hermes_cli.notify.run import run

    config = load(paths.config)
    settings = config.notify
    if not (settings.command if test else deliver.is_wanted(config)):
        raise UsageError("no command is to be told: hermes config set notify.command '[\"/path/of/a/program\"]'")
    if test:
        event = Event("test", "test", time.time(), "hermes gateway notify --test")
        found = [deliver.Delivery(event, run(settings.command, event.document(paths.profile), settings.timeout))]
    else:
        found = deliver.deliver(paths)
    for one in found:
        click.echo(printable(f"{one.event.name}  {one.event.id}  {one.why or 'told'}"))
    return int(any(one.why is not None for one in found))
