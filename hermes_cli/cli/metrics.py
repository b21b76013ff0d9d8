"""`hermes gateway metrics`."""

import os

import click

from hermes_cli.paths import Paths


@click.command()
@click.option("--textfile", metavar="FILE", help="Write them into this file whole, for node_exporter's collector.")
@click.pass_obj
def metrics(paths: Paths, *, textfile: str | None) -> None:
    """Print figures of every profile's gateway in Prometheus's text format."""
    from hermes_cli.installation.revision import RevisionQuery

    query = RevisionQuery()
    from hermes_cli.status.metrics import text
    from hermes_cli.status.overview import overview

    found = text(overview(paths, query.collect))
    if textfile is None:
        click.echo(found, nl=False)
        return
    from hermes_cli.system.durable import publish_text

    publish_text(os.path.abspath(textfile), found, 0o644)
