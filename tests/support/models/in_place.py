"""A service manager whose service is the calling process, for checks that run a real driver thousands of times."""

import os
import time
from typing import Self
from unittest import mock

from hermes_cli.intents import driver
from hermes_cli.intents.facts import Policy
from hermes_cli.intents.protocols import NoUpdates
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from support.values import replace

POLICY = Policy(drain_timeout=0.1, teardown_timeout=0.1, start_timeout=5.0, backoff=0.001)


def paths_below(root: str) -> Paths:
    """The default profile's paths."""
    return Paths("default", f"{root}/state", root, f"{root}/logs")


class InPlace:
    """On demand it writes a gateway.json that names the calling process, ready."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.starts = 0

    def observe(self) -> Service:
        return Service("stopped")

    def obstacle(self) -> str | None:
        return None

    def demand_start(self) -> None:
        self.starts += 1
        me = own.new(os.getpid(), "new", "0", time.time())
        own.write(self.paths, replace(me, state="ready", handles_signal=True))

    def reload(self) -> None:
        self.demand_start()


class NoWatch:
    """No hint ever comes. To close an inotify descriptor takes the kernel 10 ms, most of what a driver run takes."""

    def __init__(self, *paths: str) -> None:
        self._reader, self._writer = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        return self._reader

    def drain(self) -> None:
        pass

    def patience(self, timeout: float | None) -> float:
        return min(timeout or 0.0, 0.05)


def drive(paths: Paths) -> int:
    """Run a driver to its end; how many demand starts it took."""
    manager = InPlace(paths)
    with mock.patch.object(driver, "DirectoryWatch", NoWatch):
        one = driver.Driver(paths.queue, own.OwnGateway(paths), manager, NoUpdates(), policy=POLICY, trigger="watch")
        assert one.drive(), "another driver is at it"
    return manager.starts
