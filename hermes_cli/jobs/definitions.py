"""Bring the definitions and the restarter's copy up to date with the release that runs this.

Run by name after an update, see `hermes_cli.jobs`: the installed code knows what its definitions should be. A profile
that was never installed stays so; one that predates a definition gets it.
"""

from hermes_cli.errors import HermesError
from hermes_cli.paths import profiles, resolve, sibling


def main(profile: str) -> int:
    """Write the definitions that differ, print their paths, and return the exit code."""
    from hermes_cli.installation import copy
    from hermes_cli.restart import ask
    from hermes_cli.services import choose

    paths, code = resolve(profile), 0
    for name in profiles(paths):
        owner = sibling(paths, name)
        try:
            copy.keep(owner)
            manager = choose(owner)
            drifted = manager.drifted()
            if drifted and manager.install():
                record = ask.ask(owner, reason="definitions", command="hermes update", action="reload")
                ask.send(owner, record)
        except HermesError as error:
            print(f"profile {name}: {error}")
            code = 1
            continue
        for path in drifted:
            print(f"wrote {path}")
    return code
