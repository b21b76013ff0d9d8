"""The checkout that hermes runs from, and every git command that is run in it. Nothing is decided here."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Self

from hermes_cli.environment import scrubbed
from hermes_cli.errors import HermesError
from hermes_cli.installation import origin
from hermes_cli.installation.revision import DIGITS
from hermes_cli.system.command import Ended, run
from hermes_cli.update import output
from hermes_cli.update.proof import forget_bytecode

READ_TIMEOUT = 30.0
FETCH_TIMEOUT = 300.0
CHANGE_TIMEOUT = 300.0
# These say how to reach a remote; any other GIT_ variable may name another repository than this one.
_KEPT = ("GIT_SSH", "GIT_SSL", "GIT_HTTP", "GIT_PROXY", "GIT_ASKPASS")
# No hook, daemon or housekeeping of ours may outlive the command: it would keep the inherited locks.
_SETTINGS = ("gc.auto=0", "maintenance.auto=false", "core.fsmonitor=false", "core.hooksPath=/dev/null")
_STATUS = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no")
_LOCKS = ("index.lock", "HEAD.lock", "ORIG_HEAD.lock")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A work tree of git that tracks this package. `keep`: the locks that a command inherits if it changes something."""

    package: str
    root: str
    directory: str  # git's own, of this work tree
    keep: tuple[int, ...] = ()

    @property
    def project(self) -> str:
        """The directory of pyproject.toml: it lies beside the package, wherever that is in the repository."""
        return os.path.dirname(self.package)

    def keeping(self, descriptor: int) -> Self:
        """Return the same checkout with one more lock."""
        return dataclasses.replace(self, keep=(*self.keep, descriptor))

    def ask(self, *arguments: str) -> Ended:
        """Run a command that changes nothing."""
        return _git(self.package, arguments, READ_TIMEOUT)

    def tell(self, *arguments: str) -> Ended:
        """Run a command that changes the checkout. Its children hold the updater's locks for as long as they live."""
        return output.kept(f"git {arguments[0]}", _git(self.package, arguments, CHANGE_TIMEOUT, self.keep))

    def fetch(self, *arguments: str) -> Ended:
        """Fetch what is new, without the locks: an orphan that waits for a silent network for ever must not keep them."""
        return output.kept("git fetch", _git(self.package, ("fetch", "--quiet", *arguments), FETCH_TIMEOUT))

    def ask_remote(self, *arguments: str) -> Ended:
        """Ask a remote something, without the locks, as `fetch` does."""
        return _git(self.package, ("ls-remote", "--quiet", *arguments), READ_TIMEOUT)

    def line(self, *arguments: str) -> str | None:
        """Return the one line that a command prints, or None if it fails."""
        answer = self.ask(*arguments)
        return answer.out.strip() if answer.ok else None

    def lines(self, *arguments: str) -> list[str]:
        """Return the lines that a command prints; none if it fails."""
        answer = self.ask(*arguments)
        return answer.out.splitlines() if answer.ok else []

    def commit(self, name: str) -> str | None:
        """Return the full id of the commit that a name stands for, or None."""
        return self.line("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def short(self, revision: str) -> str:
        """Return the id of a commit as a person reads it."""
        return self.line("rev-parse", f"--short={DIGITS}", revision) or revision[:DIGITS]

    def branch(self) -> str | None:
        """Return the branch that is checked out, or None for a detached HEAD.

        Its whole name is asked for: git puts `heads/` before the short one where a tag is called the same.
        """
        found = self.line("symbolic-ref", "--quiet", "HEAD")
        return found.removeprefix("refs/heads/") if found else None

    def count(self, *revisions: str) -> int | None:
        """Return how many commits a range has, or None if git cannot tell."""
        found = self.line("rev-list", "--count", *revisions, "--")
        return int(found) if found is not None and found.isdigit() else None

    def names(self, *arguments: str) -> list[str]:
        """Return the names that a command lists with -z. Raises HermesError if it fails: an empty list would be wrong."""
        answer = self.ask(*arguments)
        if not answer.ok:
            raise HermesError(f"git {arguments[0]} failed in {self.root} ({answer.why}): mend the checkout")
        return [os.fsdecode(name) for name in answer.raw.split(b"\0") if name]

    def head(self) -> str | None:
        """Return the full id of the commit that is checked out, or None if there is none."""
        return self.line("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    def changed_files(self) -> list[str]:
        """Return the tracked files that differ from HEAD, staged or not, as "XY name". Raises HermesError."""
        return self.names(*_STATUS)

    def only_modes_differ(self) -> bool:
        """Return whether no more than permissions differ from HEAD. Raises HermesError."""
        return not self.names("-c", "core.fileMode=false", *_STATUS)

    def only_in(self, revision: str, other: str) -> list[str]:
        """Return the files, relative to the root, that `revision` has and `other` has not. Raises HermesError."""
        return self.names(
            "diff-tree", "-r", "-z", "--no-relative", "--no-renames", "--name-only", "--diff-filter=A", other, revision
        )

    def is_exactly(self, revision: str, other: str) -> bool:
        """Return whether the tree is `revision`, without a leftover of `other`. Raises HermesError."""
        if self.head() != revision or self.changed_files():
            return False
        return not self.leftovers(other, revision)

    def leftovers(self, other: str, revision: str) -> list[str]:
        """Return the files that are there, and that `other` has and `revision` has not. Raises HermesError."""
        found = (name for name in self.only_in(other, revision) if self._is_file(name))
        # Where names differ in case only, the file may be the one of the revision.
        return [name for name in found if not self._is_one_of(revision, name)]

    def _is_file(self, name: str) -> bool:
        """Return whether a file is at this very place: where a folder was replaced by a link, another one is found there."""
        path = os.path.join(self.root, name)
        folder = os.path.dirname(path)
        return os.path.realpath(folder) == folder and _is_no_directory(path)

    def _is_one_of(self, revision: str, name: str) -> bool:
        path = os.path.join(self.root, name)
        if not os.path.lexists(_other_case(path)):
            return False
        tracked = self.names("ls-tree", "-r", "-z", "--full-tree", "--name-only", revision)
        twins = (os.path.join(self.root, one) for one in tracked if one.lower() == name.lower())
        return any(os.path.lexists(one) and os.path.samestat(os.lstat(one), os.lstat(path)) for one in twins)

    def in_the_way(self, old: str, new: str) -> list[str]:
        """Return what `new` adds although it is there, untracked or ignored: somebody's own file, not to be overwritten."""
        tracked = set(self.names("ls-tree", "-r", "-z", "--full-tree", "--name-only", old))
        directories = {parent for name in tracked for parent in _parents(name)}
        found = []
        for name in self.only_in(new, old):
            path = os.path.join(self.root, name)
            above = [parent for parent in _parents(name) if parent not in tracked]
            blocked = [one for one in above if _is_no_directory(os.path.join(self.root, one))]
            if blocked or (os.path.lexists(path) and name not in directories):
                found.append(blocked[0] if blocked else name)
        return found

    def text(self, revision: str, name: str) -> str | None:
        """Return the text of a file of the project in `revision`, or None if it has none."""
        answer = self.ask("show", f"{revision}:./{os.path.join('..', name)}")
        return answer.out if answer.ok else None

    def lock_files(self) -> list[str]:
        """Return the lock files of git that are there now."""
        branch = self.line("symbolic-ref", "--quiet", "HEAD")
        common = self.line("rev-parse", "--git-common-dir")  # relative to the package, where it is not absolute
        paths = [os.path.join(self.directory, name) for name in _LOCKS]
        if branch and common:
            paths.append(os.path.join(self.package, common, f"{branch}.lock"))
        return [path for path in paths if os.path.lexists(path)]

    def forget_bytecode(self) -> None:
        """Remove the package's __pycache__: Python compares whole seconds and sizes, which may be equal in two revisions."""
        forget_bytecode(self.package)


def find(keep: tuple[int, ...] = (), package: str | None = None) -> Checkout:
    """Return the checkout that tracks the package in this directory, or the installed one. Raises HermesError."""
    package = package or origin.package()
    answer = _git(package, ("ls-files", "--error-unmatch", "__init__.py"), READ_TIMEOUT)
    if not answer.ok:
        why = answer.why.removeprefix("fatal: ")
        if answer.code is None or "dubious ownership" in answer.err or "safe.directory" in answer.err:
            raise HermesError(f"git does not answer for {package} ({why}): mend that and repeat")
        raise HermesError(
            f"hermes was not installed from a git checkout ({package} is not tracked): "
            "update it with the tool that installed it, then hermes gateway restart"
        )
    return at(package, None, keep)


def at(package: str, root: str | None, keep: tuple[int, ...] = ()) -> Checkout:
    """Return the checkout of a package directory that may be half gone. `root`: where it must be. Raises HermesError."""
    os.makedirs(package, exist_ok=True)  # git is run in it, and brings back what was in it
    places = _git(package, ("rev-parse", "--show-toplevel", "--absolute-git-dir"), READ_TIMEOUT)
    lines = places.out.splitlines()
    if not places.ok or len(lines) != 2:
        raise HermesError(f"git does not say where the checkout of {package} is ({places.why}): mend that and repeat")
    if root is not None and root != lines[0]:
        raise HermesError(f"{package} is in the checkout {lines[0]}, no longer in {root}: nothing is undone there")
    return Checkout(package, lines[0], lines[1], keep)


def _git(package: str, arguments: tuple[str, ...], timeout: float, keep: tuple[int, ...] = ()) -> Ended:
    environment = {
        name: value for name, value in scrubbed().items() if not name.startswith("GIT_") or name.startswith(_KEPT)
    }
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    try:
        return run(["git", "-C", package, *settings, *arguments], timeout, environment=environment, keep=keep)
    except FileNotFoundError:
        raise HermesError("git is not on PATH: install it and repeat") from None


def _parents(name: str) -> list[str]:
    """Return `a` and `a/b` for `a/b/c`."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: index + 1]) for index in range(len(parts))]


def _other_case(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, name.swapcase())


def _is_no_directory(path: str) -> bool:
    return os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path))
