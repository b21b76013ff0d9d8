"""The kernel's answers about a pid: its parent, and when it started. Cheap to import and to call.

Linux: field 22 of /proc/PID/stat (proc_pid_stat(5)), ticks since boot, which a stepped clock does not move;
psutil's create_time() follows the clock, so a start time that was noted before a step would name no process after it.
Elsewhere psutil, whose create_time() is fixed at the start of the process.
"""

import os
import sys

_LINUX = sys.platform == "linux"
_boot_id: str | None = None
_WALL_TOLERANCE = 2.0  # seconds; btime is whole seconds and may be re-derived after a clock step


def boot_id() -> str:
    """Return an id of this boot of the machine: pids and tick counts of another one mean nothing."""
    global _boot_id  # noqa: PLW0603  asked for with every look at a process, and it does not change
    if _boot_id is None:
        _boot_id = _read_boot_id()
    return _boot_id


def _read_boot_id() -> str:
    if _LINUX:
        return _said("/proc/sys/kernel/random/boot_id").strip()
    import subprocess

    try:  # sysctl(8); macOS and the BSDs
        found = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"


def pid_namespace() -> int | None:
    """Return an id of the pid namespace: in another one (a container) of the same boot, pids name other processes.

    None where there is no such thing, or it cannot be told (pid_namespaces(7)).
    """
    if not _LINUX:
        return None
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None


def parent(pid: int) -> int | None:
    """Return the parent's pid, or None when the process is gone. Raises OSError when the kernel will not say."""
    if _LINUX:
        fields = _stat(pid)
        return int(fields[1]) if fields else None
    import psutil

    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return None
    except psutil.Error as error:
        raise PermissionError(str(error)) from None


def start_ticks(pid: int) -> int | None:
    """Return when a living process started, in ticks since boot.

    None when it is gone or a zombie, and on systems that count no ticks.
    """
    if not _LINUX:
        return None
    fields = _stat(pid)
    if not fields or fields[0] in "ZX":
        return None
    return int(fields[19])


def create_time(pid: int) -> float | None:
    """Return when a living process started, in seconds of the epoch; None when it is gone or a zombie."""
    if _LINUX:
        ticks = start_ticks(pid)
        return None if ticks is None else _boot_time() + ticks / os.sysconf("SC_CLK_TCK")
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def is_stopped(pid: int) -> bool:
    """Say whether a process is stopped (SIGSTOP, Ctrl-Z, a debugger), as far as that can be told."""
    if sys.platform == "linux":
        found = _stat(pid)
        return found is not None and found[0] in {"T", "t"}
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def is_same(pid: int, created: float | None, ticks: int | None, boot: str | None) -> bool:
    """Say whether the process that a file names is alive now: same boot, same pid, same start."""
    if pid <= 0 or (boot is not None and boot != boot_id()):
        return False
    if _LINUX and ticks is not None:
        return start_ticks(pid) == ticks
    now = create_time(pid)
    return now is not None and created is not None and abs(now - created) <= _WALL_TOLERANCE


def mark(pid: int, started: float | None) -> str:
    """Return one run of one program as a word, `PID:STARTED`; STARTED is in ticks, or empty where it is not known."""
    return f"{pid}:{'' if started is None else started}"


def parse_mark(text: str) -> tuple[int, int | None] | None:
    """Return the pid and the start ticks of a mark, or None for a text that is none."""
    pid, colon, ticks = text.partition(":")
    if not colon or not _is_number(pid, 10) or (ticks and not _is_number(ticks, 20)):
        return None
    return int(pid), int(ticks) if ticks else None


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= digits


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the command name: state, ppid, …; the 20th is the start time."""
    try:
        text = _said(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()  # the command name may hold spaces and parentheses


def _said(path: str) -> str:
    """Return what a short file of the kernel's says, in three calls of it: `open` of Python would make eight."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096).decode(errors="replace")
    finally:
        os.close(descriptor)


def _boot_time() -> int:
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            if line.startswith("btime "):
                return int(line.split()[1])
    raise OSError("no btime in /proc/stat")
