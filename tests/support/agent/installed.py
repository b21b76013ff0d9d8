"""hermes-agent as its users get it: the release from the index, in a virtual environment of its own, unmodified.

Once for all the processes of a test run. Whatever runs it is cut off from the network: see `offline`.
"""

import ctypes
import fcntl
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import venv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

RELEASE = "hermes-agent==0.19.0"
GIVEN = "HERMES_TEST_AGENT"  # a virtual environment that has it already
_PATIENCE = 900
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _UP = 0x8914, 0x1
Made = TypeVar("Made")


class NotToBeHadError(Exception):
    """The index is away; the text says why."""


def installed(folder: Path) -> Path:
    """Return the interpreter of an environment that has the release; made in `folder` by whoever comes first.

    Raises NotToBeHadError.
    """
    if given := os.environ.get(GIVEN):
        _answer_for_the_machine(Path(given))
        return Path(given) / "bin" / "python"
    environment = folder / "hermes-agent"
    python, refused = environment / "bin" / "python", folder / "hermes-agent.refused"
    with FileLock(folder / "hermes-agent.lock"):
        if refused.exists():
            raise NotToBeHadError(refused.read_text())
        if not (environment / "made").exists():
            try:
                _install(environment, python)
            except NotToBeHadError as error:
                refused.write_text(str(error))
                raise
            (environment / "made").touch()
    return python


def _install(environment: Path, python: Path) -> None:
    venv.EnvBuilder(symlinks=True, clear=True, with_pip=True).create(environment)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", RELEASE]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no word"]
        raise NotToBeHadError(f"{RELEASE} cannot be installed here: {lines[-1]}")
    _answer_for_the_machine(environment)


def _answer_for_the_machine(environment: Path) -> None:
    (site,) = environment.glob("lib/python*/site-packages")
    shutil.copy(Path(__file__).parent / "on_a_mac" / "sitecustomize.py", site)


def files_of(python: Path) -> str:
    """Return one digest of all that the release has installed: it is to be the same when everything is over."""
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    (record,) = site.glob("hermes_agent-*.dist-info/RECORD")
    found = hashlib.sha256()
    for line in sorted(record.read_text().splitlines()):
        path = site / line.split(",")[0]
        if "__pycache__" not in path.parts and path.exists():
            found.update(path.read_bytes())
    return found.hexdigest()


def offline(make: Callable[[], Made]) -> Made:
    """Call `make` such that the processes which it starts have the loopback device and no other, where that can be had.

    Only root may make a network of its own. For everybody else there is `CLOSED`.
    """
    if os.geteuid() != 0 or sys.platform != "linux":
        return make()
    found: list[Made] = []
    failed: list[BaseException] = []

    def apart() -> None:
        try:
            _leave_the_network()
            found.append(make())
        except BaseException as error:  # noqa: BLE001  # raised below, in the thread that asked
            failed.append(error)

    # A network belongs to a thread, and what that thread starts inherits it.
    thread = threading.Thread(target=apart)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


# For its `.env`: every request that leaves the machine meets a closed port.
CLOSED = "".join(f"{name}=http://127.0.0.1:9\n" for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"))


def _leave_the_network() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"no network of our own: {os.strerror(error)}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP))
