"""Bring the definitions and the restarter's copy up to date with the release that runs this.

Run by name after an update, see `hermes_cli.jobs`: the installed code knows what its definitions should be. A profile
that was never installed stays so; one that predates a definition gets it.
"""

import contextlib

from hermes_cli.errors import HermesError
from hermes_cli.paths import profiles, resolve, sibling


def main(profile: str) -> int:
    """Write the definitions that differ, print their paths, and return the exit code."""
    from hermes_cli.installation import copy, origin
    from hermes_cli.restart import ask, send
    from hermes_cli.services import choose
    from hermes_cli.services.job import edits
    from hermes_cli.update.sources.git import dependencies

    paths, code = resolve(profile), 0
    with contextlib.suppress(OSError):  # an environment that is not ours to write to
        dependencies.leave_one_name(origin.package())
    for name in profiles(paths):
        owner = sibling(paths, name)
        try:
            copy.keep(owner)
            manager = choose(owner)
            drifted = manager.drifted()
            if drifted:
                edits.say(manager.definitions(), print)
            if drifted and manager.install():
                record = ask.ask(owner, reason="definitions", command="hermes update", action="reload")
                send.look_after(owner, send.send(owner, record, manager=manager))
        except HermesError as error:
            print(f"profile {name}: {error}")
            code = 1
            continue
        for path in drifted:
            print(f"wrote {path}")
    return code
