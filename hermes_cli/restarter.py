"""What the restarter runs: one driver, until pending/ is empty. `python -m hermes_cli.restarter --trigger watch`.

With nothing pending it ends before anything heavy is imported: service managers start it often and for nothing.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths

TRIGGERS = ("watch", "poke", "exit", "cli", "login", "supervisor")
EX_TEMPFAIL = 75


def is_something_pending(paths: "Paths") -> bool:
    """One look at pending/."""
    try:
        with os.scandir(paths.pending) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def drive(paths: "Paths", trigger: str) -> bool:
    """Run the driver of this profile; False when another one is at it. Raises HermesError."""
    from hermes_cli.errors import QueueError
    from hermes_cli.intents import driver
    from hermes_cli.policy import policy_of
    from hermes_cli.services import choose
    from hermes_cli.update.recovery import GitRecovery

    try:
        manager = choose(paths)
        return driver.drive(
            paths,
            manager,
            GitRecovery(paths),
            policy_of(paths, manager.spawn_interval),
            trigger,
            renew=lambda: _execute_anew(paths, trigger),
        )
    except OSError as error:
        raise QueueError(f"{paths.intents} is not usable ({error.strerror}): mend it; nothing is lost") from error


def _execute_anew(paths: "Paths", trigger: str) -> None:
    """Become a fresh driver; the kernel releases the driver lock with this image."""
    argv = [sys.executable, "-P", "-m", "hermes_cli.restarter", "-p", paths.profile, "--trigger", trigger]
    os.execv(sys.executable, argv)  # noqa: S606  an argv list of our own


def main(arguments: list[str]) -> int:
    """Parse `-p PROFILE --trigger NAME [--busy wait]`; the exit code, 75 when another driver is at it.

    With `--busy wait` it waits for that one and finishes what it has left: what a level-triggered watch starts would
    otherwise be started again and again for as long as the other waits for a drain.
    """
    from hermes_cli.errors import HermesError
    from hermes_cli.paths import resolve

    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    trigger = options.get("--trigger", "cli")
    try:
        paths = resolve(options.get("-p"))
        if not is_something_pending(paths):
            return 0
        _log_to(paths)
        trigger = trigger if trigger in TRIGGERS else "cli"
        while not drive(paths, trigger):
            if options.get("--busy") != "wait":
                return EX_TEMPFAIL
            _await_other_driver(paths)
            if not is_something_pending(paths):
                break
        return 0  # noqa: TRY300  the loop's end
    except HermesError as error:
        print(f"hermes: {error}", file=sys.stderr)
        return error.exit_code


def _await_other_driver(paths: "Paths") -> None:
    from hermes_cli import locks
    from hermes_cli.intents.driver import lock_path

    locks.await_release(lock_path(paths))


def _log_to(paths: "Paths") -> None:
    """Log to restarter.log; a log that cannot be written must not keep the restart from happening."""
    from hermes_cli import log
    from hermes_cli.durable import make_private_directory

    try:
        make_private_directory(paths.logs)
        log.configure(paths.restarter_log)
    except OSError:
        log.configure()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
