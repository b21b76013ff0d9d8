"""A private `systemd --user`: a real manager with a home, a runtime directory and a cgroup of its own.

It is what `user@UID.service` is on a machine that systemd has booted, without the machine. Its end takes everything
with it that runs in its cgroup, as PID 1 does when such a service ends.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support.machines.installation import PATIENCE

_PROGRAM = Path("/lib/systemd/systemd")
_BOOTED = Path("/run/systemd/system")
_CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))  # hybrid, unified


class NoManagerError(Exception):
    """There can be no user manager here; the text says why."""


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """Skip the test where there can be no user manager; HERMES_TEST_REQUIRE=systemd says that there must be one."""
    import pytest

    try:
        yield
    except NoManagerError as error:
        if "systemd" in os.environ.get("HERMES_TEST_REQUIRE", ""):
            raise
        pytest.skip(str(error))


class UserManager:
    """Started by `start`, and again after `kill`."""

    def __init__(self, become: str = "") -> None:
        """`become`: a command line that runs another as some other user. Raise NoManagerError where systemd is absent."""
        if not _PROGRAM.exists() or shutil.which("systemctl") is None:
            raise NoManagerError("systemd is not installed")
        try:
            _BOOTED.mkdir(parents=True, exist_ok=True)  # systemctl and the manager look for it: sd_booted(3)
        except OSError as error:
            raise NoManagerError(f"{_BOOTED} is absent and cannot be made: {error.strerror}") from None
        # Short: sockets lie below it.
        self.root = Path(tempfile.mkdtemp(prefix="hermes-user-"))
        self.home, self.runtime, self.log = self.root / "home", self.root / "run", self.root / "manager.log"
        self.home.mkdir()
        self.runtime.mkdir(mode=0o700)
        self.units = self.home / ".config" / "systemd" / "user"
        self.variables = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime)}
        self.cgroup = self._cgroup = make_cgroup(self.root.name)
        self._become = become
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the manager and wait until it has reached its default target. Raises NoManagerError."""
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SYSTEMD_LOG_TARGET": "console", **self.variables}

        address = self.runtime / "notify"
        address.unlink(missing_ok=True)
        with self.log.open("ab") as log, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(address))
            address.chmod(0o666)
            environment["NOTIFY_SOCKET"] = str(address)
            self._process = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    f'echo $$ > "$0/cgroup.procs"; exec {self._become} {_PROGRAM} --user',
                    str(self._cgroup),
                ],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            is_up = _says_ready(notified, self._process.pid)
        # Blocks until the manager has started everything.
        if not is_up or self.systemctl("is-system-running", "--wait").stdout.strip() not in {"running", "degraded"}:
            lines = self.log.read_text(errors="replace").strip().splitlines() or ["no word"]
            self.close()
            raise NoManagerError(f"systemd --user does not start here: {lines[-1]}")

    @property
    def pid(self) -> int:
        """Of the manager that was started last."""
        assert self._process is not None
        return self._process.pid

    def systemctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`systemctl --user`, as a person would type it."""
        return subprocess.run(
            [*self._become.split(), "systemctl", "--user", *arguments],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def show(self, unit: str, name: str) -> str:
        """One property."""
        return self.systemctl("show", "--property", name, "--value", unit).stdout.strip()

    def change(self, unit: str, *lines: str) -> None:
        """A drop-in of an older release, or of a person, loaded."""
        folder = self.units / f"{unit}.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "change.conf").write_text("\n".join([*lines, ""]))
        self.load()

    def mask(self, unit: str) -> None:
        """The unit's file becomes a link to /dev/null, which is all that a mask is."""
        path = self.units / unit
        path.unlink()
        path.symlink_to("/dev/null")
        self.load()

    def load(self) -> None:
        """`daemon-reload`."""
        done = self.systemctl("daemon-reload")
        assert done.returncode == 0, done.stderr

    def kill(self) -> None:
        """SIGKILL to the manager, and then to all that it has started."""
        self._end_manager()
        (self._cgroup / "cgroup.kill").write_text("1")
        self._await_empty()

    def kill_alone(self) -> None:
        """SIGKILL to the manager; what it has started goes on."""
        self._end_manager()

    def close(self) -> None:
        """End everything and remove every trace."""
        with contextlib.suppress(OSError):
            self.kill()
        for hierarchy in (self._cgroup, Path("/sys/fs/cgroup/systemd") / self.root.name):
            for folder, _, _ in os.walk(hierarchy, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        shutil.rmtree(self.root, ignore_errors=True)

    def _end_manager(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(PATIENCE)

    def _await_empty(self) -> None:
        deadline = time.monotonic() + PATIENCE
        with (self._cgroup / "cgroup.events").open() as events:
            changed = select.poll()
            changed.register(events, select.POLLPRI)  # since it was read last: cgroups(7)
            while "populated 1" in events.read():
                assert changed.poll(max(0.0, deadline - time.monotonic()) * 1000), "what the manager started goes on"
                events.seek(0)


def _says_ready(notified: socket.socket, pid: int) -> bool:
    """Whether the manager says that it is up (sd_notify(3)) before it ends, in time."""
    deadline = time.monotonic() + PATIENCE
    pidfd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        for descriptor in (notified.fileno(), pidfd):
            poller.register(descriptor, select.POLLIN)
        while ready := dict(poller.poll(max(0.0, deadline - time.monotonic()) * 1000)):
            if notified.fileno() not in ready:
                return False
            if b"READY=1" in notified.recv(4096).splitlines():
                return True
    finally:
        os.close(pidfd)
    return False


def make_cgroup(name: str) -> Path:
    """One below our own: two managers in one cgroup would take each other's units for theirs."""
    mounted = next((root for root in _CGROUPS if (root / "cgroup.procs").exists()), None)
    own = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line[:3] == "0::"), None)
    if mounted is None or own is None:
        raise NoManagerError("no cgroup of version 2 is mounted")
    found = mounted / own.lstrip("/") / name
    try:
        found.mkdir()
        (found / "cgroup.kill").stat()
    except OSError as error:
        raise NoManagerError(f"no cgroup of our own ({found}: {error.strerror})") from None
    return found
