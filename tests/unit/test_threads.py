"""What blocks runs once, in a thread, when one is to be had."""

import asyncio
import threading

import pytest

from hermes_cli.system import threads


def test_what_no_thread_could_be_had_for_runs_once_when_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_FIRST_PAUSE", 0.01)
    start, refused, ran = threading.Thread.start, [1, 2], []

    def refuse(thread: threading.Thread) -> None:
        if refused:
            refused.pop()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)

    async def both() -> list[int | None]:
        return await asyncio.gather(threads.in_thread(ran.append, 1), threads.in_thread(ran.append, 2))

    asyncio.run(both())
    assert sorted(ran) == [1, 2]


def test_another_error_is_raised() -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        asyncio.run(threads.in_thread(fail))
