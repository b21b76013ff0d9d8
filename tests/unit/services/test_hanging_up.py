"""An embedded supervisor that hangs up while it is asked: it leaves, whichever call of the kernel's shows it first."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_cli.errors import CannotTellError
from hermes_cli.paths import Paths, resolve
from hermes_cli.services.embedded.manager import Embedded
from hermes_cli.system import locks

ASKED = 40


@pytest.fixture
def leaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """A supervisor that holds its lock, and closes each connection at once."""
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    monkeypatch.delenv("HERMES_PROFILE", raising=False)
    paths = resolve()
    os.makedirs(paths.supervisor)
    lock = locks.take(f"{paths.supervisor}/lock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{paths.supervisor}/sock")
        listener.listen(64)
        thread = threading.Thread(target=hang_up, args=(listener,))
        thread.start()
        yield paths
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    lock.release()


def hang_up(listener: socket.socket) -> None:
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return


def test_a_supervisor_that_hangs_up_has_left_and_is_not_one_that_does_not_answer(leaving: Paths) -> None:
    service = Embedded(leaving)
    for _ in range(ASKED):
        with pytest.raises(CannotTellError, match=r"^no supervisor answers after 0 s"):
            service._ask({"op": "status"}, 5.0, 0.0)
