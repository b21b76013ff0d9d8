"""Gateways of hermes-agent that run at once: its `hermes update` ends every one on the machine that is not its profile's."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def apart(*, updates: bool) -> Iterator[None]:
    """Have no gateway of another test's run meanwhile where this one updates, and no such update where it does not.

    The test's own timeout bounds the wait.
    """
    with (Path(tempfile.gettempdir()) / "hermes-agent-gateways.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if updates else fcntl.LOCK_SH)
        yield
