"""The environment and the files of a job of launchd or systemd; no secrets.

Such a job inherits nothing of the shell that installed it, so it is given what finds this profile and its programs.
"""

import os
import shutil
import sys

from hermes_cli.errors import HermesError
from hermes_cli.intents.request import make_directories
from hermes_cli.services.job import output, owner
from hermes_cli.system import durable, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths

_PLACES = ("HERMES_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
_STANDARD = ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")


def variables(paths: "Paths", manager: str, *programs: str) -> dict[str, str]:
    """Return the variables of a job: whose it is, HERMES_HOME and the like where set, the manager, and PATH.

    `programs` and git are found on that PATH.
    """
    found = {owner.MARK: paths.state}
    found |= {name: os.path.abspath(os.path.expanduser(os.environ[name])) for name in _PLACES if os.environ.get(name)}
    return {**found, "HERMES_SERVICE_MANAGER": manager, "PATH": _path(*programs, "git")}


def added(variables: dict[str, str]) -> dict[str, str]:
    """Return those of a definition's variables that are its user's: no release of hermes sets them."""
    return {name: value for name, value in variables.items() if name not in {*_PLACES, "PATH"} and not _is_ours(name)}


def _is_ours(name: str) -> bool:
    return name.startswith("HERMES_") or name in {owner.MARK, output.RESTARTER_LOG}


def program(name: str) -> str:
    """Return the absolute path of a program on PATH. Raises HermesError."""
    found = shutil.which(name)
    if found is None:
        raise HermesError(f"{name} is not on PATH: use --manager embedded, or mend PATH and repeat")
    return os.path.abspath(found)


def make_places(paths: "Paths") -> None:
    """Make what must be there when a job is loaded: the watched directory, and private logs. Raises HermesError."""
    try:
        make_directories(paths.intents)
        durable.make_private_directory(paths.logs)
        for log in (paths.gateway_log, paths.restarter_log):  # the manager would make them readable by all
            os.close(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise HermesError(refusal.refused(error.filename or paths.logs, "made", error)) from None


def _path(*programs: str) -> str:
    places = [os.path.dirname(sys.executable)]
    for name in programs:
        found = shutil.which(name)
        if found is not None:
            places.append(os.path.dirname(os.path.abspath(found)))
    # The standard directories keep their order; others come before them.
    elsewhere = [place for place in places if place not in _STANDARD]
    return os.pathsep.join(dict.fromkeys([*elsewhere, *_STANDARD]))
