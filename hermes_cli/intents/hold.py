"""The hold: a kernel lock that an updater keeps while code is in flux, so that nobody restarts into half a change.

A dead updater releases it. The file says who holds it, which is only ever used to be woken when that process ends.
"""

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hermes_cli.intents.errors import TryAgainError
from hermes_cli.system import durable, locks
from hermes_cli.system.process import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def hold(directory: str, identifier: str) -> "Iterator[locks.Lock]":
    """Hold the intent `identifier`; take it before the record is published. Raises TryAgainError when it is held."""
    path = _path(directory, identifier)
    lock = locks.take(path)
    if lock is None:
        raise TryAgainError(f"intent {identifier} is held by another update: try again when it has ended")
    me = Identity.of(os.getpid())
    with open(path, "w", encoding="utf-8", opener=durable.private_opener) as file:
        json.dump(me.document() if me else {}, file)
    try:
        yield lock
    finally:
        with suppress(FileNotFoundError):  # tidied away: the intent was settled meanwhile
            os.unlink(path)  # wakes the driver; before the release, so that nobody can have locked the name again
        lock.release()


def holders(directory: str) -> tuple[Identity | None, ...]:
    """Return who holds anything now; None stands for a holder that did not say who it is."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError:  # somebody may hold something
        return (None,)
    held = (f"{directory}/{name}" for name in names if name.endswith(".lock"))
    return tuple(Identity.parse(durable.read_json(path)) for path in held if locks.may_be_held(path))


def _path(directory: str, identifier: str) -> str:
    return f"{directory}/{identifier}.lock"
