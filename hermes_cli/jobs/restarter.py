"""Run one driver until pending/ is empty: what the restarter runs. `python -m hermes_cli.restarter --trigger watch`.

With nothing pending it ends before anything heavy is imported: service managers often start it for nothing.
"""

import os
import sys

from hermes_cli.installation import entry_points
from hermes_cli.pending import is_something_pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_cli.intents.protocols import Recovery
    from hermes_cli.intents.sign_of_life import SignOfLife
    from hermes_cli.notify.hooks import Hooks
    from hermes_cli.paths import Paths
    from hermes_cli.services.base import ServiceManager

TRIGGERS = ("watch", "poke", "exit", "cli", "login", "supervisor")


def drive(
    paths: "Paths",
    trigger: str,
    manager: "ServiceManager | None" = None,
    prepare: "Callable[[Paths], object]" = lambda _: None,
) -> bool:
    """Run the driver of this profile. Return False if another one is at work. Raises HermesError.

    `manager`: the profile's own, where the caller has chosen it and looked already. The lock is taken before `prepare`
    runs and what is heavy is imported: whoever has poked waits to see that.
    """
    from hermes_cli.errors import QueueError
    from hermes_cli.intents import sign_of_life

    sign = None
    try:
        paths.queue.make_directories()
        sign = sign_of_life.begin(paths.queue.driver_lock, sign_of_life.STEP)
        if sign is None:
            return False
        prepare(paths)
        return _drive(paths, trigger, manager, sign)
    except OSError as error:
        raise QueueError(
            f"{error.filename or paths.intents} is not usable ({error.strerror}): mend it; nothing is lost"
        ) from error
    finally:
        if sign is not None:
            sign.end()


def _drive(paths: "Paths", trigger: str, manager: "ServiceManager | None", sign: "SignOfLife") -> bool:
    from hermes_cli.errors import QueueError
    from hermes_cli.intents.driver import Driver
    from hermes_cli.programs.own import OwnGateway
    from hermes_cli.restart.policy import policy_of
    from hermes_cli.services import choose, kept

    def renew() -> None:
        _execute_anew(paths, trigger)

    adopted = kept.adopted(paths)
    recovery, whole = _updates(paths, sign, renew, is_adopted=adopted is not None)
    manager = manager or choose(paths)
    program = adopted or OwnGateway(paths)
    policy = kept.with_program(policy_of(paths, manager.spawn_interval), program)
    tell = _teller(paths)
    driver = Driver(
        paths.queue,
        program,
        manager,
        recovery,
        policy=policy,
        trigger=trigger,
        renew=renew,
        hooks=_hooks(paths),
    )
    driven = driver.drive(sign)
    tell(paths)
    if not whole:
        raise QueueError(f"an update was cut off and cannot be finished or undone yet: see {paths.restarter_log}")
    return driven


def _updates(
    paths: "Paths", sign: "SignOfLife", renew: "Callable[[], None]", *, is_adopted: bool
) -> "tuple[Recovery, bool]":
    """Return the recovery of updates, and whether the code of each one that was left behind is whole.

    What recovers is only imported where there is something to recover: it is as much as all the rest of a driver.
    """
    from hermes_cli.intents import sign_of_life
    from hermes_cli.intents.protocols import NoUpdates
    from hermes_cli.update import none_under_way

    if is_adopted:
        return NoUpdates(), True
    if not none_under_way.is_any(paths):
        return none_under_way.NoneUnderWay(renew), True
    from hermes_cli.update.recovery import UpdateRecovery

    updates = UpdateRecovery(paths, renew)
    sign.give(sign_of_life.LONG_STEP)
    return updates, updates.finish_left_behind()


def _teller(paths: "Paths") -> "Callable[[Paths], None]":
    """Return what tells the outcome to whom it concerns; it is imported now, before any code is changed."""
    from hermes_cli.config import load_or_defaults

    config = load_or_defaults(paths.config)
    was_told = any(os.path.exists(f"{paths.state}/{name}") for name in ("notify", "hooks"))
    if not (config.notify.command or config.hooks.after_restart or was_told):
        return lambda _: None
    from hermes_cli.notify.deliver import by_driver

    return by_driver


def _hooks(paths: "Paths") -> "Hooks | None":
    """Return what runs before a restart, or None; it is imported now, before any code is changed."""
    from hermes_cli.config import load_or_defaults

    settings = load_or_defaults(paths.config).hooks
    if not settings.before_restart:
        return None
    from hermes_cli.notify.hooks import Hooks

    return Hooks(paths, settings)


def _execute_anew(paths: "Paths", trigger: str) -> None:
    """Become a fresh driver of the installed code; the kernel releases the driver lock with this image."""
    from hermes_cli.environment import scrubbed

    argv = entry_points.argv(entry_points.RESTARTER, "-p", paths.profile, "--trigger", trigger)
    os.execve(sys.executable, argv, scrubbed())  # noqa: S606  an argv list of our own


def main(arguments: list[str]) -> int:
    """Parse `-p PROFILE --trigger NAME [--busy wait]`, drive, and return the exit code: 75 if another driver is at work.

    With `--busy wait`, wait for that one and finish what it has left. A level-triggered watch would otherwise start
    this again and again for as long as the other driver waits for a drain.
    """
    from hermes_cli.errors import EX_TEMPFAIL, HermesError
    from hermes_cli.paths import resolve
    from hermes_cli.system import collector

    collector.put_off()
    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    trigger = options.get("--trigger", "cli")
    try:
        paths = resolve(options.get("-p"))
        if not is_something_pending(paths):
            return 0
        trigger = trigger if trigger in TRIGGERS else "cli"
        while not drive(paths, trigger, prepare=_prepare):
            if options.get("--busy") != "wait":
                return EX_TEMPFAIL
            paths.queue.await_driver()
            if not is_something_pending(paths):
                break
        return 0  # noqa: TRY300  the loop's end
    except HermesError as error:
        print(f"hermes: {error}", file=sys.stderr)
        return error.exit_code


def _prepare(paths: "Paths") -> None:
    log_to(paths)
    from hermes_cli import user_environment

    user_environment.apply_or_say(paths)


def log_to(paths: "Paths") -> None:
    """Log to restarter.log; a log that cannot be written must not keep the restart from happening."""
    from hermes_cli.config import load_or_defaults
    from hermes_cli.system import log

    # What it prints, a traceback for example, belongs there as well, unless somebody else keeps or reads it.
    mine = log.leads_nowhere() or any(map(log.is_output, (paths.gateway_log, paths.restarter_log)))
    try:
        log.configure(paths.restarter_log, load_or_defaults(paths.config).log.bounds, outputs=mine)
    except OSError:
        log.configure()
