"""Is it alive, is it ready: two answers for an orchestrator that asks every few seconds. Imports next to nothing.

Alive: the gateway runs and its event loop turns, or its supervisor is about to start one. Ready: it takes messages.
"""

import os
import sys

from hermes_cli.intents.request import elapsed
from hermes_cli.paths import Paths
from hermes_cli.programs import description
from hermes_cli.system.durable import finite

NOT = 3  # as `status`: not running
SILENT = 60.0  # seconds without a heartbeat; four of them
KINDS = ("live", "ready")


def quick(arguments: list[str]) -> int | None:
    """Answer `[-p NAME] gateway probe live|ready` without the command line; None: it is not quite that."""
    words = list(arguments)
    profile = None
    if "-p" in words[:-1]:
        at = words.index("-p")
        profile = words[at + 1]
        del words[at : at + 2]
    if len(words) != 3 or words[:2] != ["gateway", "probe"] or words[2] not in KINDS:
        return None
    from hermes_cli.errors import exit_code_of
    from hermes_cli.paths import resolve

    return exit_code_of(lambda: run(resolve(profile), words[2]))


def run(paths: Paths, kind: str) -> int:
    """Print the answer and return the exit code: 0 yes, 3 no."""
    is_so, why = probe(paths, kind)
    print(f"{kind if is_so else f'not {kind}'}: {why}", file=sys.stdout if is_so else sys.stderr)
    return 0 if is_so else NOT


def probe(paths: Paths, kind: str) -> tuple[bool, str]:
    """Return the answer, and what it rests on."""
    read = description.read(paths.instance)
    found = description.alive(paths.instance, read)
    if found is None:
        if kind == "live" and os.path.exists(f"{paths.supervisor}/lock"):
            from hermes_cli.system import locks

            if locks.may_be_held(f"{paths.supervisor}/lock"):
                return True, "the supervisor runs, and starts the gateway"
        return False, description.ELSEWHERE if description.is_elsewhere(paths.instance, read) else "no gateway runs"
    heartbeat = finite(found.document.get("heartbeat"))
    since_boot = finite(found.document.get("heartbeat_since_boot"))
    silent = elapsed(heartbeat, found.boot_id, since_boot) if heartbeat is not None else 0.0
    if silent > SILENT and silent > 4 * _interval(paths):
        return False, f"pid {found.pid}, no heartbeat for {silent:.0f} s"
    if kind == "ready" and found.state != "ready":
        return False, f"pid {found.pid}, {found.state}"
    return True, f"pid {found.pid}, {found.state}"


def _interval(paths: Paths) -> float:
    """Return the configured time between two heartbeats; read only where that may matter."""
    from hermes_cli.config import load_or_defaults

    return load_or_defaults(paths.config).gateway.heartbeat_interval or float("inf")
