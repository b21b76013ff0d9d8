"""What a check that passed has read: while none of that has changed, the next one would pass too, and no process is needed.

A check (`hermes gateway run --check`) lists the files that it was loaded from and configured by. Who ran it keeps, for that
command line and environment, what the file system says of each. Any change of one of them, its absence, another boot or
another environment has the check run again. What no file says, the directories that a gateway makes, is looked at each time.
"""

import json
import os
import sys
import time

from hermes_cli.system import durable, process_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hermes_cli.paths import Paths

LISTS = "HERMES_CHECK_LISTS"  # in the environment of a check that is to print what it has read
_SLOTS = 8  # answers that are kept: a person's shell, the agent's, the driver's
_LARGEST = 1 << 20  # bytes
# What a start reads of its environment: the interpreter, the dynamic loader, hermes. A terminal's size is nothing to it.
_READ = ("PYTHON", "HERMES_", "LD_", "DYLD_", "XDG_", "LC_", "LANG", "HOME", "TMPDIR")
# A file that changes while it is read may have been read before: the clock of files is this coarse.
_RECENT = 50_000_000  # nanoseconds


def files(paths: "Paths") -> list[str]:
    """Return what this process has been loaded from and configured by, there or not."""
    home = os.path.dirname(paths.config)
    found = dict.fromkeys(
        (paths.config, f"{home}/environment", f"{paths.state}/login-path", sys.executable, f"{sys.prefix}/pyvenv.cfg")
    )
    for module in list(sys.modules.values()):
        for path in (getattr(module, "__file__", None), getattr(module, "__cached__", None)):
            if path:
                found[path] = None
                found[os.path.dirname(path)] = None
    for place in filter(None, sys.path):
        found[place] = None
        found.update(dict.fromkeys(_path_files(place)))
    found.update(dict.fromkeys(_libraries()))
    return [path for path in found if os.path.basename(path) != "__pycache__"]


def key(argv: "Sequence[str]", environment: "Mapping[str, str]") -> str:
    """Return the name of an answer."""
    from hashlib import blake2b

    read = sorted((name, value) for name, value in environment.items() if name.startswith(_READ) and name != LISTS)
    asked = json.dumps([process_table.boot_id(), list(argv), read])
    return blake2b(asked.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def is_unchanged(state: str, name: str) -> bool:
    """Say whether a check passed, and all that it read is as it was. False when that cannot be told."""
    kept = durable.read_json(_slot(state, name), _LARGEST) or {}
    seen = kept.get("files")
    return kept.get("key") == name and type(seen) is dict and all(_look(path) == was for path, was in seen.items())


def keep(state: str, name: str, listed: str, began: float) -> None:
    """Keep what a check that passed has `listed`, if nothing of it has changed since it `began` (epoch seconds)."""
    try:
        found = json.loads(listed)
        seen = {path: _look(path) for path in found}
    except (ValueError, TypeError):  # an older release lists nothing
        return
    latest = began * 1e9 - _RECENT
    if not seen or time.time() < began or any(one is not None and one[1] > latest for one in seen.values()):
        return
    try:
        durable.replace_volatile(_slot(state, name), {"key": name, "files": seen})
    except OSError:  # the next one looks again
        return


def _slot(state: str, name: str) -> str:
    return f"{state}/looked-ahead/{int(name, 16) % _SLOTS}.json"


def _look(path: str) -> list[int] | None:
    """Return what changes with a file, its mode or its owner; for a directory, with a name in it."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return [found.st_ino, found.st_ctime_ns, found.st_size]


def _path_files(directory: str) -> "Iterator[str]":
    """Yield what adds to the search path."""
    try:
        yield from (f"{directory}/{name}" for name in os.listdir(directory) if name.endswith(".pth"))
    except OSError:
        return


def _libraries() -> "Iterator[str]":
    """Yield the shared libraries that are loaded, where the kernel says."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as lines:
            yield from (
                parts[5].rstrip("\n") for line in lines if (parts := line.split(maxsplit=5))[5:] and parts[5][0] == "/"
            )
    except OSError:
        return
