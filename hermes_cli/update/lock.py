"""One updater of the installation at a time, by a kernel lock that its git and pip children share."""

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hermes_cli.errors import HermesError, TryAgainError
from hermes_cli.paths import Paths
from hermes_cli.system import durable, locks
from hermes_cli.system.process import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def update_lock(paths: Paths, timeout: float) -> "Iterator[locks.Lock | None]":
    """Take the lock, and yield it, or None if it is not free within `timeout` seconds. Raises HermesError."""
    try:
        lock = locks.take(paths.update_lock, timeout)
    except OSError as error:
        raise HermesError(f"{paths.update_lock} cannot be locked ({error.strerror}): mend its permissions") from None
    try:
        yield lock
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def only_update(paths: Paths) -> "Iterator[locks.Lock]":
    """Take the lock at once. Raises TryAgainError, which names the process that has it if that is known."""
    hint = f"{paths.update_lock}.holder"
    with update_lock(paths, timeout=1.0) as lock:
        if lock is None:
            holder = Identity.parse(durable.read_json(hint))
            who = f"pid {holder.pid}" if holder is not None and holder.is_alive() else "its last command"
            raise TryAgainError(f"another update is under way ({who}): try again when it has ended")
        me = Identity.of(os.getpid())
        with open(hint, "w", encoding="utf-8") as file:
            json.dump(me.document() if me else {}, file)
        yield lock
