"""The durable queue of restart intents, seen with `ls`.

    staging/ID.json   being written; whoever dies here has acknowledged nothing
    pending/ID.json   durable, immutable, unsettled; published by rename, nothing else ever appears in the directory
    settled/ID.json   the record and its outcome; published by link, which has one winner, and synced before
                      pending/ID.json goes
    progress/ID.json  attempts and what is waited for; may be lost at any time
    rejected/NAME     what was found in pending/ and is no intent; moved, never deleted, never acted on

A record in both pending/ and a whole settled/ file is settled: a crash came between the two, any driver finishes it.
A settled/ file that is not whole was cut off by a power loss: pending/ still has the record, and counts.
Locks only save work; no order here depends on one.
"""

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from dataclasses import dataclass
from typing import Any, Literal

from hermes_cli.intents.record import LIMIT, Intent, RecordError, is_id, parse
from hermes_cli.intents.request import make_directories, timestamp
from hermes_cli.paths import Paths
from hermes_cli.system import durable, locks

Outcome = Literal["restarted", "already-satisfied", "cancelled", "expired", "failed", "rejected"]
OUTCOMES: tuple[Outcome, ...] = ("restarted", "already-satisfied", "cancelled", "expired", "failed", "rejected")
_KEPT = 200
_SETTLED_LIMIT = 6 * LIMIT + 16384  # bytes; escaped, and with an outcome, the largest record still fits
_SUFFIX = ".json"
_NOT_ITS_FAULT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EINTR, errno.EAGAIN}
_READS = 3


