"""One line per event, with UTC time and pid; no message texts, no secrets."""

import logging
import os
import sys
import time


class _Line(logging.Formatter):
    """`2026-11-23T16:05:11.123Z [4242] name: message`."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


def configure(path: str | None = None) -> None:
    """Log from INFO on to the file `path`, or to stderr. Raises OSError."""
    logging.raiseExceptions = False  # a reader of stderr that went away must not matter
    handler = logging.FileHandler(path) if path is not None else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(f"%(asctime)s [{os.getpid()}] %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
