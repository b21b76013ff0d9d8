"""Write one restart intent so that it survives everything (rule 1). This is all that a requester imports.

The record is a plain dict here: dataclasses would double the import (19 ms). Readers use `hermes_cli.intents.record`.
"""

import errno
import json
import os
import time

from hermes_cli.intents.directories import Directories
from hermes_cli.intents.errors import QueueError
from hermes_cli.system import durable, process_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = 1
UPDATE = "update"
# What holds where nobody configured anything else. Seconds.
DRAIN_TIMEOUT = 180.0
EXPIRY = 3600.0
STORM_LIMIT = 10
STORM_WINDOW = 600.0
MOST_PENDING = 10_000  # records in pending/; a request beyond them is refused


def timestamp(at: float) -> str:
    """Return epoch seconds as ISO 8601 in UTC with microseconds."""
    whole = int(at)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((at - whole) * 1e6):06d}+00:00"


def new_id(at: float) -> str:
    """Return an id that sorts by time and is never given twice: time, pid, random."""
    return _id(timestamp(at))


def _id(stamp: str) -> str:
    compact = stamp[:26].replace("-", "").replace(":", "")
    return f"{compact}Z-{os.getpid()}-{os.urandom(2).hex()}"


def compose(
    profile: str,
    *,
    reason: str,
    command: str,
    target: "dict[str, Any] | None",
    in_tree: bool,
    action: str = "restart",
    revision: str | None = None,
    origin: "dict[str, Any] | None" = None,
    force: bool = False,
    drain_timeout: float = DRAIN_TIMEOUT,
    expiry: float = EXPIRY,
) -> "dict[str, Any]":
    """Return a record of schema 1, not written yet. `expiry` in seconds.

    An update's record has none: it holds as long as the instance that it names runs the old code.
    """
    now = time.time()
    requested_at = timestamp(now)
    return {
        "schema": SCHEMA,
        "id": _id(requested_at),
        "action": action,
        "reason": reason,
        "requested_at": requested_at,
        "profile": profile,
        "boot_id": process_table.boot_id(),
        "boot_time": boot_time(),
        "target": target,
        "revision": revision,
        "requester": {"pid": os.getpid(), "command": command, "in_tree": in_tree},
        "origin": origin,
        "force": force,
        "drain_timeout": drain_timeout,
        "expires_at": None if reason == UPDATE else timestamp(now + expiry),
    }


def submit(root: str, record: "dict[str, Any]") -> str:
    """Publish a record in the queue below `root`. Once this returns its id, it survives power loss. Raises QueueError."""
    places, identifier = Directories(root), str(record["id"])
    data = json.dumps(record).encode()  # ASCII: what came in by the environment may be no UTF-8
    staged = f"{places.staging}/{identifier}.json"
    published = f"{places.pending}/{identifier}.json"
    try:
        _refuse_full(places.pending)
        try:
            durable.write_new(staged, data)
        except FileNotFoundError:
            make_directories(root)
            durable.write_new(staged, data)
        try:
            try:
                os.rename(staged, published)
            except FileNotFoundError:  # somebody took the queue away meanwhile, or a part of it
                make_directories(root)
                if not os.path.lexists(staged):  # tidied away as an old one: the machine slept for hours
                    durable.write_new(staged, data)
                os.rename(staged, published)
        except BaseException:
            os.unlink(staged)
            raise
        try:
            durable.sync_directory(places.pending)
        except BaseException:
            # Not acknowledged, so it must not be carried out behind the caller's back either.
            os.unlink(published)
            raise
    except OSError as error:
        raise QueueError(_why(root, error)) from error
    return identifier


def boot_time() -> float:
    """Return the seconds since the machine's boot, which no setting of the clock changes."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))  # macOS: counts no sleep


def elapsed(at: float, boot_id: "str | None", since_boot: "float | None", now: "float | None" = None) -> float:
    """Return the seconds since the moment `at`, which was `since_boot` in that boot: no setting of the clock changes them.

    After another boot, or of a record that does not say, by the wall clock, which may have been set; it says `now`.
    """
    if since_boot is not None and boot_id == process_table.boot_id():
        return max(0.0, boot_time() - since_boot)
    return max(0.0, (time.time() if now is None else now) - at)


def _refuse_full(pending: str) -> None:
    try:
        found = len(os.listdir(pending))
    except OSError:
        return  # it is made below, or says there why it cannot be used
    if found >= MOST_PENDING:
        raise QueueError(
            f"the restart was not recorded, nothing was done: {found} are pending already; hermes gateway status"
        )


def make_directories(root: str) -> None:
    """Make the queue's directories, each 0700 and on stable storage. Raises OSError."""
    *others, staging = Directories(root).folders
    for directory in others:
        durable.make_private_directory(directory)
    if os.path.isdir(staging):
        return
    # Whoever made some of them may have been killed before their names were synced.
    durable.sync_ancestors(staging)
    durable.make_private_directory(staging)


def _why(root: str, error: OSError) -> str:
    from hermes_cli.system import refusal

    how, _ = refusal.mend(root, error.errno or errno.EIO)
    return f"the restart was not recorded, nothing was done: {error.strerror} below {root}: {how} and repeat"
