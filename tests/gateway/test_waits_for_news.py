"""Who tells outcomes, and the page in the browser, wait for events: nothing looks at the disk again and again."""

import asyncio
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import PATIENCE

from hermes_cli.dashboard import looks, server
from hermes_cli.gateway import notify_watch
from hermes_cli.intents import request
from hermes_cli.paths import Paths, resolve
from hermes_cli.system.directory_watch import DirectoryWatch

NEVER = 2 * PATIENCE


def asked(paths: Paths) -> str:
    record = request.compose(paths.profile, reason="manual", command="test", target=None, in_tree=False)
    return request.submit(paths.intents, record)


def settled(paths: Paths) -> str:
    """What a driver leaves."""
    identifier = asked(paths)
    (intent,) = paths.queue.unsettled()
    assert paths.queue.settle(intent, "restarted", "seen", trigger="test")
    return identifier


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HERMES_PROFILE", raising=False)
    (tmp_path / "home").mkdir(mode=0o700)
    found = resolve(None)
    request.make_directories(found.intents)
    return found


def test_an_outcome_is_told_when_it_is_there(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_AGAIN", "_STILL", "_BLIND"):
        monkeypatch.setattr(notify_watch, name, NEVER)
    (tmp_path / "told").mkdir()
    command = json.dumps(["/bin/sh", "-c", f"cat >>{shlex.quote(str(tmp_path / 'told' / 'lines'))}"])
    Path(home.config).write_text(f"[notify]\ncommand = {command}\n")
    Path(home.config).chmod(0o600)

    async def story() -> None:
        watching = asyncio.create_task(notify_watch.NotifyWatch(home).run())
        with DirectoryWatch(str(tmp_path / "told")) as watch:
            for count in (1, 2):  # the first may be found by the look that everything begins with
                identifier = settled(home)
                deadline = time.monotonic() + PATIENCE
                while len(lines := told(tmp_path / "told" / "lines")) < count:
                    assert time.monotonic() < deadline, f"{count - 1} told"
                    await asyncio.to_thread(watch.wait, 0.5)
                assert lines[-1]["id"] == f"{identifier}-restarted"
        watching.cancel()

    asyncio.run(story())


def told(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


class Onlooker:
    """A browser that reads events."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        head = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer secret\r\n\r\n"
        self.socket.sendall(head.encode())
        self._lines = self.socket.makefile("rb")

    def until(self, wanted) -> dict:
        """The first profile that is as wanted."""
        for line in self._lines:
            if line.startswith(b"data: "):
                (one,) = json.loads(line.removeprefix(b"data: "))["profiles"]
                if wanted(one):
                    return one
        raise AssertionError("hung up")

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


def test_the_page_shows_what_has_changed_and_lets_go_of_who_has_gone(
    home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_MOVES", "_STILL", "_BLIND"):
        monkeypatch.setattr(looks, name, NEVER)
    monkeypatch.setattr(server, "_CONNECTIONS", 2)
    monkeypatch.setenv("HERMES_SERVICE_MANAGER", "embedded")
    page = server.Server(home, 0, "secret")
    serving = threading.Thread(target=page.serve_forever, daemon=True)
    serving.start()
    try:
        stays = Onlooker(page.server_port)
        stays.until(lambda one: not one["pending"])
        for _ in range(5):  # more than there is room for
            passing = Onlooker(page.server_port)
            passing.until(lambda _: True)
            passing.close()
            deadline = time.monotonic() + PATIENCE
            while not page._room.acquire(timeout=0.1):
                assert time.monotonic() < deadline, "the connection of who has gone is kept"
            page._room.release()
        identifier = asked(home)
        assert [one["id"] for one in stays.until(lambda one: one["pending"])["pending"]] == [identifier]
        stays.close()
    finally:
        page.shutdown()
        page.server_close()


@pytest.fixture
def onlooker() -> Iterator[socket.socket]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as mine,
        listening.accept()[0],
    ):
        yield mine


@pytest.mark.parametrize("when", ["before it is waited for", "while it is waited for"])
def test_a_gateway_that_was_killed_is_news(when: str, onlooker: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "_STILL", NEVER)
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process,
        DirectoryWatch() as watch,
    ):
        identity = looks.Identity.of(process.pid)
        assert identity is not None
        if when.startswith("before"):
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        else:
            threading.Thread(target=process.kill).start()
        begun = time.monotonic()
        assert looks.await_change(watch, looks.Look(b"", (identity,)), onlooker)
        assert time.monotonic() - begun < NEVER
