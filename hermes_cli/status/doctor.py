"""Everything that can keep a restart from happening, looked at before one is asked for. Changes nothing."""

import errno
import os
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hermes_cli import user_environment
from hermes_cli.config import load_or_defaults
from hermes_cli.environment import scrubbed
from hermes_cli.errors import Advice, ConfigError, HermesError, Problem
from hermes_cli.installation import origin, shared
from hermes_cli.intents import file_system
from hermes_cli.mends import said
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.programs.verdicts import REINSTALL
from hermes_cli.services import kept
from hermes_cli.services.adopted.base import Adopted
from hermes_cli.services.base import ServiceManager
from hermes_cli.status import gather, of_adopted
from hermes_cli.status.document import problem_document
from hermes_cli.status.problems import plain
from hermes_cli.system import refusal
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.update import proof

_ROOM = 16 << 20  # bytes; a record has 2 KiB, an update needs room for a copy of the package
_KEEPS_A_START = {"queue", "room", "config", "unusable"}  # problems for which a start of good code fails, too


@dataclass(frozen=True, slots=True)
class Check:
    """`passed` is what is true when there are no problems."""

    passed: str
    problems: tuple[Problem, ...] = ()


def document(profile: str, found: list[Check], fixed: list[tuple[list[str], int]]) -> dict[str, Any]:
    """Return what was found as JSON; `fixed`: the commands that were run before, with their exit codes."""
    return {
        "schema": 1,
        "profile": profile,
        "checks": [
            {"check": one.passed, "passed": not one.problems, "problems": [problem_document(p) for p in one.problems]}
            for one in found
        ],
        "fixed": [{"command": command, "exit_code": code} for command, code in fixed],
    }


def checks(
    paths: Paths, manager: ServiceManager, revision: Callable[[], str | None], home: str | None
) -> Iterator[Check]:
    """One after the other; the last one starts the installed code in fresh processes, which takes seconds.

    `home`: HERMES_HOME, where a pasted command would not have it by itself.
    """
    found: set[str] = set()
    for one in _checks(paths, manager, revision, found):
        found.update(problem.code for problem in one.problems)
        yield Check(one.passed, tuple(said(problem, paths.profile, home) for problem in one.problems))


def _checks(
    paths: Paths, manager: ServiceManager, revision: Callable[[], str | None], found: set[str]
) -> Iterator[Check]:
    """Yield each check. `found`: the codes of the problems that the checks before have found."""
    tried = file_system.check(paths.intents) if os.path.lexists(paths.queue.staging) else file_system.Suitability()
    queue = tuple(_of_the_queue(paths, tried))
    without = "" if tried.has_links else ", without hard links"
    yield Check(f"a request can be recorded durably below {paths.intents}{without}", queue)
    if not queue:
        yield Check("a request wakes who waits for it", tuple(_of_watches(paths)))
    yield Check(f"there is room below {paths.state}", tuple(_of_room(paths)))
    yield Check(
        "the service, its restarter and the queue are as they should be", tuple(_of_status(paths, manager, revision))
    )
    commands = {name: argv for name, argv in _commands(paths) if argv}
    if commands:
        yield Check("the commands of config.toml do what they are for", tuple(_of_commands(paths, commands)))
    adopted = kept.adopted(paths)
    if adopted is not None and isinstance(manager, Adopted):
        adoption = adopted.adoption
        if os.path.exists(adoption.definition):  # uninstalled, as is said above: then nothing is as it says
            yield Check(f"{adoption.program} is as its program file says", tuple(of_adopted.problems(adopted, manager)))
        return
    given = _given(paths)
    yield Check("the service reaches what this shell reaches", tuple(_of_environment(paths, given)))
    if paths.is_there:  # a start makes the profile's directories, and nobody makes a profile by a typo
        is_named = not found.isdisjoint(_KEEPS_A_START)
        yield Check("the installed code starts", tuple(_of_code(paths, given, is_named=is_named)))


def _of_the_queue(paths: Paths, tried: file_system.Suitability) -> Iterator[Problem]:
    above = paths.intents
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if above != paths.intents and not os.access(above, os.W_OK | os.X_OK):
        text = f"nothing can be recorded below {paths.intents}: {above} cannot be written to"
        is_mine = os.lstat(above).st_uid == os.geteuid()
        yield Problem("queue", text, f"chmod u+rwx {shlex.quote(above)}" if is_mine else Advice("mend its permissions"))
        return
    for name in ("pending", "settled", "staging"):
        place = f"{paths.intents}/{name}"
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            continue  # whoever asks first makes them
        except OSError as error:
            yield Problem("queue", f"{place} cannot be looked at ({error.strerror})", Advice("mend its permissions"))
            return
        if not stat.S_ISDIR(found.st_mode):
            yield Problem("queue", f"{place} is no directory", f"mv {shlex.quote(place)} {shlex.quote(place)}.aside")
        elif found.st_uid != os.geteuid():
            yield Problem("queue", f"{place} is owned by uid {found.st_uid}", Advice("move it away"))
        elif found.st_mode & 0o022:
            yield Problem("queue", f"{place} can be written by others", f"chmod 700 {shlex.quote(place)}")
    if tried.error is not None:
        why = f"{tried.refused} is refused: {tried.error.strerror}"
        yield Problem("queue", f"nothing can be recorded below {paths.intents} ({why})", _mend(paths, tried.error))


