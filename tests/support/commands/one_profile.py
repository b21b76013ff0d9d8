"""Fixtures: one profile's directories, `hermes` commands, and child processes that never outlive the test.

The conftest of tests/unit and that of tests/processes import them by name.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from hermes_cli.intents.request import compose, make_directories, submit
from hermes_cli.paths import Paths
from support import PATIENCE


@pytest.fixture
def nothing_inherited(monkeypatch):
    for name in [name for name in os.environ if name.startswith("HERMES_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def paths(tmp_path) -> Paths:
    found = Paths("default", f"{tmp_path}/state", str(tmp_path), f"{tmp_path}/logs")
    make_directories(found.intents)
    return found


@pytest.fixture
def record(paths) -> Callable[..., dict[str, Any]]:
    """A record as a requester composes it, not published."""

    def make(**changes: Any) -> dict[str, Any]:
        named: dict[str, Any] = {"reason": "manual", "command": "hermes gateway restart", "target": None}
        composed = ("reason", "command", "target", "in_tree", "action", "revision", "origin", "force", "drain_timeout")
        named |= {name: changes.pop(name) for name in composed if name in changes}
        return {**compose(paths.profile, **{"in_tree": False, **named}), **changes}

    return make


@pytest.fixture
def publish(paths, record) -> Callable[..., str]:
    """Publish a record; its id."""
    return lambda **changes: submit(paths.intents, record(**changes))


@pytest.fixture
def place(paths) -> Callable[..., str]:
    """Put bytes into pending/ under a name, as anybody could; the path."""

    def make(name: str, data: bytes, mode: int = 0o600) -> str:
        path = f"{paths.pending}/{name}"
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        return path

    return make


@pytest.fixture
def children() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python children; each is killed by its own pid when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, environment: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        child = subprocess.Popen(
            [sys.executable, *arguments], text=True, env={**os.environ, **(environment or {})}, **options
        )
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            child.wait(PATIENCE)
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


@pytest.fixture
def run_code(children) -> Callable[..., str]:
    """Run Python code in a fresh process to its end; what it printed. It must exit 0."""

    def run(code: str, *arguments: str, **options: Any) -> str:
        child = children("-c", code, *arguments, **options)
        out, err = child.communicate(timeout=PATIENCE)
        assert child.returncode == 0, err
        return out

    return run


@pytest.fixture
def in_time() -> Callable[..., Any]:
    """Call a function that must not block: it gets ten seconds in a thread of its own."""

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        result: list[Any] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                result.append(function(*arguments))
            except BaseException as error:  # noqa: BLE001  handed on to the test
                failure.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), "it blocks"
        if failure:
            raise failure[0]
        return result[0]

    return call


@pytest.fixture
def failing_open(monkeypatch) -> Callable[[str, int, int], None]:
    """Have the next `times` opens of a name fail."""

    def fail(name: str, error: int, times: int) -> None:
        real, left = os.open, [times]

        def opening(path: Any, *arguments: Any, **options: Any) -> int:
            if str(path).endswith(name) and left[0]:
                left[0] -= 1
                raise OSError(error, os.strerror(error), path)
            return real(path, *arguments, **options)

        monkeypatch.setattr(os, "open", opening)

    return fail


@pytest.fixture
def tiny_disk(tmp_path) -> Iterator[str]:
    """A file system of 64 KiB; only root can mount one."""
    if os.geteuid() != 0 or sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("only root on Linux can mount a small tmpfs")
    where = f"{tmp_path}/tiny"
    os.mkdir(where, 0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", where], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount a tmpfs")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def fill(directory: str) -> None:
    """Use up the file system's last byte."""
    with contextlib.suppress(OSError), open(f"{directory}/ballast", "wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


@pytest.fixture
def fill_disk() -> Callable[[str], None]:
    return fill


@pytest.fixture
def home(tmp_path) -> str:
    """HERMES_HOME of a profile that nothing runs in yet, with clocks short enough for a test."""
    where = f"{tmp_path}/home of 'hermes'"
    os.mkdir(where, 0o700)
    with open(f"{where}/config.toml", "w", encoding="ascii") as file:
        file.write("[gateway]\ndrain_timeout = 2\nstop_timeout = 2\nteardown_timeout = 1\nstart_timeout = 15\n")
    return where


@pytest.fixture
def at_home(home) -> Paths:
    """The default profile's paths below `home`."""
    return Paths("default", f"{home}/state", home, f"{home}/logs")


@pytest.fixture
def run_hermes(children, home) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run one hermes command to its end, as a person would: not from inside a gateway, and with no terminal."""

    def run(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        child = children("-m", "hermes_cli", *arguments, environment={"HERMES_HOME": home, **(environment or {})})
        out, err = child.communicate(timeout=PATIENCE * 2)
        return subprocess.CompletedProcess(arguments, child.returncode, out, err)

    return run
