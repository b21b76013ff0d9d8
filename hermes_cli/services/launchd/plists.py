"""The two jobs of a profile as launchd reads them (launchd.plist(5)). Pure, except that programs are found on PATH."""

import math
import os
import plistlib
import sys
from typing import Any

from hermes_cli.config import GatewayConfig, LogConfig
from hermes_cli.installation import entry_points
from hermes_cli.paths import Paths
from hermes_cli.services.job import environment, names, output, restarter_program
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.owner import Said

_NET = 300  # seconds: the restarter looks even if every event was lost
# A login session, or one over ssh: without it a job of the user domain is refused (134).
_SESSIONS = ["Aqua", "Background"]
# What a release of hermes writes or has written, and what would keep launchd from starting the job.
_OURS = frozenset(
    [
        "Label",
        "LimitLoadToSessionType",
        "EnvironmentVariables",
        "RunAtLoad",
        "ProgramArguments",
        "Program",
        "KeepAlive",
        "ExitTimeOut",
        "ThrottleInterval",
        "WatchPaths",
        "QueueDirectories",
        "StartInterval",
        "ProcessType",
        "StandardOutPath",
        "StandardErrorPath",
        "Disabled",
        "LaunchOnlyOnce",
        "OnDemand",
    ]
)


def label(suffix: str) -> str:
    """Return the service's label; see `hermes_cli.services.job.names` for the suffix."""
    return f"ai.hermes.gateway{suffix}"


def restarter_label(service: str) -> str:
    """Return the label of a service's restarter."""
    return f"{service}.restarter"


def path_of(name: str) -> str:
    """Return the path of a label's definition, in the folder that launchd loads at login."""
    return f"{os.path.expanduser('~')}/Library/LaunchAgents/{name}.plist"


def label_of(definition: Definition) -> str:
    """Return the label of a definition in the folder that launchd loads at login."""
    return os.path.basename(definition.path).removesuffix(".plist")


def service(paths: Paths, gateway: GatewayConfig, log: LogConfig, name: str | None = None) -> Definition:
    """Return the gateway's job, labelled `name`: kept alive, and stopped with time to drain."""
    return _definition(
        paths,
        name or label(names.suffix(paths)),
        {},
        {
            "ProgramArguments": output.into(paths.gateway_log, entry_points.gateway(paths.profile), log.bounds),
            "KeepAlive": True,
            "ExitTimeOut": math.ceil(gateway.stop_clocks.supervisor_kill),
            "ThrottleInterval": max(1, math.ceil(gateway.restart_clocks.spawn_interval)),
        },
    )


def restarter(paths: Paths, domain: str, name: str | None = None) -> Definition:
    """Return the driver's job for the service `name`: started by the queue, a poke, its load and the clock.

    It is never kept alive (B5).
    """
    name = name or label(names.suffix(paths))
    start = [environment.program("launchctl"), "kickstart", f"{domain}/{name}"]
    return _definition(
        paths,
        restarter_label(name),
        {output.RESTARTER_LOG: paths.restarter_log},
        {
            "ProgramArguments": restarter_program.argv(paths, sys.executable, start),
            "WatchPaths": [paths.pending],
            "QueueDirectories": [paths.pending],
            "StartInterval": _NET,
            "ThrottleInterval": 1,  # two requests in a row are not to wait for each other
        },
    )


def resident(paths: Paths, name: str, argv: list[str]) -> Definition:
    """Return the resident restarter of an adopted program: always running, and loaded at login."""
    return _definition(
        paths,
        name,
        {output.RESTARTER_LOG: paths.restarter_log},
        # Interactive: what launchd calls background is throttled, and somebody waits for what this one does.
        {"ProgramArguments": argv, "KeepAlive": True, "ThrottleInterval": 1, "ProcessType": "Interactive"},
    )


def task(paths: Paths, name: str, path: str, argv: list[str], variables: dict[str, str]) -> Definition:
    """Return a job that runs once, outside the gateway's tree. Its file is where no login looks for it."""
    return Definition(path, _plist(paths, name, variables, {"ProgramArguments": argv}))


def said(text: str) -> Said:
    """Return what a definition says of itself; nothing if it is none."""
    document = _parsed(text)
    if document is None:
        return Said()
    argv, variables, watched = (document.get(key) for key in ("ProgramArguments", "EnvironmentVariables", "WatchPaths"))
    words = [str(word) for word in argv] if isinstance(argv, list) else []
    if not words and isinstance(document.get("Program"), str):
        words = [document["Program"]]
    return Said(
        tuple(words),
        {str(name): str(value) for name, value in variables.items()} if isinstance(variables, dict) else {},
        str(document.get("StandardOutPath") or ""),
        str(watched[0]) if isinstance(watched, list) and watched else "",
    )


def _definition(paths: Paths, name: str, variables: dict[str, str], keys: dict[str, Any]) -> Definition:
    return Definition(path_of(name), _plist(paths, name, variables, {"RunAtLoad": True, **keys}))


def _plist(paths: Paths, name: str, variables: dict[str, str], keys: dict[str, Any]) -> str:
    document = {
        "Label": name,
        "LimitLoadToSessionType": _SESSIONS,
        "EnvironmentVariables": {**environment.variables(paths, "launchd", "launchctl"), **variables},
        **keys,
    }
    return plistlib.dumps(document).decode()


def is_out_of_reach(place: str, home: str) -> bool:
    """Say whether a job could not open its log there: on an external volume, or in a folder that macOS protects.

    It exits 78 before its program runs (NousResearch/hermes-agent#78129).
    """
    protected = ("/Volumes", *(f"{home}/{name}" for name in ("Desktop", "Documents", "Downloads")))
    return any(f"{place}/".startswith(f"{one}/") for one in protected)


def keeping(wanted: str, installed: str) -> str:
    """Return the wanted plist with what a user added to the installed one: keys, and variables of the environment."""
    ours, theirs = _parsed(wanted), _parsed(installed)
    if ours is None or theirs is None:
        return wanted
    added = {key: value for key, value in theirs.items() if key not in _OURS and key not in ours}
    variables = theirs.get("EnvironmentVariables")
    if isinstance(variables, dict):
        ours["EnvironmentVariables"] = {**environment.added(variables), **ours["EnvironmentVariables"]}
    return plistlib.dumps({**ours, **added}).decode()


def without_path(text: str) -> Any:
    """Return a definition without its PATH, to be compared; a text that is no definition stays as it is."""
    document = _parsed(text)
    if document is None:
        return text
    if isinstance(document.get("EnvironmentVariables"), dict):
        document["EnvironmentVariables"].pop("PATH", None)
    return document


def _parsed(text: str) -> dict[str, Any] | None:
    from xml.parsers.expat import ExpatError

    try:
        document = plistlib.loads(text.encode())
    except (plistlib.InvalidFileException, ExpatError, ValueError):
        return None
    return document if isinstance(document, dict) else None
