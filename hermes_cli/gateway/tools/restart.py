"""`/restart`: a restart on request of a turn; the outcome comes as a notice."""

import asyncio
import contextlib

from hermes_cli.errors import HermesError
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.paths import Paths
from hermes_cli.restart.ask import look_after, request


async def request_restart(turn: Turn, paths: Paths) -> str:
    """Record a restart for the turn's conversation. Return what to tell it."""
    origin = turn.message.record_origin()
    try:
        # In a thread: it waits for the disk and for the service manager.
        submitted = await asyncio.to_thread(request, paths, reason="chat", command="/restart", origin=origin)
    except HermesError as error:
        return f"no restart: {error}"
    with contextlib.suppress(RuntimeError):  # no thread can be started
        asyncio.get_running_loop().run_in_executor(None, look_after, paths, submitted)
    return f"recorded, will be completed by {submitted.manager(paths).completed_by} (intent {submitted.id})"
