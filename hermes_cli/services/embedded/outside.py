"""A program of hermes that the supervisor starts for the gateway, which cannot start one outside its own tree."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from hermes_cli.environment import SESSION_PREFIX

_log = logging.getLogger("hermes.supervisor")


def run(request: dict[str, Any], spawn: Callable[[list[str], dict[str, str]], int]) -> dict[str, Any]:
    """Start what the control socket was asked for, if it is a module of hermes. Return the answer."""
    argv, session = request.get("argv"), request.get("environment")
    start = [sys.executable, "-P", "-m"]
    if not (isinstance(argv, list) and argv[:3] == start and str(argv[3:4]).startswith("['hermes_cli.")):
        return {"error": "not a program of hermes"}
    given = session if isinstance(session, dict) else {}
    more = {str(name): str(value) for name, value in given.items() if str(name).startswith(SESSION_PREFIX)}
    try:
        pid = spawn([str(word) for word in argv], more)
    except (OSError, ValueError) as error:
        return {"error": f"it cannot be started: {error}"}
    _log.info("started %s, pid %d", str(request.get("name"))[:20], pid)
    return {"pid": pid}
