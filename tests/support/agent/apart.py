"""One real hermes-agent at a time: its commands look through all processes of the machine and end what looks like theirs."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def apart(shared: Path) -> Iterator[None]:
    """Hold the lock that the tests with a hermes-agent share, in whichever worker they run."""
    with (shared / "hermes-agent.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
