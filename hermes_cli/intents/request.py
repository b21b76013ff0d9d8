"""Write one restart intent so that it survives everything. This is all that a requester imports (rule 1).

The record is a plain dict here: dataclasses would double the import (19 ms). Readers use `hermes_cli.intents.record`.
"""

import errno
import json
import os
import time

from hermes_cli.errors import QueueError
from hermes_cli.system import durable, process_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hermes_cli.paths import Paths

SCHEMA = 1
UPDATE = "update"


def timestamp(at: float) -> str:
    """ISO 8601 in UTC with microseconds, from epoch seconds."""
    whole = int(at)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((at - whole) * 1e6):06d}+00:00"


def new_id(at: float) -> str:
    """An id that sorts by time and is never given twice: time, pid, random."""
    return _id(timestamp(at))


def _id(stamp: str) -> str:
    compact = stamp[:26].replace("-", "").replace(":", "")
    return f"{compact}Z-{os.getpid()}-{os.urandom(2).hex()}"


def compose(
    paths: "Paths",
    *,
    reason: str,
    command: str,
    target: "dict[str, Any] | None",
    in_tree: bool,
    action: str = "restart",
    revision: str | None = None,
    origin: "dict[str, Any] | None" = None,
    force: bool = False,
    drain_timeout: float = 180.0,
    expiry: float = 3600.0,
) -> "dict[str, Any]":
    """A record of schema 1, not written yet. `expiry` in seconds; an update's record has none."""
    now = time.time()
    requested_at = timestamp(now)
    return {
        "schema": SCHEMA,
        "id": _id(requested_at),
        "action": action,
        "reason": reason,
        "requested_at": requested_at,
        "profile": paths.profile,
        "boot_id": process_table.boot_id(),
        "target": target,
        "revision": revision,
        "requester": {"pid": os.getpid(), "command": command, "in_tree": in_tree},
        "origin": origin,
        "force": force,
        "drain_timeout": drain_timeout,
        "expires_at": None if reason == UPDATE else timestamp(now + expiry),
    }


def submit(paths: "Paths", record: "dict[str, Any]") -> str:
    """Publish a record in pending/; when this returns its id, the request survives power loss. Raises QueueError."""
    identifier = str(record["id"])
    data = json.dumps(record).encode()  # ASCII: what came in by the environment may be no UTF-8
    staged = f"{paths.intents}/staging/{identifier}.json"
    published = f"{paths.pending}/{identifier}.json"
    try:
        try:
            durable.write_new(staged, data)
        except FileNotFoundError:
            make_directories(paths)
            durable.write_new(staged, data)
        try:
            try:
                os.rename(staged, published)
            except FileNotFoundError:  # somebody took the queue away meanwhile, or a part of it
                make_directories(paths)
                if not os.path.lexists(staged):  # tidied away as an old one: the machine slept for hours
                    durable.write_new(staged, data)
                os.rename(staged, published)
        except BaseException:
            os.unlink(staged)
            raise
        try:
            durable.sync_directory(paths.pending)
        except BaseException:
            # Not acknowledged, so it must not be carried out behind the caller's back either.
            os.unlink(published)
            raise
    except OSError as error:
        raise QueueError(_why(paths, error)) from error
    return identifier


def make_directories(paths: "Paths") -> None:
    """The queue's directories, each 0700 and on stable storage. Raises OSError.

    staging/ comes last: that it is there, which is all that a requester looks at, says that the others are safe.
    """
    for name in ("settled", "rejected", "progress", "holds", "pending"):
        durable.make_private_directory(f"{paths.intents}/{name}")
    staging = f"{paths.intents}/staging"
    if os.path.isdir(staging):
        return
    # Whoever made some of them may have been killed before their names were synced.
    durable.sync_ancestors(staging)
    durable.make_private_directory(staging)


def _why(paths: "Paths", error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"the restart was not recorded, nothing was done: no space left below {paths.state}; free some and repeat"
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"the restart was not recorded, nothing was done: {paths.intents} is not writable; mend its permissions"
    return f"the restart was not recorded, nothing was done: {error.strerror} below {paths.intents}; mend it and repeat"
