"""The durable queue of restart intents, seen with `ls`.

    staging/ID.json   being written; whoever dies here has acknowledged nothing
    pending/ID.json   durable, immutable, unsettled; published by rename, nothing else ever appears in the directory
    settled/ID.json   the record and its outcome; published by link, which has one winner (where the file system
                      has no links, by rename under a lock), and synced before pending/ID.json goes
    progress/ID.json  attempts and what is waited for; may be lost at any time
    rejected/NAME     what was found in pending/ and is no intent; moved, never acted on, the newest 200 files kept

A record in both pending/ and a whole settled/ file is settled: a crash came between the two, any driver finishes it.
A settled/ file that is not whole was cut off by a power loss: pending/ still has the record, and counts.
Locks only save work; no order here depends on one.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from hermes_cli.intents import hold, progress, sign_of_life
from hermes_cli.intents.directories import Directories
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import LIMIT, Intent, RecordError, is_id, parse
from hermes_cli.intents.request import make_directories, timestamp
from hermes_cli.intents.settled import Settled, settled_of
from hermes_cli.system import durable, locks
from hermes_cli.system.process import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from hermes_cli.intents.step import Outcome

_LOOK_AGAIN = 5.0  # seconds; nobody tells when a driver that holds the lock does nothing any more
_SETTLED_LIMIT = 6 * LIMIT + 16384  # bytes; escaped, and with an outcome, the largest record still fits
_LOOKED_AT = 4  # of the newest settled files, by either order
_SUFFIX = ".json"
# What link(2) says on Android, exFAT, SMB and FUSE; what is the matter with the directory shows in the rename.
NO_LINKS = {errno.EACCES, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NOT_ITS_FAULT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EINTR, errno.EAGAIN}


class Broken(NamedTuple):
    """Something in pending/ that is no intent."""

    name: str
    why: str

    @property
    def shown(self) -> str:
        """The name as any terminal can show it."""
        return os.fsencode(self.name).decode("ascii", "backslashreplace")


class Scan(NamedTuple):
    """What one look at pending/ saw, oldest first. `finished` are ids whose settlement a crash cut short."""

    intents: tuple[Intent, ...]
    broken: tuple[Broken, ...]
    finished: tuple[str, ...]


class Queue(Directories):
    """One profile's queue below `root`; another profile's records are no intents here."""

    __slots__ = ("profile",)

    def __init__(self, root: str, profile: str) -> None:
        super().__init__(root)
        self.profile = profile

    def is_driven(self) -> bool:
        """Say whether a driver is at work: it is known to hold the lock, and was heard of in time."""
        return locks.is_held(self.driver_lock) and self.idle_driver().silent is None

    def idle_driver(self) -> sign_of_life.Idle:
        """Return the driver that holds the lock and does nothing, or was stopped."""
        return sign_of_life.idle(self.driver_lock)

    def await_driver(self) -> None:
        """Return when no driver is at work any more."""
        while self.is_driven():
            locks.await_release(self.driver_lock, _LOOK_AGAIN)

    def scan(self) -> Scan:
        """Look at pending/ once. Raises OSError when the directory cannot be read, or the process has no descriptor left."""
        try:
            names = sorted(_own_names(self.pending))
        except FileNotFoundError:
            return Scan((), (), ())
        done = self._names_of_settled() if names else set()
        intents: list[Intent] = []
        broken: list[Broken] = []
        finished: list[str] = []
        for name in names:
            if name in done and self._read_settled(name, strict=True) is not None:
                finished.append(name.removesuffix(_SUFFIX))
                continue
            try:
                intents.append(self._read(name))
            except FileNotFoundError:
                continue  # settled by somebody else since the listing
            except RecordError as error:
                broken.append(Broken(name, str(error)))
        return Scan(tuple(intents), tuple(broken), tuple(finished))

    def unsettled(self) -> list[Intent]:
        """Return valid unsettled intents, oldest first, and pass over whatever else is there."""
        try:
            return list(self.scan().intents)
        except OSError:
            return []

    def settle(
        self,
        intent: Intent,
        outcome: "Outcome",
        detail: str,
        *,
        trigger: str,
        attempts: int = 0,
        instance: dict[str, Any] | None = None,
        trace: dict[str, Any] | None = None,
    ) -> bool:
        """Give an intent its final outcome and move it out of pending/; False when somebody else did. Raises OSError."""
        document = {
            **intent.document,
            "outcome": outcome,
            "detail": detail[:2000],
            "settled_at": timestamp(time.time()),
            "trigger": trigger,
            "took": round(intent.age, 3),
            "attempts": attempts,
            "instance": instance,
            **({"trace": trace} if trace is not None else {}),
        }
        name = intent.id + _SUFFIX
        waiting = f"{self.pending}/{name}"
        won = self._publish(name, json.dumps(document).encode())
        durable.sync_directory(self.settled)
        _remove(waiting)  # not synced: should a power cut bring it back, settled/ says what became of it
        _remove(f"{self.progress}/{name}")
        return won

    def _publish(self, name: str, data: bytes) -> bool:
        """Put a settlement into settled/, synced but for its name; False when somebody else's is there. Raises OSError."""
        staged = f"{self.staging}/{name}.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            descriptor = durable.create(staged, data)
        except FileNotFoundError:
            make_directories(self.root)
            descriptor = durable.create(staged, data)
        try:
            try:
                os.link(staged, f"{self.settled}/{name}", follow_symlinks=False)
            except FileExistsError:
                won = self._read_settled(name, strict=True) is None and self._replace_torn(name, staged)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                won = self._publish_without_link(name, staged)
            else:
                won = True
            if won:
                durable.sync(descriptor)  # after the link, so that one journal commit carries both
            else:
                self._sync_settled(name)
        finally:
            os.close(descriptor)
            _remove(staged)
        return won

    def finish(self, identifier: str) -> None:
        """Complete a settlement that a crash cut short. Raises OSError."""
        self._sync_settled(identifier + _SUFFIX)
        durable.sync_directory(self.settled)
        _remove(f"{self.pending}/{identifier}{_SUFFIX}")
        _remove(f"{self.progress}/{identifier}{_SUFFIX}")

    def reject(self, broken: Broken) -> bool:
        """Set something that is no intent aside for a person; False when it cannot be moved. Raises OSError."""
        make_directories(self.root)
        place = f"{self.pending}/{broken.name}"
        # Never over what was set aside before, and never longer than a name may be.
        short = os.fsdecode(os.fsencode(broken.name)[:200])
        taken = os.path.lexists(f"{self.rejected}/{broken.name}")
        aside = f"{self.rejected}/{f'{short}.{time.time_ns()}' if taken else broken.name}"
        try:
            try:
                os.rename(place, aside)
            except PermissionError:
                os.chmod(place, 0o700)  # only who may write to a directory can move it
                os.rename(place, aside)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        durable.sync_directory(self.rejected)
        return True

    def history(self) -> list[Settled]:
        """Return settled intents, newest request first, and pass over unreadable ones."""
        found = []
        for name in reversed(durable.names_in(self.settled)):
            one = self._read_settled(name)
            if one is not None:
                found.append(one)
        return found

    def last(self) -> Settled | None:
        """Return what was settled last. Reads few of the files: the newest by the time of writing, and by name."""
        try:
            with os.scandir(self.settled) as entries:
                found = [(entry.stat(follow_symlinks=False).st_mtime, entry.name) for entry in entries]
        except OSError:  # one was tidied away meanwhile, or nothing can be told
            return self._last_of(self.history())
        if not found:
            return None
        if any(at > time.time() + 1 for at, _ in found):  # the clock was set back: neither order says which is the last
            return self._last_of(self.history())
        # A copied directory has lost its times; the names keep the order of the requests.
        names = {name for _, name in sorted(found)[-_LOOKED_AT:]} | {*sorted(name for _, name in found)[-_LOOKED_AT:]}
        read = [one for name in names if (one := self._read_settled(name)) is not None]
        return self._last_of(read) or self._last_of(self.history())

    @staticmethod
    def _last_of(settled: Iterable[Settled]) -> Settled | None:
        return min(settled, key=lambda one: one.ago, default=None)

    def find(self, identifier: str) -> Settled | None:
        """Return one settled intent, or None."""
        return self._read_settled(identifier + _SUFFIX) if is_id(identifier) else None

    def rejects(self) -> list[Broken]:
        """Return what was set aside, newest name first, with why."""
        found = []
        for name in reversed(durable.names_in(self.rejected)):
            try:
                self._read(name, directory=self.rejected)
                why = "set aside by an earlier release"
            except OSError:
                continue
            except RecordError as error:
                why = str(error)
            found.append(Broken(name, why))
        return found

    def _read(self, name: str, directory: str | None = None, limit: int = LIMIT) -> Intent:
        """Read one record. Raises FileNotFoundError, RecordError (the entry is wrong) and OSError (this process, or the disk)."""
        path = f"{directory or self.pending}/{name}"
        try:
            data = durable.read_small(path, limit, private=True)
        except durable.UnfitFileError as error:
            raise RecordError(str(error)) from None
        except OSError as error:
            if error.errno in _NOT_ITS_FAULT or isinstance(error, FileNotFoundError):
                raise
            raise RecordError(f"cannot be read: {error.strerror}") from None
        return parse(data, name.removesuffix(_SUFFIX), self.profile)

    def _read_settled(self, name: str, *, strict: bool = False) -> Settled | None:
        """Return None when it is not there or not whole; with `strict`, raise OSError when that cannot be told."""
        try:
            intent = self._read(name, directory=self.settled, limit=_SETTLED_LIMIT)
        except RecordError:
            return None
        except OSError as error:
            if strict and not isinstance(error, FileNotFoundError):
                raise
            return None
        return settled_of(intent)

    def _sync_settled(self, name: str) -> None:
        """Sync another process's settlement: readers may see it before it is on the disk, and its writer may be dead."""
        with contextlib.suppress(FileNotFoundError):  # it was old, and is tidied away
            durable.sync_file(f"{self.settled}/{name}")

    def _replace_torn(self, name: str, staged: str) -> bool:
        """Publish over a settled file that a power cut left torn; link has one winner here, too."""
        final = f"{self.settled}/{name}"
        # Only who holds this lock unlinks here, and only what is torn, so that a whole file is never taken away.
        with self._settled_locked():
            if self._read_settled(name, strict=True) is not None:
                return False
            _remove(final)
            try:
                os.link(staged, final, follow_symlinks=False)
            except FileExistsError:
                return False
        return True

    def _publish_without_link(self, name: str, staged: str) -> bool:
        """Publish where the file system refuses links: the lock has one winner at a time, and rename a whole file."""
        with self._settled_locked():
            if self._read_settled(name, strict=True) is not None:
                return False
            durable.sync_file(staged)  # a rename may be on the disk before what it names
            os.rename(staged, f"{self.settled}/{name}")
        return True

    @contextlib.contextmanager
    def _settled_locked(self) -> "Iterator[None]":
        """Hold the lock of settled/; the kernel releases it with the descriptor."""
        directory = os.open(self.settled, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def _names_of_settled(self) -> set[str]:
        """List settled/. Raises OSError when that cannot be told: what is settled already must not be done again."""
        try:
            return set(_own_names(self.settled))
        except OSError as error:
            if durable.is_unknown(error):
                raise
            return set()

    def make_directories(self) -> None:
        """Make the directories that are missing. Raises OSError."""
        make_directories(self.root)

    def progress_of(self, identifier: str) -> Progress:
        """Return how far an intent has come; a fresh note when there is none, or when it cannot be read."""
        return progress.read(self.progress, identifier)

    def note(self, identifier: str, known: Progress) -> None:
        """Replace an intent's note. Raises OSError."""
        progress.write(self.progress, identifier, known)

    def hold(self, identifier: str) -> "AbstractContextManager[locks.Lock]":
        """Hold an intent while code is in flux; take it before the record is published. Raises TryAgainError."""
        return hold.hold(self.holds, identifier)

    def holders(self) -> tuple[Identity | None, ...]:
        """Return who holds anything now; None stands for a holder that did not say who it is."""
        return hold.holders(self.holds)


def _own_names(directory: str) -> list[str]:
    """List a real directory of ours: through a link, what lies elsewhere would be set aside. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "owned by another user", directory)
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
