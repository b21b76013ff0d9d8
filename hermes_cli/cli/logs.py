"""`hermes gateway logs`."""

import os
import sys

import click

from hermes_cli.errors import HermesError
from hermes_cli.paths import Paths


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, show_default=True, help="How many lines.")
@click.pass_obj
def logs(paths: Paths, *, follow: bool, lines: int) -> None:
    """Show the gateway's log."""
    try:
        file = open(paths.gateway_log, "rb")  # noqa: SIM115  followed below, closed by the with statement
    except OSError as error:
        raise HermesError(
            f"{paths.gateway_log} cannot be read ({error.strerror}): a gateway in the foreground logs to its terminal"
        ) from None
    with file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - lines * 400))
        tail = file.read().splitlines(keepends=True)
        sys.stdout.buffer.writelines(tail[-lines:] if lines else [])
        sys.stdout.flush()
        if not follow:
            return
        from hermes_cli.system.directory_watch import DirectoryWatch

        with DirectoryWatch(paths.logs, modified=True) as watch:
            while True:
                sys.stdout.buffer.write(file.read())
                sys.stdout.flush()
                try:
                    watch.wait(3600.0)
                except KeyboardInterrupt:
                    return
