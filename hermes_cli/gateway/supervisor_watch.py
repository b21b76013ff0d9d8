"""The embedded supervisor's end, noticed by the gateway that it left behind.

Other service managers outlive the gateway by definition; this one is a process like any other.
"""

import logging

from hermes_cli.system import process_table
from hermes_cli.system.process import Handle, Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

_log = logging.getLogger("hermes.supervision")
VARIABLE = "HERMES_SUPERVISOR"


def claim(environment: "os._Environ[str]") -> str | None:
    """Take the supervisor's mark, `pid:start_ticks`, out of the environment: commands of the terminal have none.

    None when there is none, or when it is no such mark: nobody is missed then.
    """
    mark = environment.pop(VARIABLE, None)
    if mark is None or process_table.parse_mark(mark):
        return mark
    _log.warning("%s is not pid:start_ticks", VARIABLE)
    return None


def handle(mark: str) -> Handle | None:
    """A descriptor that is readable when that supervisor is gone; None when it is gone already."""
    named = process_table.parse_mark(mark)
    found = Identity.of(named[0]) if named else None
    try:
        if named is None or found is None or named[1] not in {None, found.start_ticks}:
            return None
        return Handle(found)
    except ProcessLookupError:
        return None
