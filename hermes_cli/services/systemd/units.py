"""The three units of a profile as systemd reads them (systemd.syntax(7), .service(5), .path(5)).

Pure, except that programs are found on PATH.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from hermes_cli.config import GatewayConfig, LogConfig
from hermes_cli.errors import HermesError, UsageError
from hermes_cli.installation import entry_points
from hermes_cli.paths import Paths
from hermes_cli.programs import ends
from hermes_cli.programs.own import REFUSAL_EXIT_CODE, RESTART_EXIT_CODE
from hermes_cli.services.job import environment, names, output, restarter_program
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.owner import Said
from hermes_cli.services.systemd.shown import words

_RESTARTER = "-restarter"
_WATCHDOG = 60  # seconds without a word from the event loop until systemd ends it and starts another
_UNTIL_KILLED = 30  # seconds after start_timeout: nobody waits for the start any more
_HEAD = "# Written by {by}, which also brings it up to date. Yours go into {name}.d/*.conf.\n"
_UNSAYABLE = "cannot be said in a unit of systemd: rename it, or use --manager embedded"
_PATH = 'Environment="PATH='
# What a release of hermes writes or has written.
_OURS = frozenset(
    [
        "Description",
        "StartLimitIntervalSec",
        "StartLimitBurst",
        "User",
        "Type",
        "NotifyAccess",
        "ExecStart",
        "ExecStopPost",
        "ExecReload",
        "WorkingDirectory",
        "Restart",
        "RestartSec",
        "SuccessExitStatus",
        "RestartForceExitStatus",
        "RestartPreventExitStatus",
        "TimeoutStartSec",
        "TimeoutStopSec",
        "WatchdogSec",
        "KillMode",
        "OOMPolicy",
        "WantedBy",
        "DirectoryNotEmpty",
        "Unit",
        "StandardOutput",
        "StandardError",
    ]
)


@dataclass(frozen=True, slots=True)
class UnitDirectory:
    """The directory of the units: the user's manager's, or with `root` the system's."""

    directory: str
    root: bool = False

    @property
    def target(self) -> str:
        """Return the target that starts the units at login or boot."""
        return "multi-user.target" if self.root else "default.target"

    @property
    def user(self) -> list[str]:
        """Return the setting that names the user: without it, the system's manager gives a job no HOME."""
        return ["User=root"] if self.root else []


class Names:
    """One profile's units. Raises UsageError for a profile whose unit would be another's restarter."""

    __slots__ = ("path", "restarter", "service")

    def __init__(self, paths: Paths, suffix: str | None = None) -> None:
        """Derive the names from the suffix, see `hermes_cli.services.job.names`; None: what `install` would take."""
        base = "hermes-gateway" + (names.suffix(paths) if suffix is None else suffix)
        if f"-{paths.profile}".endswith(_RESTARTER):
            raise UsageError(f"{base}.service is another profile's restarter: name the profile otherwise")
        self.service = f"{base}.service"
        self.restarter = f"{base}{_RESTARTER}.service"
        self.path = f"{base}{_RESTARTER}.path"

    def __iter__(self) -> Iterator[str]:
        return iter((self.service, self.restarter, self.path))


def service(
    paths: Paths, gateway: GatewayConfig, log: LogConfig, place: UnitDirectory, own: Names | None = None
) -> Definition:
    """Return the gateway's unit: kept alive, told to stop before its commands are, killed last of all."""
    argv = output.into(paths.gateway_log, entry_points.gateway(paths.profile), log.bounds)
    stop = math.ceil(gateway.stop_clocks.supervisor_kill)
    return _definition(
        place,
        (own or Names(paths)).service,
        {
            "Unit": [
                f"Description=hermes chat gateway, profile {paths.profile}",
                # A crash loop ends here; a planned restart resets the count (reset-failed) and so never does.
                "StartLimitIntervalSec=300",
                "StartLimitBurst=5",
            ],
            "Service": [
                *place.user,
                "Type=notify",
                "NotifyAccess=main",
                f"ExecStart={command(argv)}",
                f"ExecStopPost=-{command(ends.argv(paths))}",  # systemd tells nobody else how it ended
                f"ExecReload={command(entry_points.restart(paths.profile))}",
                "WorkingDirectory=/",
                *_environment(paths),
                "Restart=always",
                "RestartSec=1",
                f"SuccessExitStatus={RESTART_EXIT_CODE}",
                f"RestartForceExitStatus={RESTART_EXIT_CODE}",
                f"RestartPreventExitStatus={REFUSAL_EXIT_CODE}",
                f"TimeoutStartSec={math.ceil(gateway.start_timeout) + _UNTIL_KILLED}",
                f"TimeoutStopSec={stop}",
                f"WatchdogSec={_WATCHDOG}",
                "KillMode=mixed",
                "OOMPolicy=continue",  # the kernel may end a command of the agent; the gateway goes on
            ],
            "Install": [f"WantedBy={place.target}"],
        },
    )


def restarter(paths: Paths, place: UnitDirectory, start: list[str], own: Names | None = None) -> Definition:
    """Return the driver's unit, in a cgroup of its own. `start` is systemd's own demand start of the service.

    A job that a watch starts must never fail for good, and never spin: a failed run is repeated after a pause, and the
    number of runs is not limited.
    """
    return _definition(
        place,
        (own or Names(paths)).restarter,
        {
            "Unit": [
                f"Description=hermes restarter, profile {paths.profile}",
                "StartLimitIntervalSec=0",
            ],
            "Service": [
                *place.user,
                "Type=oneshot",
                f"ExecStart={command(restarter_program.argv(paths, sys.executable, start))}",
                "WorkingDirectory=/",
                *_environment(paths, {output.RESTARTER_LOG: paths.restarter_log}),
                "Restart=on-failure",
                "RestartSec=1",
            ],
        },
    )


