"""The revision of the installed code: the checkout's commit, or the package's version. Cheap to import.

Git is asked if something is decided by the answer. If the answer is only shown, `glance` reads the two small files in
which git keeps it: a command must not start a process only to learn that nothing is stale.
"""

import os
import re

from hermes_cli.installation import origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes_cli.system.command import Ended, Running

GIT_TIMEOUT = 5.0
_GRACE = 0.2  # seconds to end at SIGTERM: a question leaves nothing behind
DIGITS = 12  # git's own choice grows with the repository, and a revision must keep its name
_VERSION = re.compile(r"""^__version__ = ["']([^"'\n]+)["']""", re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_COMMIT_SHOWN = re.compile(r"[0-9a-f]{12,64}")


class RevisionQuery:
    """A git process under way: start early, collect late. Only the starting process may collect."""

    def __init__(self) -> None:
        self._package = origin.package()
        self._is_asked = _git_above(self._package) is not None
        # A virtualenv may lie inside somebody else's checkout: its HEAD counts only if it tracks this package.
        self._command = self._ask() if self._is_asked else None

    def collect(self) -> str | None:
        """Return the short commit id, or the package's version outside a checkout.

        None when git does not say within 5 s, or is killed twice, which says nothing of the code.
        """
        if not self._is_asked:
            return version(self._package)
        ended = self._collect()
        if ended is not None and ended.is_killed:
            self._command = self._ask()
            ended = self._collect()
        if ended is None or ended.code is None or ended.is_killed:
            return None
        return (ended.out[:DIGITS] if ended.ok else "") or version(self._package)

    def _collect(self) -> "Ended | None":
        return self._command.collect(GIT_TIMEOUT, grace=_GRACE) if self._command is not None else None

    def _ask(self) -> "Running | None":
        from hermes_cli.system.command import Running

        # GIT_DIR and the like, set by a git hook that started this process, name another repository.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
        try:
            return Running(["git", "-C", self._package, "rev-parse", "HEAD", "HEAD:./__init__.py"], environment)
        except OSError:
            return None


def query(running: str | None) -> "Callable[[], str | None]":
    """Return what tells the installed revision. Git is only asked where its files do not say that it is still `running`.

    That the checkout's commit is that of the package, git has said when the gateway started.
    """
    if running is not None and _COMMIT_SHOWN.fullmatch(running) and glance(running) == running:
        return lambda: running
    return RevisionQuery().collect


def installed_revision() -> str | None:
    """Return the short commit id of the checkout that holds this package, else its version.

    None when that cannot be told. Takes at most 5 s.
    """
    return RevisionQuery().collect()


def version(package: str) -> str | None:
    """Return the version of the package in this directory as it is there now, or None when it cannot be read."""
    found = _VERSION.search(_text(f"{package}/__init__.py") or "")
    return found[1] if found else None


def glance(running: str) -> str | None:
    """Return the installed revision in the form of `running`, a commit or a version.

    None when the two files do not say.
    """
    package = origin.package()
    if not _COMMIT_SHOWN.fullmatch(running):
        return version(package)
    place = _git_above(package)
    if place is None:
        return version(package)
    return commit[: len(running)] if (commit := _head(place)) is not None else None


def git_directory(directory: str) -> str | None:
    """Return git's own directory of the work tree that this directory is in, or None if it is in none."""
    place = _git_above(directory)
    return _resolved(place) if place is not None else None


def _resolved(place: str) -> str:
    """Return what .git stands for: itself, or in a linked work tree the directory that is named in it."""
    if os.path.isdir(place):
        return place
    return os.path.join(os.path.dirname(place), (_text(place) or "").removeprefix("gitdir:").strip())


def _head(place: str) -> str | None:
    """Return the commit of a repository's HEAD (gitrepository-layout(5)); `place` is .git, a directory or a file."""
    place = _resolved(place)
    head = (_text(f"{place}/HEAD") or "").strip()
    if not head.startswith("ref: "):
        return head if _COMMIT.fullmatch(head) else None
    name = head.removeprefix("ref: ")
    common = os.path.join(place, (_text(f"{place}/commondir") or ".").strip())
    found = (_text(f"{common}/{name}") or "").strip()
    if not found:
        packed = (line.split(" ", 1) for line in (_text(f"{common}/packed-refs") or "").splitlines() if " " in line)
        found = next((commit for commit, ref in packed if ref == name), "")
    return found if _COMMIT.fullmatch(found) else None


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 22)
    except OSError:
        return None


def _git_above(directory: str) -> str | None:
    while True:
        if os.path.lexists(f"{directory}/.git"):
            return f"{directory}/.git"
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent
