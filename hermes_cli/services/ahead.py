"""Whether the next gateway would come up: looked at before the one that runs is taken down (rule 10).

The program that the *definition* names is run with `--check`, in the environment that the definition gives it: it loads
the code and the configuration, and makes the directories, as a start would. What cannot be told is no obstacle: a
machine that is too busy to answer must not make a restart impossible, and a restart that fails then is tried again.
A check that has passed is not repeated while nothing has changed of what it read: see `looked`.
"""

import contextlib
import errno
import os
import time
from collections.abc import Mapping
from typing import NamedTuple

from hermes_cli.config import load
from hermes_cli.environment import scrubbed
from hermes_cli.errors import ConfigError, Misconfigured, Problem
from hermes_cli.installation import entry_points
from hermes_cli.paths import Paths
from hermes_cli.services import looked, usable
from hermes_cli.services.job.owner import Said
from hermes_cli.system import durable, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger

BOUND = 10.0  # seconds for a check that takes a quarter of one
_MEND = "hermes gateway install"
_INHERITED = ("HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR")  # what every job has of its manager
_NO_PROGRAM = {errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ELOOP, errno.ENOEXEC, errno.EPERM, errno.EISDIR}
_NO_PLACE = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EROFS, errno.ELOOP}
_KILLED = {-9, -15}  # by somebody, for want of memory most often: that says nothing about the program


class NextStart(NamedTuple):
    """What would be started. `named_by`: the file that says so, or who does."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    named_by: str

    @property
    def program(self) -> str:
        """The interpreter."""
        return self.argv[0]

    @property
    def is_there(self) -> bool:
        """Say whether the interpreter is a program that can be run."""
        return os.access(self.program, os.X_OK) and not os.path.isdir(self.program)

    @property
    def gone(self) -> str:
        """What is said when it is not."""
        return f"the program is gone, {self.program}, which {self.named_by} names: {_MEND}"


def of_this(paths: Paths) -> NextStart:
    """Return what the installation that runs this would start."""
    return NextStart(tuple(entry_points.gateway(paths.profile)), scrubbed(), "this installation")


def named(said: Said, named_by: str) -> NextStart | None:
    """Return what a definition starts, without the shell that opens its log; None when that is nothing of hermes."""
    with contextlib.suppress(ValueError):
        begins = said.argv.index("-P") - 1
        if begins >= 0:
            inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
            return NextStart(said.argv[begins:], {**inherited, **said.environment}, named_by)
    return None


def missing(path: str) -> str:
    """Return what is said of a definition that is not there."""
    return f"the definition is gone, {path}: {_MEND}"


def unfit(stranger: Problem | None, start: NextStart | None) -> str | None:
    """Return why a definition can start no gateway of ours, with the mend, or None. Starts no process."""
    if stranger is not None:
        return f"{stranger.text}: {stranger.mend}"
    return None if start is None or start.is_there else start.gone


def obstacle(paths: Paths, start: NextStart) -> str | None:
    """Return why it would not come up, with the mend; None if it would, or if that cannot be told."""
    if not start.is_there:
        return start.gone
    unread = usable.unread_journal(paths)
    if unread is not None:
        return f"{unread.text}: {unread.mend}"
    key = looked.key(start.argv, start.environment)
    if looked.is_unchanged(paths.state, key):
        return places(paths)
    from hermes_cli.system.command import run  # whoever runs while code is changed has it: see update/proof

    began = time.time()
    try:
        ended = run([*start.argv, "--check"], BOUND, environment={**start.environment, looked.LISTS: "1"})
    except OSError as error:
        if error.errno in _NO_PROGRAM:
            return start.gone
        _log().warning("it cannot be checked whether a gateway would start: %s", error.strerror)
        return None
    if ended.ok:
        looked.keep(paths.state, key, ended.out, began)
        return None
    if ended.code is None or ended.code in _KILLED:
        _log().warning("the check of what would be started says nothing: %s", ended.why)
        return None
    why = ended.why.removeprefix("hermes: ")
    if ended.code == ConfigError.exit_code:
        return Misconfigured(why)
    if why != ended.why:
        return why  # one line of ours, which names the mend
    return f"{start.program} of {start.named_by} does not start it ({why}): {_MEND}"


def glance(paths: Paths, start: NextStart | None) -> str | None:
    """Return what can be seen without starting a process, as `obstacle` does: what a gateway looks at in its loop."""
    try:
        load(paths.config)
    except ConfigError as error:
        cause = error.__cause__
        # What this process has run out of is no obstacle for the next one, which would have it again.
        if not isinstance(cause, OSError) or refusal.shortage(cause.errno) is None:
            return Misconfigured(error)
    if start is not None and not start.is_there:
        return start.gone
    return places(paths)


def places(paths: Paths) -> str | None:
    """Make the directories that a gateway needs, and look at its files. Return what is in the way, or None.

    It does without a log.
    """
    with contextlib.suppress(OSError):
        durable.make_private_directory(paths.logs)
    try:
        durable.make_private_directory(paths.state)
    except OSError as error:
        if error.errno in _NO_PLACE:
            return refusal.refused(error.filename or paths.state, "made", error)
    found = next(usable.unusable(paths), None)
    return None if found is None else f"{found.text}: {found.mend}"


def _log() -> "Logger":
    import logging

    return logging.getLogger("hermes.ahead")