def watch(paths: Paths, place: UnitDirectory, own: Names | None = None) -> Definition:
    """Return the unit that starts the restarter: level-triggered, so that no event can be missed."""
    own = own or Names(paths)
    return _definition(
        place,
        own.path,
        {
            "Unit": [
                f"Description=hermes restart intents, profile {paths.profile}",
                "StartLimitIntervalSec=0",
            ],
            "Path": [f"DirectoryNotEmpty={literal(paths.pending)}", f"Unit={own.restarter}"],
            "Install": [f"WantedBy={place.target}"],
        },
    )


def command(argv: list[str]) -> str:
    """Return a command line for a unit. ':' keeps systemd from replacing $NAME in it.

    systemd refuses a program with a quote in its path; a shell starts that one.
    """
    if set(argv[0]) & set("\"'\\"):
        argv = ["/bin/sh", "-c", 'exec "$0" "$@"', *argv]
    return ":" + " ".join(quoted(word) for word in argv)


def quoted(word: str) -> str:
    """Return one word in double quotes, in which systemd undoes backslashes and percent signs. Raises HermesError."""
    escaped = _sayable(word).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def literal(text: str) -> str:
    """Return text for the rest of a line, where only percent signs mean anything. Raises HermesError."""
    if text != text.strip() or text.endswith("\\"):
        raise HermesError(f"{text!a} {_UNSAYABLE}")
    return _sayable(text).replace("%", "%%")


def _sayable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise HermesError(f"{text!a} {_UNSAYABLE}") from None
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise HermesError(f"{text!a} {_UNSAYABLE}")
    return text


def resident(paths: Paths, name: str, program: str, argv: list[str]) -> str:
    """Return the unit of the resident restarter of an adopted program: always running, never given up."""
    sections = {
        "Unit": [f"Description=restarter of {program}, by hermesctl", "StartLimitIntervalSec=0"],
        "Service": [
            "Type=exec",
            f"ExecStart={command(argv)}",
            "WorkingDirectory=/",
            *_environment(paths, {output.RESTARTER_LOG: paths.restarter_log}),
            "Restart=always",
            "RestartSec=1",
        ],
        "Install": ["WantedBy=default.target"],
    }
    return _HEAD.format(by="hermesctl gateway adopt", name=name) + "\n".join(
        f"[{section}]\n" + "".join(f"{line}\n" for line in lines) for section, lines in sections.items()
    )


def said(text: str) -> Said:
    """Return what a unit's file says of itself."""
    found: dict[str, str] = {}
    variables: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        key, equals, value = line.partition("=")
        if key == "Environment":
            variables |= dict(word.split("=", 1) for word in words(value.replace("%%", "%")) if "=" in word)
        elif equals and value:
            found[key] = value.replace("%%", "%")
    return Said(
        tuple(words(found.get("ExecStart", "").lstrip("@-:+!|"))),
        variables,
        found.get("StandardOutput", "").removeprefix("append:"),
        found.get("DirectoryNotEmpty", ""),
    )


def keeping(wanted: str, installed: str) -> str:
    """Return the wanted unit with the lines that a user added to the installed one, at the end of their sections."""
    sections = _sections(wanted)
    for heading, lines in _sections(installed).items():
        ours = sections.get(heading, [])
        added = [line for line in lines if line not in ours and _is_added(line)]
        if added and heading:
            blank = [""] if ours and not ours[-1] else []
            sections[heading] = [*ours[: len(ours) - len(blank)], *added, *blank]
    whole = (line for heading, lines in sections.items() for line in (heading, *lines))
    return "\n".join(whole).removeprefix("\n") + "\n"


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section, by its heading; those before the first by an empty one."""
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("["):
            heading = line.strip()
            found.setdefault(heading, [])
        else:
            found[heading].append(line)
    return found


def _is_added(line: str) -> bool:
    key, equals, value = line.partition("=")
    if key.strip() != "Environment":
        return bool(equals) and key.strip() not in _OURS and not line.startswith(("#", ";"))
    variables = dict(word.split("=", 1) for word in words(value) if "=" in word)
    return bool(variables) and environment.added(variables) == variables


def values(text: str) -> dict[str, str]:
    """Return each setting of a unit, and each of its variables but PATH, by name."""
    found: dict[str, str] = {}
    for heading, lines in _sections(text).items():
        for line in lines:
            key, equals, value = (part.strip() for part in line.partition("="))
            if not (heading and equals) or key.startswith(("#", ";")):
                continue
            if key == "Environment":
                found |= {name: it for word in words(value) for name, sign, it in [word.partition("=")] if sign}
            else:
                found[key] = f"{found[key]} {value}" if key in found else value
    return {name: value for name, value in found.items() if name != "PATH"}


def without_path(text: str) -> list[str]:
    """Return a unit without its PATH, to be compared."""
    return [line for line in text.splitlines() if not line.startswith(_PATH)]


def _environment(paths: Paths, more: dict[str, str] | None = None) -> list[str]:
    found = {**environment.variables(paths, "systemd", "systemctl"), **(more or {})}
    return [f"Environment={quoted(f'{name}={value}')}" for name, value in found.items()]


def _definition(place: UnitDirectory, name: str, sections: dict[str, list[str]]) -> Definition:
    blocks = ["\n".join([f"[{section}]", *lines]) + "\n" for section, lines in sections.items()]
    return Definition(
        f"{place.directory}/{name}", _HEAD.format(by="hermes gateway install", name=name) + "\n".join(blocks)
    )
