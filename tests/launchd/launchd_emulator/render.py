"""The layouts of `print` and `list`: pure functions of jobs."""

import os
import re
import signal
from collections.abc import Iterable, Mapping

from launchd_emulator.host import PATH
from launchd_emulator.job import Job

_EXITS = {
    64: "EX_USAGE",
    65: "EX_DATAERR",
    66: "EX_NOINPUT",
    67: "EX_NOUSER",
    68: "EX_NOHOST",
    69: "EX_UNAVAILABLE",
    70: "EX_SOFTWARE",
    71: "EX_OSERR",
    72: "EX_OSFILE",
    73: "EX_CANTCREAT",
    74: "EX_IOERR",
    75: "EX_TEMPFAIL",
    76: "EX_PROTOCOL",
    77: "EX_NOPERM",
    78: "EX_CONFIG",
}
_REASONS = {
    "run-at-load": "speculative",
    "keepalive": "inefficient",
    "kickstart": "non-ipc demand",
    "kickstart-k": "non-ipc demand",
    "start": "non-ipc demand",
}
_ASID = 100003


def service(job: Job) -> str:
    """Return what `print DOMAIN/LABEL` shows."""
    definition = job.definition
    agent = "submitted" if definition.submitted else "LaunchDaemon" if job.domain_name == "system" else "LaunchAgent"
    lines = [
        f"active count = {1 if job.pid else 0}",
        f"path = {definition.path}",
        f"type = {agent.capitalize() if definition.submitted else agent}",
        f"state = {job.state}",
        "",
        f"program = {definition.program}",
        *_block("arguments", definition.arguments),
        "",
    ]
    if definition.directory:
        lines += [f"working directory = {definition.directory}", ""]
    if definition.stdout:
        lines.append(f"stdout path = {definition.stdout}")
    if definition.stderr:
        lines.append(f"stderr path = {definition.stderr}")
    environment = {**definition.environment, "XPC_SERVICE_NAME": job.label}
    lines += [
        *_block("inherited environment", ["SSH_AUTH_SOCK => /private/tmp/com.apple.launchd.emulated/Listeners"]),
        "",
        *_block("default environment", [f"PATH => {PATH}"]),
        "",
        *_block("environment", [f"{name} => {value}" for name, value in environment.items()]),
        "",
        f"domain = {job.domain_name} [{_ASID}]",
        f"asid = {_ASID}",
        f"minimum runtime = {definition.throttle:g}",
        f"exit timeout = {definition.exit_timeout:g}",
        f"runs = {job.runs}",
    ]
    if job.pid:
        reason = _REASONS.get(job.spawn_cause or "", "semaphore")
        lines += [f"pid = {job.pid}", f"immediate reason = {reason}", "forks = 0", "execs = 1", "initialized = 1"]
    lines.append(_last_end(job.last_status))
    if job.pended_reason is not None and not job.pid:
        lines.append(f"pended nondemand spawn = {job.pended_reason}")
    if definition.watch_paths or definition.queue_directories:
        lines += ["", *_event_triggers(job)]
    lines += ["", *_coalition(job), "", "spawn type = daemon (3)", f"properties = {_properties(job)}"]
    return _braced(f"{job.domain_name}/{job.label}", lines)


def _last_end(status: int | None) -> str:
    if status is None:
        return "last exit code = (never exited)"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"last terminating signal = {signal.strsignal(number)}: {number}"
    code = os.WEXITSTATUS(status)
    return f"last exit code = {code}: {_EXITS[code]}" if code in _EXITS else f"last exit code = {code}"


def _event_triggers(job: Job) -> list[str]:
    inner: list[str] = []
    for name, paths in (
        ("WatchPaths", job.definition.watch_paths),
        ("QueueDirectories", job.definition.queue_directories),
    ):
        if paths:
            listed = [f'"{name}" => [', *(f'\t{number} = "{path}"' for number, path in enumerate(paths)), "]"]
            inner += _block(
                f"{job.label}.{name}",
                [
                    "keepalive = 0",
                    f"service = {job.label}",
                    "stream = com.apple.fsevents.matching",
                    "monitor = com.apple.UserEventAgent-Aqua",
                    "state = 1",
                    *_block("descriptor", listed),
                ],
                " => ",
            )
    return _block("event triggers", inner)


