"""Where the lock of this installation lies: one update at a time may change it, whichever home asks.

It lies with the code, so whoever can update that can write it: in git's directory of a checkout, else in the environment.
"""

import os

from hermes_cli.installation import origin
from hermes_cli.installation.revision import git_directory

NAME = "hermes-updater"  # not *.lock: those are git's own, and it takes a left one for a crash


def path() -> str:
    """Return the path of the lock. Cheap: two small files are read at the most."""
    folder = os.path.dirname(origin.package())
    if os.path.basename(folder) in {"site-packages", "dist-packages"}:
        # PREFIX/lib/pythonX.Y/site-packages: what is beside the packages is nobody's, and pip does not look there.
        return os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(folder))), NAME)
    return os.path.join(git_directory(folder) or folder, NAME)
