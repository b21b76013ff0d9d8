"""`[notify]` and `[hooks] after_restart`: a process of its own tells outcomes, so that no hook holds the gateway up."""

import asyncio
import contextlib
import logging
import os

from hermes_cli.environment import scrubbed
from hermes_cli.installation import entry_points
from hermes_cli.notify import deliver, events
from hermes_cli.paths import Paths
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.threads import in_thread

_log = logging.getLogger("hermes.notify")
_AGAIN = 5.0  # seconds to the next look while something is left: what has failed is due again some time
_STILL = 600.0  # seconds; a look is owed even if an event was lost
_BLIND = 5.0  # seconds between two looks where the kernel has no watch left


class NotifyWatch:
    """Looks whether there is something to be told, and starts whoever tells it."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._seen: tuple[int, ...] | None = None

    async def run(self) -> None:
        """Watch until the gateway ends."""
        while True:
            pause = _AGAIN
            try:
                with DirectoryWatch(*filter(os.path.isdir, self._places())) as watch:  # before the look
                    is_over = await self._look()
                    pause = _AGAIN if not is_over else _BLIND if watch.is_blind else _STILL
                    await _changed_within(watch, pause)
            except (OSError, ValueError) as error:
                _log.warning("nothing can be told: %s", error)
                await asyncio.sleep(pause)  # until whatever is wrong is mended

    def _places(self) -> tuple[str, ...]:
        """Return the directories in which other processes write the records. The process that tells writes in none of them."""
        return self._paths.state, self._paths.queue.settled, self._paths.updates, events.spool_of(self._paths)

    async def _look(self) -> bool:
        """Have told what is due; say whether nothing is left."""
        seen = self._times()
        if seen == self._seen:
            return True
        left, due = await in_thread(deliver.look, self._paths)
        if not left:
            self._seen = seen  # what failed before is due later without anything changing
        if not due:
            return not left
        argv = entry_points.argv(entry_points.HERMES, "-p", self._paths.profile, "gateway", "notify")
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            env=scrubbed(),
            cwd="/",
            start_new_session=True,
        )
        await process.wait()
        return False

    def _times(self) -> tuple[int, ...]:
        """Return what changes when a record that events are read from does."""
        places = (
            self._paths.queue.settled,
            f"{self._paths.state}/starts.json",
            self._paths.updates,
            events.spool_of(self._paths),
        )
        return tuple(_changed(place) for place in places)


async def _changed_within(watch: DirectoryWatch, seconds: float) -> None:
    """Wait until something changes in the directories, at most so many seconds."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(watch.fileno(), changed.set)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), seconds)
    finally:
        loop.remove_reader(watch.fileno())


def _changed(place: str) -> int:
    try:
        return os.stat(place).st_mtime_ns
    except OSError:
        return 0
