"""One updater at a time, by kernel locks that its git and pip children share.

Two of them: one of the home, which is all that release 0.1.0 knows, and one of the installation, which two homes may
share. Whoever holds both may change the code.
"""

import errno
import json
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from hermes_cli.errors import HermesError, TryAgainError
from hermes_cli.installation import lock as installation
from hermes_cli.paths import Paths
from hermes_cli.system import durable, locks, refusal
from hermes_cli.system.process import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

# Who may not write there cannot change the code there either, but for a command that does it in another way.
_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def update_lock(paths: Paths, timeout: float) -> "Iterator[tuple[int, ...] | None]":
    """Take both locks and yield their descriptors, or None if one is not free within `timeout` seconds.

    Raises HermesError.
    """
    with ExitStack() as stack:
        held: list[int] = []
        for path in (paths.update_lock, installation.path()):
            try:
                lock = locks.take(path, timeout)
            except OSError as error:
                if path != paths.update_lock and error.errno in _NOT_OURS:
                    continue
                raise HermesError(refusal.refused(path, "locked", error)) from None
            if lock is None:
                held.clear()
                break
            stack.callback(lock.release)
            held.append(lock.descriptor)
        yield tuple(held) or None


@contextmanager
def only_update(paths: Paths) -> "Iterator[tuple[int, ...]]":
    """Take the locks at once. Raises TryAgainError, which names the process that has them if that is known."""
    hints = [f"{path}.holder" for path in (paths.update_lock, installation.path())]
    with update_lock(paths, timeout=1.0) as held:
        if held is None:
            raise TryAgainError(f"another update is under way ({_holder(hints)}): try again when it has ended")
        me = Identity.of(os.getpid())
        for hint in hints[: len(held)]:
            with open(hint, "w", encoding="utf-8", opener=durable.private_opener) as file:
                json.dump(me.document() if me else {}, file)
        yield held


def _holder(hints: list[str]) -> str:
    for hint in hints:
        holder = Identity.parse(durable.read_json(hint))
        if holder is not None and holder.is_alive():
            return f"pid {holder.pid}"
    return "its last command"
