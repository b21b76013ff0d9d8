"""The restarter's program: an `sh` script, kept outside the code that updates replace (A12).

launchd and systemd start it; `jobs/hermes-restarter.sh` says what it does when the package cannot run. macOS shows its
name under Login Items.
"""

import os
import shutil

from hermes_cli.errors import HermesError
from hermes_cli.installation import copy, origin
from hermes_cli.services.job import definition
from hermes_cli.system import durable, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths

_SOURCE = os.path.join(origin.HERE, "jobs", "hermes-restarter.sh")


def path_of(paths: "Paths") -> str:
    """Return where the program is installed."""
    return f"{paths.restarter}/hermes-restarter"


def argv(paths: "Paths", python: str, start: list[str]) -> list[str]:
    """Return the program's command line; `start` is the manager's demand start of the service."""
    return [path_of(paths), python, paths.profile, paths.state, *start]


def text() -> str:
    """Return the text that `install` would write. Raises HermesError when this installation is not whole."""
    found = definition.read(_SOURCE)
    if found is None:
        raise HermesError(f"{_SOURCE} is missing: install hermes again")
    return found


def install(paths: "Paths") -> None:
    """Write the program, or replace it whole. Raises HermesError.

    A shell that is reading the old one goes on with the old one.
    """
    wanted = text()
    place = path_of(paths)
    copy.keep(paths)  # the program runs it when the installed package cannot run
    try:
        if not drifted(paths):
            return
        durable.make_private_directory(paths.restarter)
        durable.publish_text(place, wanted, mode=0o700)
    except OSError as error:
        raise HermesError(refusal.refused(place, "written", error)) from None


def drifted(paths: "Paths") -> tuple[str, ...]:
    """Return the program's path when it is missing or of another release."""
    place = path_of(paths)
    return () if definition.read(place) == text() and os.access(place, os.X_OK) else (place,)


def remove(paths: "Paths") -> None:
    """Remove the program and all that is beside it."""
    shutil.rmtree(paths.restarter, ignore_errors=True)
