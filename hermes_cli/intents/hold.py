"""The hold: a kernel lock that an updater keeps while code is in flux, so that nobody restarts into half a change.

A dead updater releases it. The file says who holds it, which is only ever used to be woken when that process ends.
"""

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hermes_cli.errors import TryAgainError
from hermes_cli.paths import Paths
from hermes_cli.system import durable, locks
from hermes_cli.system.process import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def hold(paths: Paths, identifier: str) -> "Iterator[locks.Lock]":
    """Hold the intent `identifier`; take it before the record is published. Raises TryAgainError when it is held."""
    path = _path(paths, identifier)
    lock = locks.take(path)
    if lock is None:
        raise TryAgainError(f"intent {identifier} is held by another update: try again when it has ended")
    me = Identity.of(os.getpid())
    with open(path, "w", encoding="utf-8") as file:
        json.dump(me.document() if me else {}, file)
    try:
        yield lock
    finally:
        with suppress(FileNotFoundError):  # tidied away: the intent was settled meanwhile
            os.unlink(path)  # wakes the driver; before the release, so that nobody can have locked the name again
        lock.release()


def holders(paths: Paths) -> tuple[Identity | None, ...]:
    """Who holds anything now; None for a holder that did not say who it is."""
    try:
        names = os.listdir(f"{paths.intents}/holds")
    except OSError:
        return ()
    held = (f"{paths.intents}/holds/{name}" for name in names if name.endswith(".lock"))
    return tuple(Identity.parse(durable.read_json(path)) for path in held if locks.is_held(path))


def _path(paths: Paths, identifier: str) -> str:
    return f"{paths.intents}/holds/{identifier}.lock"
