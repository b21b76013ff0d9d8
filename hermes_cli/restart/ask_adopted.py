"""Ask for a restart of an adopted program. It is nobody's `hermes update`, so that this may import what it likes."""

from typing import Any

from hermes_cli.errors import QueueError
from hermes_cli.intents import request as records
from hermes_cli.paths import Paths
from hermes_cli.restart.in_tree import is_in_tree
from hermes_cli.services import kept
from hermes_cli.system import process
from hermes_cli.system.process import Identity


def ask(
    paths: Paths, *, reason: str, command: str, force: bool = False, drain_timeout: float | None = None
) -> dict[str, Any]:
    """Return a record of a restart of the adopted program, not written yet. Raises QueueError, ConfigError."""
    program = kept.adopted(paths)
    running = program.observe() if program is not None else None
    in_tree = False
    if running is not None:
        identity = running.identity
        try:
            in_tree = is_in_tree(paths.state, identity.pid, identity.start_ticks)
        except OSError as error:
            raise QueueError(
                f"the restart was not recorded: cannot tell what runs ({error.strerror}); repeat"
            ) from error
    limit = program.file.get("restart", "drain_limit") if program is not None else None
    return records.compose(
        paths.profile,
        reason=reason,
        command=command,
        target=program.target(running) if program is not None else None,
        in_tree=in_tree,
        force=force,
        drain_timeout=float(limit or 0.0) if drain_timeout is None else drain_timeout,
    )


def signal_target(paths: Paths, target: dict[str, Any] | None) -> bool:
    """Send the program's own restart signal to the instance that the record names, if its handlers are there."""
    program, named = kept.adopted(paths), Identity.parse(target)
    running = program.observe() if program is not None else None
    if program is None or running is None or named is None:
        return False
    if not running.handles_signal or not running.identity.is_same_as(named):
        return False
    return process.send(running.identity, program.restart_signal)
