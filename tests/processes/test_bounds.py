"""What lies on the disk, and what other programs print, is bounded (rule 14)."""

import asyncio
import contextlib
import errno
import json
import os
import select
import socket
import sys
import time

import pytest

from hermes_cli.config import load
from hermes_cli.errors import ConfigError, QueueError
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.conversations.updates import ChatUpdate, Updates, chat_updates
from hermes_cli.intents import request
from hermes_cli.intents.queue import Broken
from hermes_cli.intents.tidying import tidy
from hermes_cli.services.embedded.control import Control
from hermes_cli.services.embedded.driver_runs import DriverRuns
from hermes_cli.services.job import definition
from hermes_cli.system import command, sockets
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.update import chat_job, journal


def test_of_what_was_set_aside_the_newest_files_are_kept(paths, place):
    for number in range(230):
        place(f"junk-{number:03}", b"no record")
        assert paths.queue.reject(Broken(f"junk-{number:03}", "test"))
        os.utime(f"{paths.queue.rejected}/junk-{number:03}")
    os.mkdir(f"{paths.queue.rejected}/empty")
    os.makedirs(f"{paths.queue.rejected}/theirs/data")
    tidy(paths.queue)
    names = set(os.listdir(paths.queue.rejected))
    assert len(names) == 200
    assert "theirs" in names
    assert {f"junk-{number:03}" for number in range(32, 230)} <= names


def test_a_request_beyond_so_many_pending_is_refused_in_one_line(paths, publish, monkeypatch):
    monkeypatch.setattr(request, "MOST_PENDING", 3)
    for _ in range(3):
        publish()
    with pytest.raises(QueueError, match=r"3 are pending already; hermes gateway status") as refused:
        publish()
    assert "\n" not in str(refused.value)
    assert len(os.listdir(paths.pending)) == 3
    assert not os.listdir(paths.queue.staging)


def test_of_what_a_command_prints_the_last_bytes_are_kept(monkeypatch):
    monkeypatch.setattr(command, "OUTPUT", 1000)
    code = "import sys; [print(n) for n in range(100000)]; sys.stderr.write('e' * 300000)"
    ended = command.run([sys.executable, "-c", code], 60, environment=os.environ)
    assert ended.ok
    assert ended.out.endswith("99998\n99999\n")
    assert len(ended.out) <= 1000
    assert ended.err == "e" * 1000


def test_a_command_that_closes_its_output_and_goes_on_has_its_time_limit():
    code = "import os, time; os.close(1); os.close(2); time.sleep(60)"
    began = time.monotonic()
    assert command.run([sys.executable, "-c", code], 0.5, environment=os.environ).code is None
    assert time.monotonic() - began < 30


def test_a_configuration_or_a_definition_without_end_is_not_read(tmp_path):
    path = f"{tmp_path}/config.toml"
    with open(path, "wb") as file:
        file.write(b"#" * (2 << 20))
    with pytest.raises(ConfigError, match="is longer than"):
        load(path)
    assert len(definition.read(path)) == 1 << 20


def test_callers_of_the_supervisor_that_say_nothing_make_way(tmp_path):
    """Without a bound they take every descriptor, and the supervisor spins on a call that it cannot accept."""
    import selectors

    selector = selectors.DefaultSelector()
    answered = []

    def serve(call):
        answered.append(call.operation)
        call.answer({})

    control = Control(f"{tmp_path}/sock", selector, serve)
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0

    def turn():
        while ready := selector.select(0):
            for key, _ in ready:
                with contextlib.suppress(KeyError):
                    key.data()

    silent = []
    for _ in range(100):
        silent.append(sockets.connect(f"{tmp_path}/sock", 5))
        turn()
    if before:
        assert len(os.listdir("/proc/self/fd")) - before - len(silent) <= 32
    hung_up = [one for one in silent if select.select([one], [], [], 0)[0]]
    assert hung_up == silent[:68]
    asking = sockets.connect(f"{tmp_path}/sock", 5)
    turn()
    asking.sendall(b'{"op": "status"}\n')
    turn()
    assert answered == ["status"]
    assert asking.recv(100) == b"{}\n"
    for one in (*silent, asking):
        one.close()
    control.close()
    assert isinstance(asking, socket.socket)


def test_journals_that_cannot_be_read_are_set_aside_so_many_times(paths):
    os.makedirs(paths.updates)
    for number in range(60):
        with open(f"{paths.updates}/unreadable-{number:02}.json", "w") as file:
            file.write("{}")
    with open(f"{paths.updates}/20260101T000000.000000Z-1-abcd.json", "w") as file:
        file.write("{}")
    journal._tidy(paths.updates)
    left = sorted(name for name in os.listdir(paths.updates) if name.startswith("unreadable-"))
    assert left == [f"unreadable-{number:02}.json" for number in range(10, 60)]


def test_what_an_update_said_to_a_chat_that_nobody_knows_is_forgotten_after_a_day(paths):
    folder = chat_job.folder(paths)
    os.makedirs(folder)
    old = time.time() - 2 * 86400
    for name, at in (("a.out", old), ("b.out", time.time()), ("c.json", old), ("c.out", old)):
        with open(f"{folder}/{name}", "w") as file:
            json.dump({"session": "s", "message": "m", "at": at}, file)
        os.utime(f"{folder}/{name}", (at, at))

    async def follow():
        store = Store(paths.messages)
        updates = Updates(paths, store, lambda _: None)
        updates.follow()
        while chat_updates(paths):  # noqa: ASYNC110  files wake nobody
            await asyncio.sleep(0.01)
        store.close()

    asyncio.run(asyncio.wait_for(follow(), 20))
    assert os.listdir(folder) == ["b.out"]


def test_an_update_that_says_too_much_tells_a_chat_the_beginning(paths):
    folder = chat_job.folder(paths)
    os.makedirs(folder)
    with open(f"{folder}/x.out", "w") as file:
        file.write("line\n" * 500_000)
    output = ChatUpdate("x", "s", "m", f"{folder}/x.out").output()
    assert output is not None
    assert len(output[0]) == 1 << 20


def test_without_a_watch_of_the_kernel_a_reader_looks_every_half_second(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EMFILE, "no instance left")

    monkeypatch.setattr(DirectoryWatch, "_watch_by_inotify", refuse)
    monkeypatch.setattr(DirectoryWatch, "_watch_by_kqueue", refuse)
    with DirectoryWatch(str(tmp_path)) as watch:
        assert watch.patience(3600.0) == 0.5
        assert watch.wait(0.01)


def test_a_driver_that_fails_again_and_again_is_run_with_pauses_that_double_and_have_a_longest(paths, publish):
    publish()
    runs, pauses = DriverRuns(paths, lambda _: 1), []
    for _ in range(10):
        runs.demand("watch")
        runs.run()
        assert runs.pid == 1
        runs.run()  # one at a time
        now = time.monotonic()
        runs.exited(1)
        assert runs.at is not None
        pauses.append(round(runs.at - now))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