def _coalition(job: Job) -> list[str]:
    active = 1 if job.pid else 0
    return _block(
        "resource coalition",
        [
            "ID = 33304",
            "type = resource",
            f"state = {'active' if active else 'inactive'}",
            f"active count = {active}",
            f"name = {job.label}",
        ],
    )


def _properties(job: Job) -> str:
    definition = job.definition
    found = {
        "keepalive": definition.keep_alive is not False,
        "runatload": definition.run_at_load,
        "inferred program": definition.program == definition.arguments[0],
        "abandon process group": definition.abandon_process_group,
        "launch only once": definition.launch_only_once,
    }
    return " | ".join(name for name, holds in found.items() if holds)


def domain(name: str, jobs: Iterable[Job], overrides: Mapping[str, bool]) -> str:
    """Return what `print DOMAIN` shows, in short."""
    rows = [f"{job.pid or 0:8}      {_decoded(job.last_status):>4} \t{job.label}" for job in jobs]
    return _braced(
        name,
        [
            "type = login",
            f"handle = {_ASID}",
            f"active count = {sum(1 for job in jobs if job.pid)}",
            "",
            *_block("services", rows),
            "",
            *_block("disabled services", _override_lines(overrides)),
        ],
    )


def disabled(overrides: Mapping[str, bool]) -> str:
    """Return what `print-disabled DOMAIN` shows."""
    return _braced("disabled services", _override_lines(overrides))


def table(jobs: Iterable[Job]) -> str:
    """Return what `list` shows."""
    rows = [f"{job.pid or '-'}\t{_decoded(job.last_status)}\t{job.label}" for job in jobs]
    return "\n".join(["PID\tStatus\tLabel", *rows]) + "\n"


def dictionary(job: Job) -> str:
    """Return what `list LABEL` shows."""
    definition = job.definition
    entries = {
        "LimitLoadToSessionType": f'"{definition.sessions[0]}"',
        "Label": f'"{job.label}"',
        "OnDemand": "true" if definition.keep_alive is False else "false",
        "LastExitStatus": str(job.last_status or 0),
    }
    if job.pid:
        entries["PID"] = str(job.pid)
    entries["Program"] = f'"{definition.program}"'
    lines = [f'\t"{name}" = {value};' for name, value in entries.items()]
    arguments = [f'\t\t"{one}";' for one in definition.arguments]
    return "\n".join(["{", *lines, '\t"ProgramArguments" = (', *arguments, "\t);", "};"]) + "\n"


def with_noise(text: str, noise: str) -> str:
    """Return the text as another release of launchctl might print it."""
    if noise == "truncated":
        return text[: len(text) // 3]
    head, *lines, end = text.rstrip("\n").split("\n")
    if noise == "unknown fields":
        added = [
            "\tflux = 3",
            "\tstate of mind = running",
            "\tpid of parent = 1",
            "",
            "\tnovelty = {",
            "\t\tpid = 1",
            "\t}",
        ]
        lines = [lines[0], *added, *lines[1:]]
    elif noise == "reordered":
        lines = "\n".join(reversed(_chunks(lines))).split("\n")
    return "\n".join([head, *lines, end]) + "\n"


def _chunks(lines: list[str]) -> list[str]:
    """Return the top-level entries, each a line or a whole block."""
    text = "\n".join(line for line in lines if line)
    return re.findall(r"^\t[^\t\n]* = \{\n(?:\t\t.*\n)*\t\}$|^\t.*$", text, flags=re.MULTILINE)


def _decoded(status: int | None) -> int:
    return 0 if status is None else os.waitstatus_to_exitcode(status)


def _override_lines(overrides: Mapping[str, bool]) -> list[str]:
    return [f'"{label}" => {"disabled" if value else "enabled"}' for label, value in overrides.items()]


def _block(name: str, lines: Iterable[str], joint: str = " = ") -> list[str]:
    return [f"{name}{joint}{{", *(f"\t{line}" for line in lines), "}"]


def _braced(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{name} = {{", *(f"\t{line}" if line else "" for line in lines), "}"]) + "\n"
