"""What blocks, in a thread of its own, when there is one to be had: at a limit of processes the kernel refuses threads, too.

Only here is a thread of the event loop's asked for: each caller says how long it waits for one, and gets one error.
"""

import errno
import time
from collections.abc import Callable
from typing import Any, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading

_Result = TypeVar("_Result")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds between two tries
_REFUSED = "can't start new thread"  # Python has no error of its own for it


class NoThreadError(OSError):
    """No thread can be started now, which passes."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "no thread can be started now")

    def __str__(self) -> str:
        """As it is told."""
        return str(self.strerror)


def is_refusal(error: BaseException) -> bool:
    """Say whether the error means that no thread could be started."""
    return isinstance(error, NoThreadError) or (isinstance(error, RuntimeError) and _REFUSED in str(error))


def start(thread: "threading.Thread") -> bool:
    """Start a thread; False when none can be started."""
    try:
        thread.start()
    except RuntimeError as error:
        if not is_refusal(error):
            raise
        return False
    return True


async def in_thread(function: Callable[..., _Result], *arguments: Any, patience: float = float("inf")) -> _Result:
    """Return what `function` returns, which runs once, in a thread.

    Wait `patience` seconds for one that can be started. Raises NoThreadError after them; the function has not run then.
    """
    import asyncio

    pause, deadline = _FIRST_PAUSE, time.monotonic() + patience
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
        left = deadline - time.monotonic()
        if left <= 0:
            raise NoThreadError
        if pause == _FIRST_PAUSE:
            import logging  # who only starts a thread does without

            logging.getLogger("hermes.threads").error("no thread can be started, it is tried until one can")
        await asyncio.sleep(min(pause, left))  # a kernel tells nobody that it has threads again
        pause = min(2 * pause, _LONGEST_PAUSE)
