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
import json
import os
import stat
import time
from dataclasses import dataclass
from typing import Any, Literal

from hermes_cli import durable, locks
from hermes_cli.intents.record import LIMIT, Intent, RecordError, is_id, parse
from hermes_cli.intents.request import make_directories, timestamp
from hermes_cli.paths import Paths

Outcome = Literal["restarted", "already-satisfied", "cancelled", "expired", "failed", "rejected"]
OUTCOMES: tuple[Outcome, ...] = ("restarted", "already-satisfied", "cancelled", "expired", "failed", "rejected")
_KEPT = 200
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Broken:
    """Something in pending/ that is no intent."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at pending/ saw, oldest first. `finished` are ids whose settlement a crash cut short."""

    intents: tuple[Intent, ...]
    broken: tuple[Broken, ...]
    finished: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything is left to do."""
        return bool(self.intents or self.broken or self.finished)


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
    """One look at pending/. Raises OSError only when the directory itself cannot be read."""
    try:
        names = sorted(os.listdir(paths.pending))
    except FileNotFoundError:
        return Scan((), (), ())
    done = set(_names(f"{paths.intents}/settled"))
    intents: list[Intent] = []
    broken: list[Broken] = []
    finished: list[str] = []
    for name in names:
        if name in done and _read_settled(paths, name) is not None:
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
        "detail": detail,
        "settled_at": timestamp(now),
        "trigger": trigger,
        "took": round(max(0.0, now - intent.requested_at), 3),
        "attempts": attempts,
        "instance": instance,
    }
    name = intent.id + _SUFFIX
    staged = f"{paths.intents}/staging/{name}.{os.getpid()}"
    final = f"{paths.intents}/settled/{name}"
    waiting = f"{paths.pending}/{name}"
    data = json.dumps(document, ensure_ascii=False).encode()
    try:
        descriptor = durable.create(staged, data)
    except FileNotFoundError:
        make_directories(paths)
        descriptor = durable.create(staged, data)
    try:
        try:
            os.link(staged, final, follow_symlinks=False)
        except FileExistsError:
            won = _read_settled(paths, name) is None and _replace_torn(staged, final)
        else:
            won = True
        durable.sync(descriptor)  # after the link, so that one journal commit carries both
    finally:
        os.close(descriptor)
        os.unlink(staged)
    durable.sync_directory(f"{paths.intents}/settled")
    _remove(waiting)  # not synced: should a power cut bring it back, settled/ says what became of it
    _remove(f"{paths.intents}/progress/{name}")
    return won


def finish(paths: Paths, identifier: str) -> None:
    """Complete a settlement that a crash cut short. Raises OSError."""
    durable.sync_directory(f"{paths.intents}/settled")
    _remove(f"{paths.pending}/{identifier}{_SUFFIX}")
    _remove(f"{paths.intents}/progress/{identifier}{_SUFFIX}")


def reject(paths: Paths, broken: Broken) -> None:
    """Set something that is no intent aside for a person. Raises OSError."""
    make_directories(paths)
    aside = f"{paths.intents}/rejected/{broken.name}"
    if os.path.lexists(aside):
        aside = f"{aside}.{time.time_ns()}"
    try:
        os.rename(f"{paths.pending}/{broken.name}", aside)
    except FileNotFoundError:
        return
    durable.sync_directory(f"{paths.intents}/rejected")


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
        except FileNotFoundError:
            continue
        except RecordError as error:
            why = str(error)
        found.append(Broken(name, why))
    return found


def tidy(paths: Paths) -> None:
    """Keep the newest 200 settled records, and drop what dead writers left in staging/, holds/ and progress/."""
    final = sorted(_names(f"{paths.intents}/settled"))
    for name in final[:-_KEPT]:
        _remove(f"{paths.intents}/settled/{name}")
    horizon = time.time() - 3600  # no writer takes an hour; one that does loses only its own unacknowledged record
    for name in _names(f"{paths.intents}/staging"):
        path = f"{paths.intents}/staging/{name}"
        try:
            if os.lstat(path).st_mtime < horizon:
                _remove(path)
        except FileNotFoundError:
            continue
    waiting = {name.removesuffix(_SUFFIX) for name in _names(paths.pending)}
    for name in _names(f"{paths.intents}/progress"):
        if name.partition(_SUFFIX)[0] not in waiting:
            _remove(f"{paths.intents}/progress/{name}")
    ended = {name.removesuffix(_SUFFIX) for name in final}
    for name in _names(f"{paths.intents}/holds"):
        if name.removesuffix(".lock") in ended and not locks.is_held(f"{paths.intents}/holds/{name}"):
            _remove(f"{paths.intents}/holds/{name}")


def _read(paths: Paths, name: str, directory: str | None = None) -> Intent:
    """Raises FileNotFoundError, and RecordError for everything else that is wrong with the entry."""
    try:
        # O_NONBLOCK: a FIFO must not hold up the reader; O_NOFOLLOW: a link must not lead it elsewhere.
        descriptor = os.open(
            f"{directory or paths.pending}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(f"cannot be opened: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RecordError("not a regular file")
        if status.st_uid != os.geteuid():
            raise RecordError(f"owned by uid {status.st_uid}")
        if status.st_mode & 0o022:
            raise RecordError("writable by others")
        if status.st_size > LIMIT:
            raise RecordError(f"larger than {LIMIT} bytes")
        try:
            data = os.read(descriptor, LIMIT + 1)
        except OSError as error:
            raise RecordError(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    return parse(data, name.removesuffix(_SUFFIX), paths.profile)


def _read_settled(paths: Paths, name: str) -> Settled | None:
    try:
        intent = _read(paths, name, directory=f"{paths.intents}/settled")
    except (OSError, RecordError):
        return None
    document = intent.document
    took, attempts, instance = document.get("took"), document.get("attempts"), document.get("instance")
    return Settled(
        intent=intent,
        outcome=str(document.get("outcome")),
        detail=str(document.get("detail") or ""),
        settled_at=intent.requested_at + (float(took) if isinstance(took, int | float) else 0.0),
        trigger=str(document.get("trigger") or "unknown"),
        took=float(took) if isinstance(took, int | float) else 0.0,
        attempts=attempts if type(attempts) is int else 0,
        instance=instance if isinstance(instance, dict) else None,
    )


def _replace_torn(staged: str, final: str) -> bool:
    """Publish over a settled file that a power cut left torn; link has one winner here too."""
    try:
        os.unlink(final)
        os.link(staged, final, follow_symlinks=False)
    except (FileNotFoundError, FileExistsError):
        return False
    return True


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
