"""Notice the end of the embedded supervisor, in the gateway that it left behind.

Other service managers outlive the gateway by definition. The embedded supervisor is a process like any other.
"""

import logging

from hermes_cli.system import process_table
from hermes_cli.system.process import Handle, Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable

_log = logging.getLogger("hermes.supervision")
VARIABLE = "HERMES_SUPERVISOR"


def claim(environment: "os._Environ[str]") -> str | None:
    """Take the supervisor's mark, `pid:start_ticks`, out of the environment, so that no command of the terminal has it.

    Return None if there is no mark, or none of this form: then no supervisor is watched.
    """
    mark = environment.pop(VARIABLE, None)
    if mark is None or process_table.parse_mark(mark):
        return mark
    _log.warning("%s is not pid:start_ticks", VARIABLE)
    return None


def watch(mark: str, gone: "Callable[[], None]") -> None:
    """Call `gone` on the event loop once the supervisor has ended, right now if it has ended already."""
    handle = _handle(mark)
    if handle is None:
        gone()
        return
    import asyncio  # not before the start may fail and be tried again

    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(handle.fileno())
        handle.close()
        gone()

    loop.add_reader(handle.fileno(), ended)


def _handle(mark: str) -> Handle | None:
    """Return a descriptor that is readable once the supervisor has ended, or None if it has ended already."""
    pid, _, ticks = mark.partition(":")
    identity = Identity.of(int(pid))
    try:
        if identity is None or (ticks and process_table.start_ticks(identity.pid) != int(ticks)):
            return None
        return Handle(identity)
    except ProcessLookupError:
        return None
