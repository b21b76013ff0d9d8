"""`hermes gateway restart --all`: one profile after the other, the caller's own at the end."""

from hermes_cli.cli import all_profiles
from hermes_cli.errors import UsageError
from hermes_cli.paths import Paths
from hermes_cli.restart import ask, send
from hermes_cli.restart.in_tree import is_in_tree
from hermes_cli.restart.wait import await_outcome
from hermes_cli.services import choose, kept

_COMMAND = "hermes gateway restart --all"


def restart_all(paths: Paths, *, everybody: bool, order: str | None, force: bool, timeout: float | None) -> int:
    """Restart every profile that runs, or should. Return the exit code. Raises UsageError."""
    all_profiles.check(everybody=everybody, order=order)

    def act(one: Paths) -> int | None:
        return _restart(one, force=force, timeout=timeout)

    # Nobody waits for the restart of the gateway that it would die with.
    return all_profiles.one_after_the_other(paths, order, act, last=_is_around_us)


def _restart(one: Paths, *, force: bool, timeout: float | None) -> int | None:
    say, manager = all_profiles.of(one), choose(one)
    program = kept.program_of(one)
    if program.observe() is None:
        if program.desired() == "stopped":
            say("stopped, left so")
            return None
        if not manager.status().installed:
            say("not installed")
            return None
    record = ask.ask(one, reason="manual", command=_COMMAND, force=force, drain_timeout=timeout)
    in_tree = record["requester"]["in_tree"]
    if not (in_tree or force) and ask.refuse_leap(one, manager):
        record["action"] = "reload"
    submitted = send.send(one, record, looked=not in_tree, manager=manager)
    if submitted.in_tree:
        say(f"recorded, will be completed by {manager.completed_by} (intent {submitted.id})")
        send.look_after(one, submitted)
        return None
    return await_outcome(one, submitted, f"{one.profile}: ")


def _is_around_us(one: Paths) -> bool:
    try:
        running = kept.program_of(one).observe()
    except (UsageError, OSError):
        return False
    if running is None:
        return False
    return is_in_tree(one.state, running.identity.pid, running.identity.start_ticks)
