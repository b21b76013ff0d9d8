"""The gateway's log: stderr, which the service manager keeps. One line per event; no message texts, no secrets."""

import logging
import os
import sys
import time


class _Line(logging.Formatter):
    """`2026-11-23T16:05:11.123Z [4242] hermes.lifecycle: ready`."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


def configure() -> None:
    """Send everything from INFO on to stderr, with UTC time and pid."""
    logging.raiseExceptions = False  # a reader of stderr that went away must not matter
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(f"%(asctime)s [{os.getpid()}] %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
