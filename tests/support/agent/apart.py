"""Gateways of hermes-agent that run at once: its `hermes update` ends every one on the machine that is not its profile's."""

import fcntl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 300.0  # seconds; then the test goes on beside whoever has not ended
_LOOK = 0.1


@contextmanager
def apart(*, updates: bool) -> Iterator[None]:
    """Have no gateway of another test's run meanwhile where this one updates, and no such update where it does not."""
    with (Path(tempfile.gettempdir()) / "hermes-agent-gateways.lock").open("a") as file:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if updates else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOOK)
        yield
