"""What no one needs any more: old settlements, old rejects, and what dead writers left behind."""

import contextlib
import os
import time

from hermes_cli.system import durable, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.intents.queue import Queue

_KEPT = 200
_SUFFIX = ".json"
_NO_WRITER_TAKES = 3600.0  # seconds; one that does loses only its own unacknowledged record


def tidy(queue: "Queue", window: float = 0.0) -> None:
    """Keep the newest 200 settled and 200 rejected, and drop what dead writers left in staging/, holds/ and progress/.

    Each restart of the last `window` seconds keeps a record, however many came since: the breaker counts them.
    """
    _forget_rejects(queue.rejected)
    settled = durable.names_in(queue.settled)
    waiting = {name.removesuffix(_SUFFIX) for name in durable.names_in(queue.pending)}
    ended = {name.removesuffix(_SUFFIX) for name in settled}
    counted = _counted(queue, settled, time.time() - window) if window and len(settled) > _KEPT else set()
    old = [f"{queue.settled}/{name}" for name in settled[:-_KEPT] if name not in counted]
    old += [
        f"{queue.progress}/{name}"
        for name in durable.names_in(queue.progress)
        if name.partition(_SUFFIX)[0] not in waiting
    ]
    holds = [name for name in durable.names_in(queue.holds) if name.removesuffix(".lock") in ended]
    old += [path for name in holds if not locks.may_be_held(path := f"{queue.holds}/{name}")]
    horizon = time.time() - _NO_WRITER_TAKES
    for name in durable.names_in(queue.staging):
        with contextlib.suppress(OSError):
            if os.lstat(path := f"{queue.staging}/{name}").st_mtime < horizon:
                old.append(path)
    for path in old:
        with contextlib.suppress(OSError):  # it is somebody else's, or gone
            os.unlink(path)


def forget(rejected: str, name: str) -> None:
    """Remove something from `rejected`. Raises OSError: ENOTEMPTY for a directory with something in it, which is a person's."""
    with contextlib.suppress(FileNotFoundError):
        _unlink_or_rmdir(f"{rejected}/{name}")


def _counted(queue: "Queue", names: list[str], horizon: float) -> set[str]:
    """Return one record of each restart since `horizon`, and one that programs asked for where there is one."""
    first: dict[tuple[str, bool], str] = {}
    for name in reversed(names):
        one = queue.find(name.removesuffix(_SUFFIX))
        if one is not None and one.outcome == "restarted" and one.settled_at >= horizon:
            first.setdefault((str(one.instance), one.intent.is_automatic), name)
    return set(first.values())


def _forget_rejects(rejected: str) -> None:
    """Remove the oldest of what was set aside; a directory that is not empty stays, a person put it there."""
    names = durable.names_in(rejected)
    if len(names) <= _KEPT:
        return
    aged = []
    for name in names:
        with contextlib.suppress(OSError):
            aged.append((os.lstat(f"{rejected}/{name}").st_ctime, name))  # when it was moved here
    for _, name in sorted(aged)[:-_KEPT]:
        with contextlib.suppress(OSError):
            _unlink_or_rmdir(f"{rejected}/{name}")


def _unlink_or_rmdir(path: str) -> None:
    try:
        os.unlink(path)
    except (IsADirectoryError, PermissionError):  # what unlink(2) says of a directory: Linux, POSIX
        os.rmdir(path)
