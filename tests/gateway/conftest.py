"""A gateway as a real process with a home of its own, and a raw client of its socket."""

import contextlib
import itertools
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import PATIENCE
from support.machines.installation import REPOSITORY
from support.machines.interpreter import FAULTS

from hermes_cli.intents import request
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.step import Outcome
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import durable, locks, sockets
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle, Identity

_numbers = itertools.count()


class Client:
    """The protocol, line by line, with nothing hidden but `mark`, which begins each session and message id of ours."""

    def __init__(self, path: str, mark: str = "") -> None:
        self.socket = sockets.connect(path, PATIENCE)
        self._lines = self.socket.makefile("rb")
        self._mark = mark

    def send(self, **operation) -> None:
        for name in ("session", "id"):
            if name in operation:
                operation[name] = self._mark + operation[name]
        self.socket.sendall(json.dumps(operation).encode() + b"\n")

    def receive(self) -> dict | None:
        line = self._lines.readline().replace(self._mark.encode(), b"")
        return json.loads(line) if line else None

    def until(self, wanted: Callable[[dict], bool]) -> list[dict]:
        """Everything up to the first event that is wanted."""
        events: list[dict] = []
        while (event := self.receive()) is not None:
            events.append(event)
            if wanted(event):
                return events
        raise AssertionError(f"the gateway hung up after {events}")

    def follow(self, session: str = "main", after: int = 0) -> None:
        self.send(op="follow", session=session, after=after)

    def say(self, text: str, identifier: str, session: str = "main") -> dict:
        """Send a message; its acknowledgement."""
        self.send(op="send", session=session, id=identifier, text=text)
        return self.until(lambda event: event["event"] in {"accepted", "error"})[-1]

    def reply_to(self, identifier: str) -> dict:
        return self.until(lambda event: event.get("reply_to") == identifier and event["event"] == "message")[-1]

    def chunk_of(self, identifier: str) -> dict:
        return self.until(lambda event: event.get("reply_to") == identifier and event["event"] == "chunk")[-1]

    def history(self, session: str = "main", limit: int = 100) -> list[dict]:
        self.send(op="history", session=session, limit=limit)
        return self.until(lambda event: event["event"] == "history")[-1]["messages"]

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


class Gateway:
    """One gateway process."""

    def __init__(self, paths: Paths, log: Path, environment: dict[str, str]) -> None:
        self.paths = paths
        self._log_path = log
        self._log = log.open("ab")
        self._clients: list[Client] = []
        self.mark = ""  # of the test that it serves, if it serves several
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hermes_cli", "-p", environment.get("HERMES_PROFILE", "default"), "gateway", "run"],
            env=environment,
            cwd=os.environ.get("HERMES_TEST_CODE"),  # whose modules come first
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self.pid = self.process.pid

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def described(self) -> Instance | None:
        found = own.read(self.paths)
        return found if found is not None and found.identity.pid == self.pid else None

    def await_state(self, wanted: Callable[[Instance], bool]) -> Instance:
        deadline = time.monotonic() + PATIENCE
        durable.make_private_directory(self.paths.state)
        with DirectoryWatch(self.paths.state) as watch:
            while time.monotonic() < deadline:
                found = self.described()
                if found is not None and wanted(found):
                    return found
                assert self.process.poll() is None, f"the gateway exited {self.process.returncode}:\n{self.log}"
                watch.wait(0.5)
        raise AssertionError(f"not within {PATIENCE} s:\n{self.log}")

    def ready(self) -> "Gateway":
        self.await_state(lambda found: found.ready)
        return self

    def client(self) -> Client:
        client = Client(self.paths.socket, self.mark)
        self._clients.append(client)
        return client

    def following(self, session: str = "main", after: int = 0) -> Client:
        client = self.client()
        client.follow(session, after)
        return client

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)

    def restart_intent(self, **wishes) -> str:
        """A durable request that names this instance."""
        described = self.described()
        assert described is not None
        record = request.compose(
            self.paths.profile,
            reason="manual",
            command="test",
            target=described.identity.document(),
            in_tree=False,
            **wishes,
        )
        return request.submit(self.paths.intents, record)

    def settle(self, identifier: str, outcome: Outcome, detail: str = "") -> None:
        """What a driver does at the end."""
        intent = next(one for one in self.paths.queue.unsettled() if one.id == identifier)
        assert self.paths.queue.settle(intent, outcome, detail, trigger="test")

    def hang_up(self) -> None:
        while self._clients:
            self._clients.pop().close()

    def end(self) -> None:
        self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._log.close()


