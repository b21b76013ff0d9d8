"""What is seen for the page: looked at once for all who look on, when something has changed, and only while they do."""

import contextlib
import json
import os
import select
import threading
import time
from dataclasses import dataclass
from typing import Any

from hermes_cli.dashboard import facts
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle, Identity

_MOVES = 1.0  # seconds between two looks while a restart is under way, whose phases last
_STILL = 10.0  # otherwise: a manager tells nobody of what it does, nor does who changes the code by hand
_TOGETHER = 0.1  # seconds; one step changes several files
_BLIND = 1.0  # seconds between two looks where the kernel has no watch left


@dataclass(frozen=True, slots=True)
class Look:
    """Every profile as JSON, the gateways that run, and whether something is under way."""

    body: bytes
    running: tuple[Identity, ...] = ()
    moves: bool = False


class Looks:
    """The last look, for everybody who asked before it began."""

    def __init__(self, paths: Paths) -> None:
        """Look at nothing yet."""
        self._paths = paths
        self._lock = threading.Lock()
        self._began = 0.0
        self._seen = Look(b"")

    def now(self) -> Look:
        """Return a look that is no older than this call. Raises HermesError, OSError."""
        asked = time.monotonic()
        with self._lock:
            if self._began <= asked:
                self._began = time.monotonic()
                rows, document = facts.everything(self._paths)
                running = [row.status.instance for row in rows if row.status is not None]
                self._seen = Look(
                    json.dumps(document).encode(),
                    tuple(one.identity for one in running if one is not None),
                    any(row.pending for row in rows),
                )
            return self._seen

    def places(self) -> list[str]:
        """Return the directories whose changes are a reason to look again."""
        own = [sibling(self._paths, name) for name in profiles(self._paths)]
        return [path for one in own for path in (one.state, one.pending) if os.path.isdir(path)]


def await_change(watch: DirectoryWatch, look: Look, client: Any) -> bool:
    """Wait until there may be something new since `look`. Return False when the client has gone."""
    limit = _MOVES if look.moves else _STILL
    if watch.is_blind:
        limit = min(limit, _BLIND)
    with contextlib.ExitStack() as stack:
        poller = select.poll()
        poller.register(client, select.POLLIN)  # who reads events has nothing more to ask: it hangs up
        poller.register(watch.fileno(), select.POLLIN)
        gone = not all(_register(poller, stack, identity) for identity in look.running)
        found = poller.poll(0 if gone else limit * 1000)
    if any(descriptor == client.fileno() for descriptor, _ in found):
        return False
    if found or gone:
        time.sleep(_TOGETHER)  # after the event, so that one look sees the whole step
    return True


def _register(poller: "select.poll", stack: contextlib.ExitStack, identity: Identity) -> bool:
    """Be told when that process ends. Return False when it has ended since the look."""
    try:
        poller.register(stack.enter_context(Handle(identity)), select.POLLIN)
    except ProcessLookupError:
        return False
    except OSError:  # no descriptor left: the limit tells
        pass
    return True
