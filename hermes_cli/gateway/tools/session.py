"""What the agent's commands run in, and how it asks for a restart."""

import asyncio
import os
import sys

from hermes_cli import environment
from hermes_cli.errors import HermesError
from hermes_cli.gateway.channels.local.server import CHANNEL
from hermes_cli.gateway.conversations.store import Message
from hermes_cli.gateway.conversations.turns import Turn
from hermes_cli.paths import DEFAULT_PROFILE, Paths
from hermes_cli.restart.ask import request
from hermes_cli.services import choose
from hermes_cli.system.process import Identity


def forget_session() -> None:
    """Drop what a terminal tool above us set: nothing that this gateway starts belongs to that conversation."""
    for name in set(os.environ) - set(environment.scrubbed()):
        del os.environ[name]


def children_environment(paths: Paths, me: Identity, message: Message) -> dict[str, str]:
    """The environment of a command in the turn of `message`: where it runs, and who asked."""
    variables = environment.scrubbed()
    home = variables.get("HERMES_HOME")
    if home:
        variables["HERMES_HOME"] = os.path.abspath(os.path.expanduser(home))
    variables.pop("HERMES_PROFILE", None)
    if paths.profile != DEFAULT_PROFILE:
        variables["HERMES_PROFILE"] = paths.profile
    # `hermes` in the agent's terminal is this installation's, whatever else is on PATH.
    variables["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), variables.get("PATH", os.defpath)])
    variables[environment.MARKER] = environment.marker(paths.state, me.pid, me.start_ticks)
    return variables | {
        "HERMES_SESSION_PLATFORM": CHANNEL,
        "HERMES_SESSION_CHAT_ID": message.session,
        "HERMES_SESSION_THREAD_ID": "",  # the local channel has no threads
        "HERMES_SESSION_MESSAGE_ID": message.id,
        "HERMES_SESSION_KEY": message.session,
    }


async def request_restart(turn: Turn, paths: Paths) -> str:
    """Record a restart for the turn's conversation, and what to tell it."""
    message = turn.message
    origin = {
        "channel": CHANNEL,
        "chat": message.session,
        "message": message.id,
        "turn": message.id,
        "thread": None,
        "session": message.session,
    }
    try:
        # In a thread: it waits for the disk and for the service manager.
        submitted = await asyncio.to_thread(request, paths, reason="chat", command="/restart", origin=origin)
    except HermesError as error:
        return f"no restart: {error}"
    return f"recorded, will be completed by {choose(paths).completed_by} (intent {submitted.id})"