@pytest.fixture
def paths(tmp_path, monkeypatch) -> Paths:
    monkeypatch.delenv("HERMES_PROFILE", raising=False)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return Paths("default", f"{home}/state", str(home), f"{home}/logs")


@pytest.fixture
def configure(paths) -> Callable[[str], None]:
    """Write config.toml."""

    def write(text: str) -> None:
        Path(paths.config).write_text(text, encoding="utf-8")

    return write


@contextlib.contextmanager
def _bystander(paths: Paths) -> Iterator[None]:
    """A supervisor that answers and does nothing: without one, a gateway on its way out would start a real one."""
    lock = locks.take(f"{paths.supervisor}/lock")
    assert lock is not None
    listener = sockets.listen(f"{paths.supervisor}/sock")

    def answer() -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(4096)
                    connection.sendall(b'{"running": true}\n')

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
    listener.close()
    thread.join(PATIENCE)
    lock.release()


@contextlib.contextmanager
def _starting(paths: Paths, folder: Path) -> Iterator[Callable[..., Gateway]]:
    """Start gateways of one home, with their logs in `folder`; all are ended afterwards."""
    started: list[Gateway] = []

    def begin(**variables: str) -> Gateway:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HERMES_")}
        environment |= {"HERMES_HOME": os.path.dirname(paths.state), **variables}
        places = [REPOSITORY, *([FAULTS] if "HERMES_TEST_FAULT" in variables else [])]
        environment["PYTHONPATH"] = os.pathsep.join(map(str, places))
        gateway = Gateway(paths, folder / f"log-{len(started)}", environment)
        started.append(gateway)
        return gateway

    yield begin
    for gateway in started:
        gateway.end()


@pytest.fixture
def bystander(paths) -> Iterator[None]:
    with _bystander(paths):
        yield


@pytest.fixture
def start(paths, tmp_path, bystander) -> Iterator[Callable[..., Gateway]]:
    """Start a gateway of the test's home; all are ended afterwards."""
    with _starting(paths, tmp_path) as begin:
        yield begin


@pytest.fixture
def gateway(start) -> Gateway:
    """A ready one, of this test alone: to be signalled, stopped or killed."""
    return start().ready()


@pytest.fixture(scope="module")
def _residents(tmp_path_factory) -> Iterator[Iterator[Gateway]]:
    """The module's gateway; another one if that was ended."""
    home = tmp_path_factory.mktemp("resident")
    home.chmod(0o700)
    paths = Paths("default", f"{home}/state", str(home), f"{home}/logs")

    def living(begin: Callable[..., Gateway]) -> Iterator[Gateway]:
        gateway = begin().ready()
        while True:
            if gateway.process.poll() is not None:
                gateway = begin().ready()
            yield gateway

    with _bystander(paths), _starting(paths, home) as begin:
        yield living(begin)


@pytest.fixture
def resident(_residents) -> Iterator[Gateway]:
    """A ready one that the module's tests share, for a test that only talks to it: sessions and ids are its own."""
    gateway = next(_residents)
    gateway.mark = f"test-{next(_numbers)}."
    yield gateway
    gateway.hang_up()
    try:
        gateway.await_state(lambda found: found.ready and not found.active_turns)
    except AssertionError:
        gateway.end()  # the next test gets another one
        raise


@pytest.fixture
def await_end() -> Callable[[int], bool]:
    """Whether the process `pid` ends within the patience."""

    def wait(pid: int) -> bool:
        try:
            with Handle(Identity.of(pid) or Identity(pid)) as handle:
                return handle.wait(PATIENCE)
        except ProcessLookupError:
            return True

    return wait


@pytest.fixture(scope="session")
def telegram_figures() -> Iterator[Callable[[str, object], None]]:
    """Say what a check has come to; with HERMES_TELEGRAM_PAGE=PATH, and without xdist, write all of it as a page."""
    rows: list[str] = []

    def note(check: str, figures: object) -> None:
        print(f"{check}: {figures}")
        rows.append(f"| {check} | {figures} |")

    yield note
    path = os.environ.get("HERMES_TELEGRAM_PAGE")
    if path and rows:
        head = "# Telegram: figures of the last run\n\n"
        head += f"Real gateways and the [emulated Bot API](../../tests/telegram/README.md); {os.cpu_count()} cores, shared with"
        head += f" other work, Python {platform.python_version()}. [How it is written](../contributing/testing.md#programs-among-the-tests)."
        head += ' A stray is a "…" that no answer became of.\n\n| check | figures |\n| --- | --- |\n'
        Path(path).write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
