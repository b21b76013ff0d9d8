"""`hermes gateway dashboard`: a page in the browser, for as long as this runs."""

import secrets

import click

from hermes_cli.errors import HermesError
from hermes_cli.paths import Paths


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="On this port.  [default: any that is free]")
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@click.pass_obj
def dashboard(paths: Paths, *, port: int, open_it: bool) -> int:
    """Show every profile in the browser, live, on this machine only; Ctrl-C ends it. Whoever has the URL may act."""
    from hermes_cli.dashboard.server import Server

    try:
        server = Server(paths, port, secrets.token_urlsafe(32))
    except OSError as error:
        raise HermesError(f"127.0.0.1:{port} cannot be listened on ({error.strerror}): choose another --port") from None
    with server:
        click.echo(server.url)
        if open_it:
            click.launch(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0
