"""What blocks, in a thread of its own, when there is one to be had: at a limit of processes the kernel refuses threads, too."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

_log = logging.getLogger("hermes.threads")
_Result = TypeVar("_Result")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds between two tries
_REFUSED = "can't start new thread"  # Python has no error of its own for it


def is_refusal(error: BaseException) -> bool:
    """Say whether the error means that no thread could be started."""
    return isinstance(error, RuntimeError) and _REFUSED in str(error)


async def in_thread(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Return what `function` returns, which runs once, in a thread; wait as long as none can be started."""
    pause = _FIRST_PAUSE
    while True:
        given_up: list[bool] = []

        def attempt(given_up: list[bool] = given_up) -> _Result:
            # Python has queued what it could start no thread for: the next thread would run it beside the next try.
            if given_up:
                raise asyncio.CancelledError
            return function(*arguments)

        try:
            return await asyncio.to_thread(attempt)
        except RuntimeError as error:
            if not is_refusal(error):
                raise
        given_up.append(True)
        if pause == _FIRST_PAUSE:
            _log.error("no thread can be started, it is tried until one can")
        await asyncio.sleep(pause)  # a kernel tells nobody that it has threads again
        pause = min(2 * pause, _LONGEST_PAUSE)
