"""`[notify]`: the running gateway sees to it that outcomes are told, by a process of its own: a hook must not hold it up."""

import asyncio
import logging
import os

from hermes_cli.environment import scrubbed
from hermes_cli.installation import entry_points
from hermes_cli.notify import deliver, events
from hermes_cli.paths import Paths

_log = logging.getLogger("hermes.notify")
INTERVAL = 5.0  # seconds between two looks at the times of four directories


class NotifyWatch:
    """Looks whether there is something to be told, and starts whoever tells it."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._seen: tuple[int, ...] | None = None

    async def run(self) -> None:
        """Watch until the gateway ends."""
        while True:
            try:
                await self._look()
            except (OSError, ValueError) as error:
                _log.warning("nothing can be told: %s", error)
            await asyncio.sleep(INTERVAL)  # other processes write the records

    async def _look(self) -> None:
        seen = self._times()
        if seen == self._seen:
            return
        left, due = await asyncio.to_thread(deliver.look, self._paths)
        if not left:
            self._seen = seen  # what failed before is due later without anything changing
        if not due:
            return
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

    def _times(self) -> tuple[int, ...]:
        """Return what changes when a record that events are read from does."""
        places = (
            self._paths.queue.settled,
            f"{self._paths.state}/starts.json",
            self._paths.updates,
            events.spool_of(self._paths),
        )
        return tuple(_changed(place) for place in places)


def _changed(place: str) -> int:
    try:
        return os.stat(place).st_mtime_ns
    except OSError:
        return 0
