"""What the commands of an update print when they fail, whole: in update.log, or in restarter.log where a driver works."""

import logging

from hermes_cli.system.command import Ended, printable

LOGGER = "hermes.update.output"
_log = logging.getLogger(LOGGER)
_LINE, _LINES = 2000, 400  # of one command


def kept(name: str, ended: Ended) -> Ended:
    """Log what a command that failed has printed, if one line cannot say it. Return the same."""
    text = f"{ended.out}\n{ended.err}" if ended.code != 0 else ""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        _log.info("%s has failed, and printed:", name)
        for line in lines[-_LINES:]:
            _log.info("  %s", printable(line, _LINE))
    return ended
