"""After an update, the new release brings its definitions and the restarter's copy up to date, in a fresh process.

`python -P -m hermes_cli.update.definitions`: what a definition should be is known to the code that is installed now.
A profile that was never installed stays so; one that predates a definition gets it.
"""

import sys

from hermes_cli.errors import HermesError
from hermes_cli.paths import Paths, profiles, resolve, sibling
from hermes_cli.update.command import run
from hermes_cli.update.sources.base import Say

TIMEOUT = 60.0


def refresh(paths: Paths, say: Say) -> None:
    """Have the installed release see to its definitions, for every profile. Never raises: the update itself is done."""
    argv = [sys.executable, "-P", "-m", "hermes_cli.update.definitions", paths.profile]
    try:
        done = run(argv, TIMEOUT)
    except OSError as error:
        say(f"definitions were not looked at ({error}): hermes gateway install")
        return
    for line in done.out.splitlines():
        say(line)
    if not done.ok:
        say(f"definitions were not looked at ({done.why}): hermes gateway install")


def main(profile: str) -> int:
    """Bring what drifted up to date, and say what was."""
    from hermes_cli import requester, restarter_copy
    from hermes_cli.services import choose

    paths, code = resolve(profile), 0
    for name in profiles(paths):
        owner = sibling(paths, name)
        try:
            restarter_copy.keep(owner)
            manager = choose(owner)
            drifted = manager.drifted()
            if drifted and manager.install():
                record = requester.ask(owner, reason="definitions", command="hermes update", action="reload")
                requester.send(owner, record)
        except HermesError as error:
            print(f"profile {name}: {error}")
            code = 1
            continue
        for path in drifted:
            print(f"wrote {path}")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
