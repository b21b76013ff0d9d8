"""The table of processes: parents, groups, sessions."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One process. A zombie counts as a member of nothing."""

    pid: int
    parent: int
    group: int
    session: int
    zombie: bool


def rows() -> list[Row]:
    """Return every process there is."""
    return list(_from_proc() if sys.platform == "linux" else _from_ps())


def group_members(table: list[Row], group: int) -> list[int]:
    """Return the pids of the living members of a process group."""
    return [row.pid for row in table if row.group == group and not row.zombie]


def descendants(table: list[Row], root: int) -> list[int]:
    """Return the pids of the living descendants of a process."""
    below: dict[int, list[Row]] = {}
    for row in table:
        below.setdefault(row.parent, []).append(row)
    found: list[int] = []
    todo = [root]
    while todo:
        for row in below.get(todo.pop(), ()):
            todo.append(row.pid)
            if not row.zombie:
                found.append(row.pid)
    return found


def _from_proc() -> Iterator[Row]:
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                text = file.read()
        except OSError:
            continue  # ended meanwhile
        # The command's name stands in parentheses and may contain any byte, so the fields are counted from its end.
        state, parent, group, session, *_ = text[text.rindex(b")") + 2 :].split(b" ", 4)
        yield Row(int(name), int(parent), int(group), int(session), state in {b"Z", b"X"})


def _from_ps() -> Iterator[Row]:
    listed = subprocess.run(["/bin/ps", "-axo", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        pid, parent, group, state = line.split(None, 3)
        try:
            session = os.getsid(int(pid))
        except OSError:
            session = 0
        yield Row(int(pid), int(parent), int(group), session, state.startswith("Z"))
