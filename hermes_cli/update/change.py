"""Take the code from one revision to another, and back. The caller holds the update lock and has a journal."""

import contextlib
import os
from collections.abc import Callable

from hermes_cli.errors import HermesError
from hermes_cli.process import Handle, Identity
from hermes_cli.update import dependencies, preflight
from hermes_cli.update.git import Checkout
from hermes_cli.update.journal import Journal

Say = Callable[[str], None]
_FOREIGN_GIT = 30.0  # seconds for somebody's own git command in this checkout to end


def apply(checkout: Checkout, journal: Journal, profile: str, say: Say) -> None:
    """Bring in the new revision and prove that it starts. Raises HermesError with what went wrong, OSError."""
    short = checkout.short(journal.new)
    merged = checkout.tell("merge", "--ff-only", "--quiet", journal.new)
    if not merged.ok:
        raise HermesError(f"git could not bring in {short} ({merged.why})")
    if checkout.head() != journal.new:
        raise HermesError(f"git did not bring in {short}: somebody else is changing the checkout")
    complete(checkout, journal, profile, say)


def complete(checkout: Checkout, journal: Journal, profile: str, say: Say) -> None:
    """Install what the new revision needs and prove that it starts. Raises HermesError, OSError."""
    short = checkout.short(journal.new)
    checkout.forget_bytecode()
    if dependencies.differ(checkout, journal.old, journal.new):
        journal.note(installing=True)
        say(f"installing what {short} needs")
        installed = dependencies.install(checkout)
        if installed is None:
            say("hermes was not installed with pip from this checkout: install what changed in pyproject.toml yourself")
        elif not installed.ok:
            raise HermesError(f"what {short} needs cannot be installed ({installed.why})")
    say(f"proving that {short} starts")
    why = preflight.failure(profile, checkout.package)
    if why is not None:
        raise HermesError(f"{short} does not start ({why})")


def put_back(checkout: Checkout, journal: Journal, say: Say) -> None:
    """The old revision, exactly, out of any half-change; may be repeated. Raises HermesError, OSError.

    Only what this update did is undone: the tree was clean when the journal was begun, nothing lay where the new
    revision adds a file, and a HEAD that is neither of the two revisions is somebody's own work.
    """
    if checkout.head() not in {journal.old, journal.new}:
        raise HermesError(f"{checkout.root} is neither at the old nor at the new revision: mend it with git")
    journal.note(step="undoing")
    remove_stale_locks(checkout)
    if not checkout.is_exactly(journal.old, journal.new):
        _keep_changes(checkout, journal, say)
        # By way of the new revision: git then knows the files that it adds, and takes them away again.
        for revision in (journal.new, journal.old):
            done = checkout.tell("reset", "--hard", "--quiet", revision)
            if not done.ok:
                raise HermesError(f"git reset --hard {revision[:12]} failed in {checkout.root} ({done.why})")
    checkout.forget_bytecode()
    if journal.installing:
        say("installing what the old revision needs")
        installed = dependencies.install(checkout)
        if installed is not None and not installed.ok:
            raise HermesError(f"what the old revision needs cannot be installed ({installed.why})")


def _keep_changes(checkout: Checkout, journal: Journal, say: Say) -> None:
    """Keep what a person may have changed since the update began; for the most part it is git's own half-change."""
    kept = checkout.line("stash", "create")
    if kept and checkout.tell("update-ref", f"refs/hermes/{journal.intent}", kept).ok:
        say(f"changes that were found in {checkout.root} are kept: git stash apply refs/hermes/{journal.intent}")


def remove_stale_locks(checkout: Checkout) -> None:
    """Remove git's lock files, left by a git that was killed. Raises HermesError when a living git may own them.

    The updater's own git children share the update lock, which is ours: they are gone. So a lock file belongs to a
    git command of somebody else in this checkout, or to nobody.
    """
    if not checkout.lock_files():
        return
    for process in _foreign_git(checkout.root):
        with contextlib.suppress(ProcessLookupError), Handle(process) as handle:
            if not handle.wait(_FOREIGN_GIT):
                raise HermesError(f"git (pid {process.pid}) is at work in {checkout.root}: let it end and repeat")
    for path in checkout.lock_files():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _foreign_git(root: str) -> list[Identity]:
    """Git processes that work below `root`; a git commit whose editor is open is one of them."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("git") and os.path.join(process.cwd(), "").startswith(os.path.join(root, "")):
                found.append(Identity.of(process.pid))
    return [identity for identity in found if identity is not None]
