"""What blocks runs once, in a thread, when one is to be had; who asks for one says how long it is waited for."""

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from support import PATIENCE

from hermes_cli.gateway import process
from hermes_cli.gateway.conversations.message import Message, MessageOrigin
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.gateway.notify_watch import NotifyWatch
from hermes_cli.gateway.staying import Staying
from hermes_cli.gateway.tools import restart, update
from hermes_cli.paths import Paths
from hermes_cli.services import choose
from hermes_cli.system import locks, threads
from hermes_cli.system.process import Identity


class Room:
    """How many threads are refused from now on; None: every one."""

    def __init__(self) -> None:
        self.refused: int | None = 0
        self.asked = 0

    def run(self, work: Coroutine[Any, Any, Any], refused: int | None = None) -> Any:
        """Return what a coroutine returns that is refused threads; the end of an event loop needs one, too."""

        async def refuse() -> Any:
            self.refused = refused
            try:
                return await work
            finally:
                self.refused = 0

        return asyncio.run(refuse())

    def is_refused(self) -> bool:
        self.asked += 1
        if self.refused is None:
            return True
        self.refused -= 1
        return self.refused >= 0


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    """Python's own way to start a thread, which meets a limit."""
    found, start = Room(), threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if found.is_refused():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(threads, "_FIRST_PAUSE", 0.01)
    return found


@pytest.fixture
def paths(tmp_path) -> Paths:
    made = Paths("default", f"{tmp_path}/state", str(tmp_path), f"{tmp_path}/logs")
    made.queue.make_directories()
    return made


@pytest.fixture
def turn() -> Turn:
    message = Message(1, "main", "m1", "user", "/restart", 0.0, MessageOrigin.local("main"))
    return Turn(message, 0.0, lambda *_: None, 1000)


def test_what_no_thread_could_be_had_for_runs_once_when_one_is(room: Room) -> None:
    room.refused, ran = 2, []

    async def both() -> list[int | None]:
        return await asyncio.gather(threads.in_thread(ran.append, 1), threads.in_thread(ran.append, 2))

    asyncio.run(both())
    assert sorted(ran) == [1, 2]


def test_another_error_is_raised() -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        asyncio.run(threads.in_thread(fail))


@pytest.mark.parametrize("patience", [0, 0.05])
def test_who_does_not_wait_longer_is_told_and_nothing_runs_later(room: Room, patience: float) -> None:
    room.refused, ran = None, []

    async def give_up() -> None:
        with pytest.raises(threads.NoThreadError, match=r"^no thread can be started now$"):
            await threads.in_thread(ran.append, "given up", patience=patience)
        room.refused = 0
        await threads.in_thread(ran.append, "later")

    asyncio.run(give_up())
    assert ran == ["later"]


def test_a_thread_that_cannot_be_started_is_no_error_where_it_only_helps(room: Room) -> None:
    room.refused = None
    assert not threads.start(threading.Thread(target=pytest.fail))
    room.refused, ran = 0, threading.Event()
    assert threads.start(threading.Thread(target=ran.set))
    assert ran.wait(PATIENCE)


def test_the_release_of_a_lock_is_awaited_without_a_thread(room: Room, tmp_path) -> None:
    lock = locks.take(f"{tmp_path}/lock")
    room.refused = None
    locks.await_release(f"{tmp_path}/lock", 0.01)
    assert room.asked == 1
    assert lock is not None
    lock.release()


# Each task of the gateway that asks for a thread.


def test_whether_to_stay_is_answered_at_once_from_what_was_seen(room: Room, paths: Paths) -> None:
    """Whoever sent the signal waits, and a restart into a broken configuration must not happen for want of a thread."""
    answers: list[bool] = []
    looks: list[asyncio.Task[None]] = []
    staying = Staying(
        paths,
        lambda: "config.toml is wrong",
        me=lambda: Identity(1, 1.0, 1, "boot"),
        manager=lambda: choose(paths, "embedded"),
        spawn=lambda look: looks.append(asyncio.get_running_loop().create_task(look)),
        decided=answers.append,
    )

    async def ask() -> int:
        assert staying.begins()
        await looks[0]
        return room.asked

    assert room.run(ask()) == 1
    assert answers == [True]


def test_outcomes_are_looked_for_again_when_there_is_a_thread(room: Room, paths: Paths) -> None:
    assert room.run(NotifyWatch(paths)._look(), 3), "nothing is left to be told"
    assert room.asked > 3


@pytest.mark.parametrize("tool", [restart, update])
def test_who_asks_in_a_chat_is_told_and_nothing_is_recorded(
    room: Room, paths: Paths, turn: Turn, monkeypatch: pytest.MonkeyPatch, tool
) -> None:
    monkeypatch.setattr(tool, "PATIENCE", 0.05)
    what = (
        restart.request_restart(turn, paths) if tool is restart else update.run_update(turn, [], paths, lambda: False)
    )
    said = room.run(what)
    assert said == f"no {tool.__name__.rpartition('.')[2]}: no thread can be started now: repeat in a moment"
    assert paths.queue.unsettled() == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the kernel tells of a child's end only by a signal")
def test_a_child_is_not_left_running_for_want_of_a_thread(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.version_info < (3, 12):
        monkeypatch.setattr(asyncio.get_event_loop_policy(), "_watcher", None)
    process._need_no_thread_for_children()

    async def run() -> int:
        return await (await asyncio.create_subprocess_exec("true")).wait()

    assert room.run(run()) == 0
    assert room.asked <= 1, "the end of the event loop needs one, nobody else does"


def test_a_server_whose_name_cannot_be_looked_up_was_sent_nothing(room: Room) -> None:
    pytest.importorskip("httpx2")
    from hermes_cli.gateway.channels.telegram.api import Api
    from hermes_cli.gateway.channels.telegram.outcomes import NotSent

    async def call() -> object:
        return await Api("http://bots.example", "1:secret").call("getMe")

    assert room.run(call()) == NotSent("can't start new thread")


def test_an_endpoint_whose_name_cannot_be_looked_up_is_not_reached(room: Room) -> None:
    pytest.importorskip("httpx2")
    from hermes_cli.config import ModelConfig
    from hermes_cli.gateway.agents.model.wire import Endpoint, EndpointError

    async def ask() -> None:
        endpoint = Endpoint(ModelConfig(base_url="http://model.example", model="a"), "")
        await endpoint._once({}, lambda _: None, last=True)

    with pytest.raises(EndpointError, match="cannot be reached, can't start new thread: repeat in a moment"):
        room.run(ask())
