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
    from collections.abc import Callable, Iterator

# Who may not write there cannot change the code there either, but for a command that does it in another way.
_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS}
# Seconds. A driver waits as long for an updater.
_AT_ONCE = 1.0
_LEFT_BEHIND = 60.0


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
def only_update(
    paths: Paths, say: "Callable[[str], object]", begin_anew: "Callable[[], object]"
) -> "Iterator[tuple[int, ...]]":
    """Take the locks from whoever does not update. Raises TryAgainError, which names the process that does, if one is known.

    Without one it is a driver, which finishes what was cut off and may have been started by this very command's look, or
    the last git of an updater that was killed: both end by themselves. `say` tells a person that they are waited for, and
    `begin_anew` is called when they have ended: they may have changed the code of which the caller has imported a part.
    """
    hints = [f"{path}.holder" for path in (paths.update_lock, installation.path())]
    for patience in (_AT_ONCE, _LEFT_BEHIND):
        with update_lock(paths, patience) as held:
            if held is not None:
                if patience != _AT_ONCE:
                    begin_anew()
                _sign(hints[: len(held)])
                yield held
                return
        holder = _holder(hints)
        if holder is not None:
            raise TryAgainError(f"another update is under way ({holder}): try again when it has ended")
        if patience == _AT_ONCE:
            say("waiting until what an update has left behind is finished")
    raise TryAgainError("another update is under way (its last command): try again when it has ended")


def _sign(hints: list[str]) -> None:
    me = Identity.of(os.getpid())
    for hint in hints:
        with open(hint, "w", encoding="utf-8", opener=durable.private_opener) as file:
            json.dump(me.document() if me else {}, file)


def _holder(hints: list[str]) -> str | None:
    for hint in hints:
        holder = Identity.parse(durable.read_json(hint))
        if holder is not None and holder.is_alive():
            return f"pid {holder.pid}"
    return None
