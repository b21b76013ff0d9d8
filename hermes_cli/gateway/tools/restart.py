"""`/restart`: a restart on request of a turn; the outcome comes as a notice."""

import asyncio
from functools import partial

from hermes_cli.errors import HermesError
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.paths import Paths
from hermes_cli.restart.ask import request
from hermes_cli.restart.send import look_after
from hermes_cli.system.threads import NoThreadError, in_thread

PATIENCE = 5.0  # seconds that a person waits for a thread to be had
_after: set[asyncio.Task[None]] = set()


async def request_restart(turn: Turn, paths: Paths) -> str:
    """Record a restart for the turn's conversation. Return what to tell it."""
    origin = turn.message.record_origin()
    ask = partial(request, paths, reason="chat", command="/restart", origin=origin)
    try:
        # In a thread: it waits for the disk and for the service manager.
        submitted = await in_thread(ask, patience=PATIENCE)
    except HermesError as error:
        return f"no restart: {error}"
    except NoThreadError as error:
        return f"no restart: {error}: repeat in a moment"
    after = asyncio.get_running_loop().create_task(in_thread(look_after, paths, submitted))
    _after.add(after)  # the loop itself keeps only weak references
    after.add_done_callback(_after.discard)
    return f"recorded, will be completed by {submitted.manager(paths).completed_by} (intent {submitted.id})"
