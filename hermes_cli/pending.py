"""What is left to be finished: restarts that were asked for, and updates that were cut off. Cheap: every command asks."""

import os

RESIDENT_LOCK = (
    "resident.lock"  # in the state directory of a profile that adopts: held while its resident restarter lives
)
TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths


def is_something_pending(paths: "Paths") -> bool:
    """One look at pending/, and one at the updates under way: an update may have been cut off."""
    return is_restart_pending(paths) or is_update_cut_off(paths)


def is_restart_pending(paths: "Paths") -> bool:
    """One look at pending/."""
    return _has_entries(paths.pending, "")


def is_update_cut_off(paths: "Paths") -> bool:
    """Whether an update has a journal and no updater any more."""
    if not _has_entries(paths.updates_under_way, ".json"):
        return False
    from hermes_cli.system import locks

    return not locks.is_held(paths.update_lock)


def _has_entries(directory: str, suffix: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(entry.name.endswith(suffix) for entry in entries)
    except OSError:
        return False
