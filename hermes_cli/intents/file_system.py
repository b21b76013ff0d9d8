"""Try whether a file system can carry a queue: do there what a queue does, with files that are no records."""

import contextlib
import errno
import os
from dataclasses import dataclass

from hermes_cli.intents.directories import Directories
from hermes_cli.intents.queue import NO_LINKS
from hermes_cli.intents.request import make_directories
from hermes_cli.system import durable, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Suitability:
    """What was refused, and why; None: nothing. `has_links`: settlements are published by link(2)."""

    refused: str | None = None
    error: OSError | None = None
    has_links: bool = True


def check(root: str) -> Suitability:
    """Try what requesters and drivers do below `root`, whose directories are there. Leaves nothing behind."""
    places = Directories(root)
    name = f"trial.{os.getpid()}"
    written, renamed, linked, lock = (f"{places.staging}/{name}.{part}" for part in ("0", "1", "2", "lock"))
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("writing and fsync", lambda: _write(written)),
        ("rename", lambda: os.rename(written, renamed)),
        ("fsync of a directory", lambda: durable.sync_directory(places.staging)),
        ("link", lambda: os.link(renamed, linked, follow_symlinks=False)),
        ("flock", lambda: _lock(lock)),
    )
    has_links = True
    try:
        for what, step in steps:
            try:
                step()
            except OSError as error:
                if what != "link" or error.errno not in NO_LINKS:
                    return Suitability(what, error)
                has_links = False
        return Suitability(has_links=has_links)
    finally:
        for path in (written, renamed, linked, lock):
            with contextlib.suppress(OSError):
                os.unlink(path)


def _write(path: str) -> None:
    descriptor = durable.create(path, b"{}\n")
    try:
        durable.sync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: str) -> None:
    lock = locks.take(path)
    if lock is not None:
        lock.release()


def mend(error: OSError) -> str:
    """Return what helps against the refusal."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "mend its permissions"
    if error.errno == errno.EROFS:
        return "mount its disk writable again"
    return "use a home on a local file system"


def refusal(root: str) -> str | None:
    """Make the directories of a queue. Return why it cannot be there, with what helps, or None."""
    try:
        make_directories(root)
    except OSError as error:
        return f"{error.filename or root} cannot be made ({error.strerror}): {mend(error)}"
    tried = check(root)
    if tried.error is None:
        return None
    return f"{root} cannot hold a request ({tried.refused} is refused, {tried.error.strerror}): {mend(tried.error)}"