@dataclass(frozen=True, slots=True)
class Broken:
    """Something in pending/ that is no intent."""

    name: str
    why: str

    @property
    def shown(self) -> str:
        """The name as any terminal can show it."""
        return os.fsencode(self.name).decode("ascii", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at pending/ saw, oldest first. `finished` are ids whose settlement a crash cut short."""

    intents: tuple[Intent, ...]
    broken: tuple[Broken, ...]
    finished: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """An intent with its final outcome. `took` in seconds since the request; `instance` is the fresh one."""

    intent: Intent
    outcome: str
    detail: str
    settled_at: float
    trigger: str
    took: float
    attempts: int
    instance: dict[str, Any] | None


def scan(paths: Paths) -> Scan:
    """One look at pending/. Raises OSError when the directory cannot be read, or the process has no descriptor left."""
    try:
        names = sorted(_own_names(paths.pending))
    except FileNotFoundError:
        return Scan((), (), ())
    done = _names_of_settled(paths)
    intents: list[Intent] = []
    broken: list[Broken] = []
    finished: list[str] = []
    for name in names:
        if name in done and _read_settled(paths, name, strict=True) is not None:
            finished.append(name.removesuffix(_SUFFIX))
            continue
        try:
            intents.append(_read(paths, name))
        except FileNotFoundError:
            continue  # settled by somebody else since the listing
        except RecordError as error:
            broken.append(Broken(name, str(error)))
    return Scan(tuple(intents), tuple(broken), tuple(finished))


def pending(paths: Paths) -> list[Intent]:
    """Valid unsettled intents, oldest first; whatever else is there is passed over."""
    try:
        return list(scan(paths).intents)
    except OSError:
        return []


def settle(
    paths: Paths,
    intent: Intent,
    outcome: Outcome,
    detail: str,
    *,
    trigger: str,
    attempts: int = 0,
    instance: dict[str, Any] | None = None,
) -> bool:
    """Give an intent its final outcome and move it out of pending/; False when somebody else did. Raises OSError."""
    now = time.time()
    document = {
        **intent.document,
        "outcome": outcome,
        "detail": detail[:2000],
        "settled_at": timestamp(now),
        "trigger": trigger,
        "took": round(max(0.0, now - intent.requested_at), 3),
        "attempts": attempts,
        "instance": instance,
    }
    name = intent.id + _SUFFIX
    staged = f"{paths.intents}/staging/{name}.{os.getpid()}.{os.urandom(4).hex()}"
    final = f"{paths.intents}/settled/{name}"
    waiting = f"{paths.pending}/{name}"
    data = json.dumps(document).encode()
    try:
        descriptor = durable.create(staged, data)
    except FileNotFoundError:
        make_directories(paths)
        descriptor = durable.create(staged, data)
    try:
        try:
            os.link(staged, final, follow_symlinks=False)
        except FileExistsError:
            won = _read_settled(paths, name, strict=True) is None and _replace_torn(paths, name, staged)
        else:
            won = True
        if won:
            durable.sync(descriptor)  # after the link, so that one journal commit carries both
        else:
            _sync_settled(paths, name)
    finally:
        os.close(descriptor)
        os.unlink(staged)
    durable.sync_directory(f"{paths.intents}/settled")
    _remove(waiting)  # not synced: should a power cut bring it back, settled/ says what became of it
    _remove(f"{paths.intents}/progress/{name}")
    return won


def finish(paths: Paths, identifier: str) -> None:
    """Complete a settlement that a crash cut short. Raises OSError."""
    _sync_settled(paths, identifier + _SUFFIX)
    durable.sync_directory(f"{paths.intents}/settled")
    _remove(f"{paths.pending}/{identifier}{_SUFFIX}")
    _remove(f"{paths.intents}/progress/{identifier}{_SUFFIX}")


def reject(paths: Paths, broken: Broken) -> bool:
    """Set something that is no intent aside for a person; False when it cannot be moved. Raises OSError."""
    make_directories(paths)
    place = f"{paths.pending}/{broken.name}"
    # Never over what was set aside before, and never longer than a name may be.
    short = os.fsdecode(os.fsencode(broken.name)[:200])
    taken = os.path.lexists(f"{paths.intents}/rejected/{broken.name}")
    aside = f"{paths.intents}/rejected/{f'{short}.{time.time_ns()}' if taken else broken.name}"
    try:
        try:
            os.rename(place, aside)
        except PermissionError:
            os.chmod(place, 0o700)  # a directory can only be moved by who may write to it
            os.rename(place, aside)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    durable.sync_directory(f"{paths.intents}/rejected")
    return True


def settled(paths: Paths) -> list[Settled]:
    """Settled intents, newest request first; unreadable ones are passed over."""
    found = []
    for name in sorted(_names(f"{paths.intents}/settled"), reverse=True):
        one = _read_settled(paths, name)
        if one is not None:
            found.append(one)
    return found


def find_settled(paths: Paths, identifier: str) -> Settled | None:
    """One settled intent, or None."""
    return _read_settled(paths, identifier + _SUFFIX) if is_id(identifier) else None


def rejected(paths: Paths) -> list[Broken]:
    """What was set aside, newest name first, with why."""
    found = []
    for name in sorted(_names(f"{paths.intents}/rejected"), reverse=True):
        try:
            _read(paths, name, directory=f"{paths.intents}/rejected")
            why = "set aside by an earlier release"
        except OSError:
            continue
        except RecordError as error:
            why = str(error)
        found.append(Broken(name, why))
    return found


def tidy(paths: Paths) -> None:
    """Keep the newest 200 settled records, and drop what dead writers left in staging/, holds/ and progress/."""
    final = sorted(_names(f"{paths.intents}/settled"))
    waiting = {name.removesuffix(_SUFFIX) for name in _names(paths.pending)}
    ended = {name.removesuffix(_SUFFIX) for name in final}
    old = [f"{paths.intents}/settled/{name}" for name in final[:-_KEPT]]
    old += [f"{paths.intents}/staging/{name}" for name in _names(f"{paths.intents}/staging")]
    old += [
        f"{paths.intents}/progress/{name}"
        for name in _names(f"{paths.intents}/progress")
        if name.partition(_SUFFIX)[0] not in waiting
    ]
    holds = [name for name in _names(f"{paths.intents}/holds") if name.removesuffix(".lock") in ended]
    old += [path for name in holds if not locks.is_held(path := f"{paths.intents}/holds/{name}")]
    horizon = time.time() - 3600  # no writer takes an hour; one that does loses only its own unacknowledged record
    for path in old:
        with contextlib.suppress(OSError):  # it is somebody else's, or gone
            if "/staging/" not in path.removeprefix(paths.intents) or os.lstat(path).st_mtime < horizon:
                os.unlink(path)


def _read(paths: Paths, name: str, directory: str | None = None, limit: int = LIMIT) -> Intent:
    """Raises FileNotFoundError, RecordError for what is wrong with the entry, OSError for what is wrong with us."""
    path = f"{directory or paths.pending}/{name}"
    for attempts_left in reversed(range(_READS)):
        try:
            data = _content(path, limit)
        except OSError as error:
            if error.errno in _NOT_ITS_FAULT or isinstance(error, FileNotFoundError):
                raise
            if error.errno == errno.EIO and attempts_left:  # one failed read does not make a good record a broken one
                continue
            raise RecordError(f"cannot be read: {error.strerror}") from None
        break
    return parse(data, name.removesuffix(_SUFFIX), paths.profile)


def _content(path: str, limit: int) -> bytes:
    # O_NONBLOCK: a FIFO must not hold up the reader; O_NOFOLLOW: a link must not lead it elsewhere.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RecordError("not a regular file")
        if status.st_uid != os.geteuid():
            raise RecordError(f"owned by uid {status.st_uid}")
        if status.st_mode & 0o022:
            raise RecordError("writable by others")
        if status.st_size > limit:
            raise RecordError(f"larger than {limit} bytes")
        return os.read(descriptor, limit + 1)
    finally:
        os.close(descriptor)


def _read_settled(paths: Paths, name: str, *, strict: bool = False) -> Settled | None:
    """None when it is not there or not whole; with `strict`, raise OSError when that cannot be told."""
    try:
        intent = _read(paths, name, directory=f"{paths.intents}/settled", limit=_SETTLED_LIMIT)
    except RecordError:
        return None
    except OSError as error:
        if strict and not isinstance(error, FileNotFoundError):
            raise
        return None
    document = intent.document
    attempts, instance = document.get("attempts"), document.get("instance")
    took = durable.finite(document.get("took")) or 0.0
    return Settled(
        intent=intent,
        outcome=str(document.get("outcome")),
        detail=str(document.get("detail") or ""),
        settled_at=intent.requested_at + took,
        trigger=str(document.get("trigger") or "unknown"),
        took=took,
        attempts=attempts if type(attempts) is int else 0,
        instance=instance if isinstance(instance, dict) else None,
    )


def _sync_settled(paths: Paths, name: str) -> None:
    """Make another process's settlement safe: whole to a reader is not yet on the disk, and its writer may be dead."""
    with contextlib.suppress(FileNotFoundError):  # it was old, and is tidied away
        durable.sync_file(f"{paths.intents}/settled/{name}")


def _replace_torn(paths: Paths, name: str, staged: str) -> bool:
    """Publish over a settled file that a power cut left torn; link has one winner here too."""
    final = f"{paths.intents}/settled/{name}"
    directory = os.open(f"{paths.intents}/settled", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Only who holds this lock unlinks here, and only what is torn, so that a whole file is never taken away.
        fcntl.flock(directory, fcntl.LOCK_EX)
        if _read_settled(paths, name, strict=True) is not None:
            return False
        _remove(final)
        os.link(staged, final, follow_symlinks=False)
    except FileExistsError:
        return False
    finally:
        os.close(directory)
    return True


def _own_names(directory: str) -> list[str]:
    """The names in a real directory of ours: through a link, what lies elsewhere would be set aside. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "owned by another user", directory)
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def _names_of_settled(paths: Paths) -> set[str]:
    """Raises OSError when they cannot be told: what is settled already must not be done again."""
    try:
        return set(_own_names(f"{paths.intents}/settled"))
    except OSError as error:
        if durable.is_unknown(error):
            raise
        return set()


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
