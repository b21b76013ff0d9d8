"""The session that a command of the agent runs in: the terminal, and an environment that says for whom."""

import os
import sys
from collections.abc import Callable

from hermes_cli import environment
from hermes_cli.config import Config
from hermes_cli.gateway.conversations.message import Message
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.gateway.tools import terminal
from hermes_cli.paths import DEFAULT_PROFILE, Paths
from hermes_cli.system.process import Identity


def forget_session() -> None:
    """Drop what a terminal tool above us set: nothing that this gateway starts belongs to that conversation."""
    for name in set(os.environ) - set(environment.scrubbed()):
        del os.environ[name]


async def run_command(
    turn: Turn, command: str, paths: Paths, config: Config, me: Identity, *, emit: Callable[[str], None]
) -> str:
    """Run a command in the terminal for this turn and give its output to `emit`. Return the closing line."""
    limits = terminal.Limits(config.terminal.timeout, min(2.0, config.gateway.teardown_timeout / 4))
    variables = children_environment(paths, me, turn.message)
    return await terminal.run(command, config.terminal.shell, variables, limits, emit)


def children_environment(paths: Paths, me: Identity, message: Message) -> dict[str, str]:
    """Return the environment of a command in the turn of `message`: which gateway it runs in, and who asked."""
    variables = environment.scrubbed()
    home = variables.get("HERMES_HOME")
    if home:
        variables["HERMES_HOME"] = os.path.abspath(os.path.expanduser(home))
    variables.pop("HERMES_PROFILE", None)
    if paths.profile != DEFAULT_PROFILE:
        variables["HERMES_PROFILE"] = paths.profile
    # `hermes` in the agent's terminal is this installation's, whatever else is on PATH.
    places = [os.path.dirname(os.path.abspath(sys.executable)), *variables.get("PATH", os.defpath).split(os.pathsep)]
    variables["PATH"] = os.pathsep.join(dict.fromkeys(places))
    variables[environment.MARKER] = environment.marker(paths.state, me.pid, me.start_ticks)
    return variables | message.session_variables()
