"""What a person can do after the first `install`, and what starts the gateway again after a reboot."""

import click

from hermes_cli import mends
from hermes_cli.paths import Paths
from hermes_cli.services.base import ServiceManager, ServiceStatus
from hermes_cli.system.printable import printable


def say(paths: Paths, service: ServiceManager, *, is_first: bool) -> None:
    """Print after the first `install` what can be done now, and after each what is wrong."""
    status = service.status()
    home = mends.home_to_name()
    for line in _lines(paths, service, status, home) if is_first else ():
        click.echo(printable(line))
    for problem in status.problems:
        shown = mends.said(problem, paths.profile, home)
        click.echo(printable(f"problem: {shown.text}"), err=True)
        click.echo(printable(f"  {shown.mend}"), err=True)


def _lines(paths: Paths, service: ServiceManager, status: ServiceStatus, home: str | None) -> list[str]:
    """Return the lines, with commands that can be pasted."""

    def named(text: str) -> str:
        return mends.pasteable(text, paths.profile, program=mends.program(), home=home)

    supervise = named("hermes gateway run --supervise")
    return [
        f"status     {named('hermes gateway status')}",
        *([] if _is_taken_over(paths) else [f"chat       {named('hermes chat')}"]),
        f"log        {paths.gateway_log}, {named('hermes gateway logs -f')}",
        f"at boot    {_at_boot(service.name, {one.code for one in status.problems}, supervise)}",
    ]


def _is_taken_over(paths: Paths) -> bool:
    from hermes_cli.programs import taken_over

    return taken_over.of(paths) is not None


def _at_boot(manager: str, codes: set[str], supervise: str = "hermes gateway run --supervise") -> str:
    if manager == "launchd":
        return "launchd starts it when you log in"
    if manager == "systemd":
        if "no-linger" in codes:
            return "systemd starts it when you log in, and ends it when you log out"
        return "systemd starts it"
    if "no-boot" in codes:
        return "nothing starts it"
    return f"nothing starts it, unless a container or an init of yours runs: {supervise}"
