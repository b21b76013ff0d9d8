"""The two jobs of a profile as launchd reads them (launchd.plist(5)). Pure, except that programs are found on PATH."""

import math
import os
import plistlib
import sys
from typing import Any

from hermes_cli.config import GatewayConfig, LogConfig
from hermes_cli.installation import entry_points
from hermes_cli.paths import DEFAULT_PROFILE, Paths
from hermes_cli.services.job import environment, output, restarter_program
from hermes_cli.services.job.definition import Definition

_NET = 300  # seconds: the restarter looks even if every event was lost
# A login session, or one over ssh: without it a job of the user domain is refused (134).
_SESSIONS = ["Aqua", "Background"]


def label(paths: Paths) -> str:
    """Return the service's label."""
    return "ai.hermes.gateway" + ("" if paths.profile == DEFAULT_PROFILE else f"-{paths.profile}")


def restarter_label(paths: Paths) -> str:
    """Return the restarter's label."""
    return f"{label(paths)}.restarter"


def path_of(name: str) -> str:
    """Return the path of a label's definition, in the folder that launchd loads at login."""
    return f"{os.path.expanduser('~')}/Library/LaunchAgents/{name}.plist"


def label_of(definition: Definition) -> str:
    """Return the label of a definition in the folder that launchd loads at login."""
    return os.path.basename(definition.path).removesuffix(".plist")


def service(paths: Paths, gateway: GatewayConfig, log: LogConfig) -> Definition:
    """Return the gateway's job: kept alive, and stopped with time to drain."""
    name = label(paths)
    return _definition(
        name,
        {},
        {
            "ProgramArguments": output.into(paths.gateway_log, entry_points.gateway(paths.profile), log.bounds),
            "KeepAlive": True,
            "ExitTimeOut": math.ceil(gateway.stop_clocks.supervisor_kill),
            "ThrottleInterval": max(1, math.ceil(gateway.restart_clocks.spawn_interval)),
        },
    )


def restarter(paths: Paths, domain: str) -> Definition:
    """Return the driver's job: started by the queue, a poke, its load and the clock; never kept alive (B5)."""
    start = [environment.program("launchctl"), "kickstart", f"{domain}/{label(paths)}"]
    return _definition(
        restarter_label(paths),
        {output.RESTARTER_LOG: paths.restarter_log},
        {
            "ProgramArguments": restarter_program.argv(paths, sys.executable, start),
            "WatchPaths": [paths.pending],
            "QueueDirectories": [paths.pending],
            "StartInterval": _NET,
            "ThrottleInterval": 1,  # two requests in a row are not to wait for each other
        },
    )


def task(name: str, path: str, argv: list[str], variables: dict[str, str]) -> Definition:
    """Return a job that runs once, outside the gateway's tree. Its file is where no login looks for it."""
    return Definition(path, _plist(name, variables, {"ProgramArguments": argv}))


def _definition(name: str, variables: dict[str, str], keys: dict[str, Any]) -> Definition:
    return Definition(path_of(name), _plist(name, variables, {"RunAtLoad": True, **keys}))


def _plist(name: str, variables: dict[str, str], keys: dict[str, Any]) -> str:
    document = {
        "Label": name,
        "LimitLoadToSessionType": _SESSIONS,
        "EnvironmentVariables": {**environment.variables("launchd", "launchctl"), **variables},
        **keys,
    }
    return plistlib.dumps(document).decode()


def is_out_of_reach(place: str, home: str) -> bool:
    """Say whether a job could not open its log there: on an external volume, or in a folder that macOS protects.

    It exits 78 before its program runs (NousResearch/hermes-agent#78129).
    """
    protected = ("/Volumes", *(f"{home}/{name}" for name in ("Desktop", "Documents", "Downloads")))
    return any(f"{place}/".startswith(f"{one}/") for one in protected)


def started(text: str) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the variables of a definition that `service` has written, of any release."""
    document = _parsed(text)
    found = document if isinstance(document, dict) else {}
    argv, variables = found.get("ProgramArguments"), found.get("EnvironmentVariables")
    return (
        [str(word) for word in argv] if isinstance(argv, list) else [],
        {str(name): str(value) for name, value in variables.items()} if isinstance(variables, dict) else {},
    )


def without_path(text: str) -> Any:
    """Return a definition without its PATH, to be compared; a text that is no definition stays as it is."""
    document = _parsed(text)
    if document is None:
        return text
    if isinstance(document, dict) and isinstance(document.get("EnvironmentVariables"), dict):
        document["EnvironmentVariables"].pop("PATH", None)
    return document


def _parsed(text: str) -> Any:
    """Return what a definition says, or None if it is none."""
    from xml.parsers.expat import ExpatError

    try:
        return plistlib.loads(text.encode())
    except (plistlib.InvalidFileException, ExpatError, ValueError):
        return None
