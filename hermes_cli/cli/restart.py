"""`hermes gateway restart`: record, signal, poke; then, out of tree, wait for what is seen."""

import click

from hermes_cli.errors import NotInstalledError
from hermes_cli.paths import Paths
from hermes_cli.restart import ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.intents.queue import Settled

_DRIVER_TAKES_OVER = 1.0  # seconds; after that the requester starts a driver itself (rule 12)


@click.command()
@click.option("--no-wait", is_flag=True, help="Return as soon as the request is recorded.")
@click.option("--force", is_flag=True, help="Cut running turns off instead of letting them finish.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="Seconds that running turns may take.")
@click.pass_obj
def restart(paths: Paths, *, no_wait: bool, force: bool, timeout: float | None) -> int:
    """Restart the gateway, also from inside it: the request is on the disk before anything is touched."""
    from hermes_cli.services import check, choose

    check()  # the managers themselves are only imported when the record is on the disk
    record = ask.ask(paths, reason="manual", command="hermes gateway restart", force=force, drain_timeout=timeout)
    if record["target"] is None and not choose(paths).status().installed:
        raise NotInstalledError("nothing to restart, the service is not installed: hermes gateway install")
    if not record["requester"]["in_tree"]:
        _want_running(paths)
    submitted = ask.send(paths, record)
    if submitted.in_tree or no_wait:
        click.echo(f"recorded, will be completed by {choose(paths).completed_by} (intent {submitted.id})")
        return 0
    return await_outcome(paths, submitted, float(record["drain_timeout"]))


def await_outcome(paths: Paths, submitted: ask.Submitted, drain_timeout: float) -> int:
    """Wait for the outcome with progress, say it, and give the exit code."""
    import time

    from hermes_cli.errors import CannotTellError
    from hermes_cli.intents.clocks import Clocks
    from hermes_cli.restart.policy import policy_of
    from hermes_cli.services import choose

    policy = policy_of(paths, choose(paths).spawn_interval)
    patience = Clocks(drain_timeout, policy.teardown_timeout).driver_deadline + policy.start_timeout
    patience += policy.spawn_interval
    try:
        settled = _watch(paths, submitted.id, time.monotonic() + patience)
    except KeyboardInterrupt:
        raise CannotTellError(f"no longer waiting; intent {submitted.id} stays: hermes gateway status") from None
    if settled is None:
        raise CannotTellError(f"intent {submitted.id} is still pending after {patience:.0f} s: hermes gateway status")
    return say(settled)


def say(settled: "Settled") -> int:
    """The outcome in one line; the exit code."""
    done = settled.outcome in {"restarted", "already-satisfied"}
    click.echo(f"{settled.outcome}: {settled.detail} ({settled.took:.1f} s)", err=not done)
    return 0 if done else 1


def _watch(paths: Paths, identifier: str, deadline: float) -> "Settled | None":
    import time

    from hermes_cli.cli.progress_line import ProgressLine
    from hermes_cli.intents import driver, progress, queue
    from hermes_cli.restart.wake import start_driver
    from hermes_cli.system import locks
    from hermes_cli.system.directory_watch import DirectoryWatch

    line = ProgressLine("restarting")
    drive_at: float | None = time.monotonic() + _DRIVER_TAKES_OVER
    with DirectoryWatch(f"{paths.intents}/settled", f"{paths.intents}/progress") as watch:
        while True:
            found = queue.find_settled(paths, identifier)
            now = time.monotonic()
            if found is not None or now >= deadline:
                line.clear()
                return found
            if locks.is_held(driver.lock_path(paths)):
                drive_at = None
            elif drive_at is None:
                drive_at = now + _DRIVER_TAKES_OVER
            elif now >= drive_at:
                start_driver(paths, "cli")
                drive_at = now + _DRIVER_TAKES_OVER
            line.show(progress.read(paths, identifier).waiting_for)
            # Nobody tells when a driver is killed, so the lock is looked at again each second.
            watch.wait(min(deadline - now, _DRIVER_TAKES_OVER, line.interval or deadline))


def _want_running(paths: Paths) -> None:
    """Who restarts what is stopped wants it to run again, as with systemctl restart. In-tree, a stop is under way."""
    from hermes_cli.intents import desired

    if desired.read(paths) == "stopped":
        desired.write(paths, "running", "hermes gateway restart")
