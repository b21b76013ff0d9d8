"""Standard streams as commands need them: there, and able to take any character."""

import io
import os
import sys


def mend() -> None:
    """Put /dev/null where a stream was closed, and have what a terminal's encoding cannot show replaced.

    Python has None for a closed stream, and would give its number to the next file that is opened.
    """
    for name in ("stdin", "stdout", "stderr"):  # in the order of their numbers: each takes the lowest that is free
        stream = getattr(sys, name)
        if stream is None:
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(null, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115  for good
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")
