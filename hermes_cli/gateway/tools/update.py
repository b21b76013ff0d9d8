"""`/update`: an update outside the gateway's tree, whose output the turn that asked streams until a drain begins."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from hermes_cli.errors import HermesError
from hermes_cli.gateway.conversations.message import Message
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.gateway.conversations.updates import LOOK, STARTS, ChatUpdate, chat_updates
from hermes_cli.intents.request import new_id
from hermes_cli.paths import Paths
from hermes_cli.services import choose
from hermes_cli.system import durable
from hermes_cli.system.threads import NoThreadError, in_thread
from hermes_cli.update import chat_job

PATIENCE = 5.0  # seconds that a person waits for a thread to be had


async def run_update(turn: Turn, options: Sequence[str], paths: Paths, is_draining: Callable[[], bool]) -> str:
    """Start an update for this turn and stream what it says. Return the closing line, at once when a drain begins."""
    identifier = new_id(time.time())
    try:
        await in_thread(_start, paths, identifier, turn.message, options, patience=PATIENCE)
        return await _stream(turn, chat_updates(paths)[identifier], is_draining)
    except NoThreadError as error:
        return f"no update: {error}: repeat in a moment"
    except (HermesError, OSError, KeyError) as error:
        return f"no update: {error}"


def _start(paths: Paths, identifier: str, message: Message, options: Sequence[str]) -> None:
    record = f"{chat_job.folder(paths)}/{identifier}.json"
    durable.publish(record, {"session": message.session, "message": message.id, "at": time.time()})
    argv = chat_job.argv(paths, identifier, options)
    try:
        choose(paths).run_outside("update", argv, message.session_variables())
    except HermesError:
        os.unlink(record)
        raise


async def _stream(turn: Turn, update: ChatUpdate, is_draining: Callable[[], bool]) -> str:
    streamed, began = 0, time.monotonic()
    while True:
        draining = is_draining()  # first: what was said before it began is still to be read
        text, is_all = update.output() or ("", False)
        if len(text) > streamed:
            turn.emit(text[streamed:])
            streamed = len(text)
        if is_all or draining:
            return ""
        if not streamed and time.monotonic() - began > STARTS:
            raise HermesError(f"it did not begin within {STARTS:.0f} s: hermes gateway status")
        await asyncio.sleep(LOOK)  # for what another process writes into a file
