"""Wait until a restart that was asked for has its outcome, and say what it is.

Everything that the wait needs is imported with this module (law: imports before the swap).
"""

import sys
import time

from hermes_cli import mends
from hermes_cli.errors import CannotTellError
from hermes_cli.intents.clocks import Clocks
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import Intent
from hermes_cli.intents.settled import Settled
from hermes_cli.intents.trace import live_trace
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.restart import timeline
from hermes_cli.restart.log_lines import LogLines
from hermes_cli.restart.policy import hook_timeout, policy_of
from hermes_cli.restart.progress_line import ProgressLine
from hermes_cli.restart.send import Submitted
from hermes_cli.restart.waiting import waiting
from hermes_cli.restart.wake import start_driver
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.printable import printable
from hermes_cli.system.terminal import is_utf8

_QUIET = 2.0  # seconds in which nothing is said without a terminal: most restarts are over by then
_SAYS_NOTHING = 5.0  # seconds; then it is said that nobody carries the restart out
_DRIVER_TAKES_OVER = 1.0  # seconds; after that the requester starts a driver itself (rule 12)


def await_outcome(paths: Paths, submitted: Submitted, who: str = "") -> int:
    """Wait for the outcome, show progress, print the outcome, and return the exit code. Raises CannotTellError.

    `who` begins the lines: a profile, where there are others.
    """
    try:
        policy = policy_of(paths, submitted.manager(paths).spawn_interval)
        patience = Clocks(submitted.drain_timeout, policy.teardown_timeout).driver_deadline + policy.start_timeout
        patience += policy.spawn_interval + hook_timeout(paths)
        log = LogLines(paths.gateway_log)
        settled = _watch(paths, submitted.id, time.monotonic() + patience, who)
    except KeyboardInterrupt:
        raise CannotTellError(f"no longer waiting; intent {submitted.id} stays: hermes gateway status") from None
    except OSError as error:
        raise CannotTellError(
            f"no longer waiting ({error}); intent {submitted.id} stays: hermes gateway status"
        ) from error
    if settled is None:
        raise CannotTellError(f"intent {submitted.id} is still pending after {patience:.0f} s: hermes gateway status")
    return _print(settled, log, who)


def _print(settled: Settled, log: LogLines, who: str) -> int:
    done = settled.outcome in {"restarted", "already-satisfied"}
    text = mends.shown(f"{settled.outcome}: {settled.detail} ({settled.took:.1f} s)", settled.intent.profile)
    print(printable(f"{who}{text}"), file=sys.stdout if done else sys.stderr, flush=True)
    if settled.outcome == "failed":
        for line in log.last():
            print(f"  {printable(line)}", file=sys.stderr, flush=True)
    return 0 if done else 1


def _watch(paths: Paths, identifier: str, deadline: float, who: str) -> Settled | None:
    with ProgressLine(f"{who}restarting") as line:
        return _until_settled(paths, identifier, deadline, line)


def _phases(intent: Intent, known: Progress, running: Instance | None, columns: int | None) -> list[str]:
    return timeline.lines(live_trace(intent, known, running), time.time(), columns, plain=not is_utf8(sys.stderr))


def _until_settled(paths: Paths, identifier: str, deadline: float, line: ProgressLine) -> Settled | None:
    intent: Intent | None = None
    drive_at: float | None = time.monotonic() + _DRIVER_TAKES_OVER
    quiet_until = time.monotonic() + _QUIET
    silent_until = time.monotonic() + _SAYS_NOTHING
    paths.queue.make_directories()  # of which a person may have moved one away; the driver that makes it again is only starting
    with DirectoryWatch(paths.queue.settled, paths.queue.progress) as watch:
        while True:
            found = paths.queue.find(identifier)
            now = time.monotonic()
            if found is not None or now >= deadline:
                return found
            if paths.queue.is_driven():
                drive_at = None
            elif drive_at is None:
                drive_at = now + _DRIVER_TAKES_OVER
            elif now >= drive_at:
                start_driver(paths, "cli")
                drive_at = now + _DRIVER_TAKES_OVER
            known = paths.queue.progress_of(identifier)
            says = known.waiting_for and now >= quiet_until
            if says or now >= silent_until or line.columns is not None:
                running = own.read_alive(paths)
                if line.columns is not None and intent is None:
                    intent = next((one for one in paths.queue.unsettled() if one.id == identifier), None)
                below = _phases(intent, known, running, line.columns) if intent is not None else []
                line.show(waiting(known, running, time.time()).text, below)
            # Nobody tells when a driver is killed, so the lock is looked at again each second.
            watch.wait(min(deadline - now, _DRIVER_TAKES_OVER, line.interval or deadline))
