"""Tell what is to be told: run the command of `[notify]`, and `[hooks] after_restart`, for each event within its time."""

import logging
import time
from collections.abc import Iterator
from typing import NamedTuple

from hermes_cli.config import Config, HooksConfig, NotifyConfig, load, load_or_defaults
from hermes_cli.errors import ConfigError
from hermes_cli.intents.instance import Instance
from hermes_cli.notify import events
from hermes_cli.notify.events import Event
from hermes_cli.notify.outbox import TRIES, Outbox
from hermes_cli.notify.run import run
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import locks

_log = logging.getLogger("hermes.notify")


class Delivery(NamedTuple):
    """What became of one event: `why` it could not be told, or None."""

    event: Event
    why: str | None = None


def is_wanted(config: Config) -> bool:
    """Say whether anybody is to be told."""
    return bool(config.notify.command or config.hooks.after_restart)


def look(paths: Paths) -> tuple[int, int]:
    """Return how many events are to be told, and how many of them now. Raises OSError."""
    config = _config(paths)
    left = due = 0
    for outbox, found in _of_hooks(paths, config.hooks), _of_notify(paths, config.notify):
        left += len(found)
        due += len(_due(found, outbox))
    return left, due


def deliver(paths: Paths) -> list[Delivery]:
    """Tell everything that is due, unless somebody is at it. Never raises for what the command does; OSError else."""
    config = _config(paths)
    told: list[Delivery] = []
    if config.hooks.after_restart:
        told += _after_restart(paths, config.hooks)
    if config.notify.command:
        told += _notify(paths, config.notify)
    return told


def by_driver(paths: Paths) -> None:
    """Tell what is due where no ready gateway does it. Never raises: the restart itself is settled."""
    try:
        if is_wanted(_config(paths)) and not _is_served(own.read_alive(paths)):
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


def _config(paths: Paths) -> Config:
    """Return the settings; who is not to be told any more is forgotten, so that he is told no old news later. Raises OSError."""
    try:
        config = load(paths.config)
    except ConfigError:  # what it says cannot be told: no reason to forget anything
        return load_or_defaults(paths.config)
    if not config.notify.command:
        Outbox(paths).end()
    if not config.hooks.after_restart:
        Outbox(paths, "hooks").end()
    return config


def _is_served(running: Instance | None) -> bool:
    """Say whether a gateway runs that tells by itself; one before 0.2 does not, and is told of by the next one."""
    return running is not None and running.ready


def _due(left: list[Event], outbox: Outbox) -> list[Event]:
    now = time.time()
    return [one for one in left if outbox.tried(one.id).is_due(now)]


def _locked(outbox: Outbox, found: list[Event]) -> Iterator[Event]:
    """Yield what is due, while nobody else tells it."""
    lock = locks.take(outbox.lock, timeout=0.0)
    if lock is None:
        return
    try:
        for event in _due(found, outbox):
            if not outbox.is_done(event.id):  # by whoever held the lock before
                yield event
    finally:
        lock.release()


# --- [notify] command


def _of_notify(paths: Paths, notify: NotifyConfig) -> tuple[Outbox, list[Event]]:
    outbox = Outbox(paths)
    if not notify.command:
        return outbox, []
    undone = outbox.undone(events.find(paths), time.time())
    return outbox, [one for one in undone if not notify.events or one.name in notify.events]


def _notify(paths: Paths, notify: NotifyConfig) -> list[Delivery]:
    outbox, found = _of_notify(paths, notify)
    return [_tell(paths, notify, outbox, event) for event in _locked(outbox, found)]


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


# --- [hooks] after_restart


def _of_hooks(paths: Paths, settings: HooksConfig) -> tuple[Outbox, list[Event]]:
    outbox = Outbox(paths, "hooks")
    if not settings.after_restart:
        return outbox, []
    from hermes_cli.notify import hooks

    now = time.time()
    return hooks.outbox_of(paths), outbox.undone(list(hooks.of_outcomes(paths, paths.queue.history())), now)


def _after_restart(paths: Paths, settings: HooksConfig) -> list[Delivery]:
    from hermes_cli.notify import hooks

    outbox, found = _of_hooks(paths, settings)
    told = []
    for event in _locked(outbox, found):
        outbox.failed(event.id, outbox.tried(event.id), time.time())  # counted first, like before_restart
        why = hooks.run_hook("after_restart", settings.after_restart, event, paths.profile, settings.timeout)
        outbox.done(event.id, why)
        told.append(Delivery(event, why))
    return told