def _mend(paths: Paths, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"chmod u+rwx {shlex.quote(paths.queue.staging)}"
    return Advice(file_system.mend(error))


def _of_watches(paths: Paths) -> Iterator[Problem]:
    if not os.path.isdir(paths.pending):
        return
    with DirectoryWatch(paths.pending) as watch:
        if watch.is_blind:
            text = "no inotify instance is left for this user, so everything is noticed half a second later"
            yield Problem("watches", text, "sysctl fs.inotify.max_user_instances=512")


def _of_room(paths: Paths) -> Iterator[Problem]:
    place = paths.state
    while not os.path.lexists(place):  # the first start makes it
        place = os.path.dirname(place)
    try:
        found = os.statvfs(place)
    except OSError as error:
        yield Problem("room", f"{paths.state} cannot be looked at ({error.strerror})", "hermes gateway install")
        return
    free = found.f_bavail * found.f_frsize
    if free < _ROOM:
        yield Problem("room", f"{free >> 20} MiB are free below {paths.state}", Advice("free some space"))
    if found.f_files and not found.f_favail:
        yield Problem("room", f"no inodes are free below {paths.state}", Advice("remove some files"))


def _of_status(paths: Paths, manager: ServiceManager, revision: Callable[[], str | None]) -> Iterator[Problem]:
    try:
        found = gather.gather(paths, manager, revision)
    except (HermesError, OSError) as error:
        yield Problem("status", f"{paths.pending} cannot be read ({error})", Advice("mend its permissions"))
        return
    if not found.service.installed:
        if found.adopted is not None:
            text = f"{found.adopted.program} was uninstalled: {found.adopted.definition} is not there"
            yield Problem("not-installed", text, Advice(REINSTALL))
        else:
            yield Problem("not-installed", "the service is not installed", "hermes gateway install")
    yield from plain(found)


def _commands(paths: Paths) -> tuple[tuple[str, tuple[str, ...]], ...]:
    config = load_or_defaults(paths.config)
    return (
        ("notify.command", config.notify.command),
        ("hooks.before_restart", config.hooks.before_restart),
        ("hooks.after_restart", config.hooks.after_restart),
    )


def _of_commands(paths: Paths, commands: dict[str, tuple[str, ...]]) -> Iterator[Problem]:
    for name, argv in commands.items():
        if shutil.which(argv[0]) is None:
            yield Problem("hook", f"{name}: {argv[0]} cannot be run", f"hermes config get {name}")
    from hermes_cli.notify import hooks

    failed = hooks.last_failure(paths)
    if failed is not None:
        yield Problem("hook", failed, "hermes gateway logs --log all")


def _given(paths: Paths) -> dict[str, str] | None:
    """Return what the manager gives the running gateway, or None if none runs or it cannot be told."""
    running = own.read_alive(paths)
    return user_environment.given_by_manager(running.identity.pid) if running is not None else None


def _of_environment(paths: Paths, given: dict[str, str] | None) -> Iterator[Problem]:
    try:
        names = user_environment.missing(paths, user_environment.REACH, given) if given is not None else []
        found = os.stat(user_environment.path_of(paths)).st_mode
    except ConfigError:
        return  # said already
    except OSError:  # there is none
        found = 0
    if names:
        mend = f"hermes gateway install --keep-env {','.join(names)}"
        yield Problem("environment", f"the service does not have {', '.join(names)} of this shell", mend)
    if found & 0o044:
        path = user_environment.path_of(paths)
        yield Problem("environment", f"{path} can be read by others", f"chmod 600 {shlex.quote(path)}")


def _of_code(paths: Paths, given: dict[str, str] | None, *, is_named: bool) -> Iterator[Problem]:
    """Start the code as the service does: with its environment, not with this shell's.

    `is_named`: what it may refuse to start for, by a line of its own, has been found before.
    """
    if (found := shared.why()) is not None:
        yield Problem("installation", *found)
        return
    environment = scrubbed(given) if given is not None else None
    try:
        environment = user_environment.of_service(paths, environment) if environment is not None else None
    except ConfigError:
        return  # said already
    try:
        why = proof.failure(paths.profile, origin.package(), environment)
    except OSError as error:
        text = f"whether the installed code starts cannot be tried ({error.strerror})"
        yield Problem("code", text, Advice(refusal.shortage(error.errno) or "install it again"))
        return
    if why is None:
        return
    line = why.removeprefix("hermes: ")
    if line == why:
        text = f"the installed code does not start ({why})"
        yield Problem("code", text, Advice("hermes update, or install it again"))
    elif not is_named:
        yield Problem("code", f"the next gateway would not start: {line}", Advice("hermes gateway doctor, after that"))
