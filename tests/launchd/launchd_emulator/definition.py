"""A property list as launchd takes it: read once, checked, and never read again."""

import os
import plistlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

from launchd_emulator import errors, throttle
from launchd_emulator.errors import Refused
from launchd_emulator.keepalive import KeepAlive

DEFAULT_EXIT_TIMEOUT = 5
LONGEST_EXIT_TIMEOUT = 60  # a plist's 120 was seen as 60
DEFAULT_SESSION = "Aqua"


@dataclass(frozen=True)
class Definition:
    """The contents of a plist, completed with launchd's defaults."""

    label: str
    path: str
    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    umask: int = 0o022
    run_at_load: bool = False
    keep_alive: KeepAlive = False
    launch_only_once: bool = False
    abandon_process_group: bool = False
    throttle: float = throttle.DEFAULT_INTERVAL
    exit_timeout: float = DEFAULT_EXIT_TIMEOUT
    watch_paths: tuple[str, ...] = ()
    queue_directories: tuple[str, ...] = ()
    start_interval: float = 0
    calendar: tuple[Mapping[str, int], ...] = ()
    sessions: tuple[str, ...] = (DEFAULT_SESSION,)
    disabled: bool = False
    submitted: bool = False


def read(path: str, user: int) -> Definition:
    """Read the definition that this user wants to load. Raises Refused."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            content = file.read()
    except OSError as error:
        raise Refused(errors.IO_ERROR) from error
    if found.st_uid not in {user, 0} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(errors.BAD_OWNERSHIP)
    try:
        record = plistlib.loads(content)
    except (plistlib.InvalidFileException, ExpatError, ValueError) as error:
        raise Refused(errors.BAD_PLIST) from error
    if not isinstance(record, dict):
        raise Refused(errors.BAD_PLIST)
    return parse(record, path)


def parse(record: Mapping[str, Any], path: str) -> Definition:
    """Return the definition in a property list. Raises Refused."""
    label = record.get("Label")
    if not isinstance(label, str) or not label:
        raise Refused(errors.NO_LABEL)
    arguments = _strings(record.get("ProgramArguments"))
    program = record.get("Program") or (arguments[0] if arguments else None)
    if not isinstance(program, str):
        raise Refused(errors.NO_PROGRAM)
    return Definition(
        label=label,
        path=path,
        program=program,
        arguments=arguments or (program,),
        environment=_environment(record.get("EnvironmentVariables")),
        directory=_string(record.get("WorkingDirectory")),
        stdout=_string(record.get("StandardOutPath")),
        stderr=_string(record.get("StandardErrorPath")),
        umask=_umask(record.get("Umask")),
        run_at_load=record.get("RunAtLoad") is True,
        keep_alive=_keep_alive(record.get("KeepAlive")),
        launch_only_once=record.get("LaunchOnlyOnce") is True,
        abandon_process_group=record.get("AbandonProcessGroup") is True,
        throttle=_number(record.get("ThrottleInterval"), throttle.DEFAULT_INTERVAL),
        exit_timeout=min(_number(record.get("ExitTimeOut"), DEFAULT_EXIT_TIMEOUT), LONGEST_EXIT_TIMEOUT),
        watch_paths=_strings(record.get("WatchPaths")),
        queue_directories=_strings(record.get("QueueDirectories")),
        start_interval=_number(record.get("StartInterval"), 0),
        calendar=_calendar(record.get("StartCalendarInterval")),
        sessions=_sessions(record.get("LimitLoadToSessionType")),
        disabled=record.get("Disabled") is True,
    )


def submitted(
    label: str, arguments: list[str], program: str | None, stdout: str | None, stderr: str | None
) -> Definition:
    """Return the definition that `launchctl submit` makes: a job that is kept alive until it is removed."""
    return Definition(
        label=label,
        path="(submitted by launchctl)",
        program=program or arguments[0],
        arguments=tuple(arguments) or (program or "",),
        environment={},
        stdout=stdout,
        stderr=stderr,
        keep_alive=True,
        submitted=True,
    )


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _number(value: Any, default: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else default


def _environment(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: one for name, one in value.items() if isinstance(one, str)}


def _keep_alive(value: Any) -> KeepAlive:
    return value if isinstance(value, bool | dict) else False


def _umask(value: Any) -> int:
    if isinstance(value, str):
        return int(value, 8) if value and not set(value) - set("01234567") else 0o022
    return value if isinstance(value, int) and not isinstance(value, bool) else 0o022


def _calendar(value: Any) -> tuple[Mapping[str, int], ...]:
    entries = value if isinstance(value, list) else [value]
    return tuple(
        one for one in entries if isinstance(one, dict) and all(isinstance(value, int) for value in one.values())
    )


def _sessions(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else _strings(value) or (DEFAULT_SESSION,)
