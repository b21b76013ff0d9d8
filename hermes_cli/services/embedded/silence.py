"""A supervisor that holds its lock and does not answer: somebody has stopped it, or it hangs."""

from hermes_cli.errors import Advice, Problem
from hermes_cli.system import process_table

_LOOK = "hermes gateway status"


class NoAnswer(TimeoutError):  # noqa: N818  not an error that anybody is shown
    """The process that listens, `pid` where the kernel says it, has not answered in time, or cannot: it is stopped."""

    def __init__(self, pid: int | None, why: str = "timed out") -> None:
        """Keep who it is."""
        super().__init__(why)
        self.pid = pid


def text(pid: int | None, why: str) -> str:
    """Return the words for it, without a mend; `why` as the kernel, or the parser, says it."""
    return f"{_who(pid)} does not answer ({why})"


def mend(pid: int | None) -> str:
    """Return what to do about it: one that was stopped goes on; whether one that hangs does, a look tells."""
    return f"kill -CONT {pid}" if pid is not None and process_table.is_stopped(pid) else _LOOK


def stopped(pid: int | None) -> str | None:
    """Return the words for one that was stopped, with the mend; None for any other: it may well answer in a while."""
    if pid is None or not process_table.is_stopped(pid):
        return None
    return f"{_who(pid)} is stopped (SIGSTOP, Ctrl-Z): {mend(pid)}"


def problem(pid: int | None) -> Problem:
    """Return what is wrong and what ends it: one that was stopped goes on, one that hangs may be killed at any time."""
    if pid is not None and process_table.is_stopped(pid):
        text = f"{_who(pid)} is stopped (SIGSTOP, Ctrl-Z): nobody would start the gateway again, and a restart waits"
        return Problem("unknown", text, mend(pid))
    text = f"{_who(pid)} does not answer: nobody would start the gateway again, and a restart waits"
    if pid is None or pid == 1:
        return Problem("unknown", text, Advice(f"{_LOOK}, in a while; if it stays so, start the container again"))
    return Problem(
        "unknown", text, Advice(f"{_LOOK}, in a while; if it stays so: kill -KILL {pid}, hermes gateway start")
    )


def _who(pid: int | None) -> str:
    return "the supervisor" if pid is None else f"the supervisor, pid {pid},"
