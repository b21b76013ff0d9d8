"""The causes that start a job by themselves: paths that change, queues with entries, intervals, the calendar."""

import contextlib
import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from launchd_emulator import calendar_times, keepalive
from launchd_emulator.host import Host
from launchd_emulator.job import Job

if TYPE_CHECKING:
    from launchd_emulator.timers import Timer
    from launchd_emulator.watch import Watch


class JobTriggers:
    """The triggers of one job. Changes of a path are delivered late, several of them as one event."""

    def __init__(self, host: Host, job: Job) -> None:
        self._host = host
        self._job = job
        self._definition = job.definition
        self._watches: list[Watch] = []
        self._timers: dict[str, Timer] = {}  # what is under way, by its kind
        self._changes = 0

    def arm(self) -> None:
        """Begin to watch and to count."""
        definition = self._definition
        self._watch()
        if definition.start_interval > 0:
            self._after("interval", definition.start_interval, self._interval)
        if definition.calendar:
            self._await_calendar()
        self.inject(self._host.knobs.spurious_watch_events)

    def disarm(self) -> None:
        """Stop watching and counting."""
        for watch in self._watches:
            watch.close()
        self._watches.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def rearm(self) -> None:
        """Begin to watch anew, as the knobs are now."""
        for watch in self._watches:
            watch.close()
        self._watches.clear()
        self._watch()

    def queue_wants(self) -> bool:
        """Return whether a queue directory has an entry, dotfiles included."""
        return any(_has_entry(path) for path in self._definition.queue_directories)

    def _watch(self) -> None:
        knobs = self._host.knobs
        for path in self._definition.watch_paths:
            if knobs.watch_missing == "fires" or os.path.exists(path):
                self._add(path, self._path_changed, subtree=knobs.watch_depth == "subtree")
        for path in self._definition.queue_directories:
            self._add(path, lambda: self._once("queue", self._queue_changed))
        for path in keepalive.watched_paths(self._definition.keep_alive):
            self._add(path, lambda: self._once("path-state", self._path_state_changed))

    def _add(self, path: str, on_change: Callable[[], None], *, subtree: bool = False) -> None:
        self._watches.append(self._host.watcher.watch(path, on_change, subtree=subtree))

    # --- late, and several as one

    def _latency(self) -> float:
        latency = self._host.knobs.fs_latency_ms
        low, high = latency if isinstance(latency, tuple) else (latency, latency)
        return random.uniform(low, high) / 1000

    def _after(self, kind: str, seconds: float, call: Callable[[], None]) -> None:
        def due() -> None:
            del self._timers[kind]
            call()

        self._timers[kind] = self._host.later(seconds, due)

    def _once(self, kind: str, call: Callable[[], None]) -> None:
        if kind not in self._timers:
            self._after(kind, self._latency(), call)

    # --- WatchPaths

    def _path_changed(self) -> None:
        self._changes += 1
        self._once("watch", self._deliver)

    def _deliver(self) -> None:
        changes, self._changes = self._changes, 0
        if self._host.spend("drop_watch_events", self._job.label):
            self._trace("dropped", changes=changes, why="drop_watch_events")
        else:
            self._event(changes=changes)

    def _event(self, **more: object) -> None:
        outcome = self._job.event()
        self._trace(outcome, **more)
        if outcome in {"fired", "held"}:
            self._job.start("watch")

    def inject(self, count: int) -> None:
        """Deliver so many events without a change, one after the other."""
        if count > 0 and self._definition.watch_paths and self._host.knobs.hits(self._job.label):
            self._after("spurious", self._latency(), lambda: self._spurious(count))

    def _spurious(self, count: int) -> None:
        self._trace("spurious")
        self._event()
        self.inject(count - 1)

    def _trace(self, outcome: str, **more: object) -> None:
        job = self._job
        self._host.trace.add("watch", job.label, pid=job.pid, cause="watch", outcome=outcome, **more)

    # --- the others

    def _queue_changed(self) -> None:
        if self._job.run is None and self.queue_wants():
            self._job.start("queue")

    def _path_state_changed(self) -> None:
        if keepalive.path_states_want(self._definition.keep_alive, os.path.exists):
            self._job.start("keepalive")

    def _interval(self) -> None:
        self._after("interval", self._definition.start_interval, self._interval)
        self._job.start("interval")

    def _await_calendar(self) -> None:
        now = self._host.date()
        due = calendar_times.next_time(self._definition.calendar, now)
        if due is not None:
            self._after("calendar", (due - now).total_seconds(), self._calendar)

    def _calendar(self) -> None:
        self._job.start("calendar")
        self._await_calendar()


def _has_entry(path: str) -> bool:
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        return next(entries, None) is not None
    return False
