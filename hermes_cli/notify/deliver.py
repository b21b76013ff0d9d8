"""Tell what is to be told: run `[notify] command` for each event, one after the other, each within its time."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

from hermes_cli.config import NotifyConfig, load_or_defaults
from hermes_cli.environment import scrubbed
from hermes_cli.notify import events
from hermes_cli.notify.events import Event
from hermes_cli.notify.outbox import TRIES, Outbox
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import complaint, locks
from hermes_cli.system.process import describe_exit

_log = logging.getLogger("hermes.notify")
_SAID = 4096  # bytes of what the command says that are looked at


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one event: `why` it could not be told, or None."""

    event: Event
    why: str | None = None


def look(paths: Paths) -> tuple[int, int]:
    """Return how many events are to be told, and how many of them now. Raises OSError."""
    notify = load_or_defaults(paths.config).notify
    if not notify.command:
        return 0, 0
    outbox = Outbox(paths)
    left = _left(paths, notify, outbox)
    return len(left), len(_due(left, outbox))


def deliver(paths: Paths) -> list[Delivery]:
    """Tell everything that is due, unless somebody is at it. Never raises for what the command does; OSError else."""
    notify = load_or_defaults(paths.config).notify
    if not notify.command:
        return []
    outbox = Outbox(paths)
    lock = locks.take(outbox.lock, timeout=0.0)
    if lock is None:
        return []
    try:
        return [_tell(paths, notify, outbox, event) for event in _due(_left(paths, notify, outbox), outbox)]
    finally:
        lock.release()


def by_driver(paths: Paths) -> None:
    """Tell what is due where no ready gateway does it. Never raises: the restart itself is settled."""
    try:
        if load_or_defaults(paths.config).notify.command and not _is_served(own.read_alive(paths)):
            deliver(paths)
    except OSError as error:
        _log.warning("outcomes could not be told (%s)", error)


def note_update(paths: Paths, revision: str, text: str) -> None:
    """Tell that there is an update, once for each revision. Never raises."""
    try:
        if load_or_defaults(paths.config).notify.command:
            events.note_update(paths, revision, text, time.time())
            deliver(paths)
    except OSError as error:
        _log.warning("the update could not be told (%s)", error)


def _is_served(running: own.GatewayInstance | None) -> bool:
    """Say whether a gateway runs that tells by itself; one before 0.2 does not, and is told of by the next one."""
    return running is not None and running.ready


def run(argv: tuple[str, ...], document: dict[str, object], timeout: float) -> str | None:
    """Run the command with the document on its standard input. Return why that failed, or None."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(json.dumps(document).encode() + b"\n")
        given.seek(0)
        environment = {**scrubbed(), "HERMES_EVENT": str(document["event"]), "HERMES_EVENT_ID": str(document["id"])}
        try:
            process = subprocess.Popen(
                argv, stdin=given, stdout=said, stderr=said, cwd="/", env=environment, start_new_session=True
            )
        except (OSError, ValueError) as error:
            return f"{argv[0]} cannot be started ({error})"
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"{argv[0]} took over {timeout:g} s"
        if code == 0:
            return None
        said.seek(0)
        return f"{argv[0]}: {complaint.reason(said.read(_SAID).decode(errors='replace')) or describe_exit(code)}"


def _left(paths: Paths, notify: NotifyConfig, outbox: Outbox) -> list[Event]:
    undone = outbox.undone(events.find(paths), time.time())
    return [one for one in undone if not notify.events or one.name in notify.events]


def _due(left: list[Event], outbox: Outbox) -> list[Event]:
    now = time.time()
    return [one for one in left if outbox.tried(one.id).is_due(now)]


def _tell(paths: Paths, notify: NotifyConfig, outbox: Outbox, event: Event) -> Delivery:
    why = run(notify.command, event.document(paths.profile), notify.timeout)
    if why is None:
        outbox.done(event.id)
        _log.info("told %s, %s", event.name, event.id)
        return Delivery(event)
    tried = outbox.failed(event.id, outbox.tried(event.id), time.time())
    again = "given up" if tried.count >= TRIES else f"try {tried.count} of {TRIES}"
    _log.warning("%s, %s could not be told (%s): %s", event.name, event.id, again, why)
    return Delivery(event, why)
