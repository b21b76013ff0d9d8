"""A git checkout as a source of updates: from one commit to another, and back, with the user's changes kept."""

import contextlib
import dataclasses
import os
import re
from typing import Any, Self

from hermes_cli.errors import HermesError
from hermes_cli.system.command import printable
from hermes_cli.system.process import Handle, Identity
from hermes_cli.update import proof
from hermes_cli.update.candidate import Candidate, LineSink, Selection
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources.git import dependencies, news, way_back
from hermes_cli.update.sources.git.checkout import Checkout
from hermes_cli.update.sources.wheel import distributions

_FOREIGN_GIT = 30.0  # seconds for somebody's own git command in this checkout to end
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class WorkTree:
    """The checkout that hermes runs from.

    `journal.notes`: `old_ref` and `new_ref` are branches, None for a detached HEAD; `stash` is a commit of local
    changes; `site` is the site-packages whose files were kept; in a rollback `kept` says where those files lie.
    """

    kind = "git"

    def __init__(self, checkout: Checkout, tables: frozenset[str] = frozenset()) -> None:
        """`tables` are the names of those in config.toml: an extra is kept if one is called like it."""
        self.checkout = checkout
        self._tables = tables
        self.place = checkout.root

    def document(self) -> dict[str, Any]:
        """Return the root, and the package in it."""
        return {"kind": self.kind, "root": self.checkout.root, "package": self.checkout.package}

    def keeping(self, descriptor: int) -> Self:
        """Return the same source with one more lock."""
        return type(self)(self.checkout.keeping(descriptor), self._tables)

    def candidate(self, selection: Selection, say: LineSink) -> Candidate:
        """Fetch and compare."""
        return news.fetch_candidate(self.checkout, selection, say)

    def way_back(self, receipt: Journal, selection: Selection, say: LineSink) -> Candidate:  # noqa: ARG002  the protocol's
        """Return the way to the commit and the branch of before, without asking a remote."""
        if not is_acceptable(receipt):
            raise HermesError(
                f"the receipt of the update to {receipt.new_shown} names no commits: hermes update --to REF"
            )
        candidate = news.way_back(self.checkout, receipt.old, receipt.notes.get("old_ref"))
        return dataclasses.replace(
            candidate, notes={**candidate.notes, "kept": [receipt.notes.get("site"), receipt.files]}
        )

    def refuse(self, candidate: Candidate, selection: Selection) -> None:
        """Refuse local changes, unless they are to be stashed, and files in the way."""
        news.refuse_local_changes(self.checkout, candidate, stash=selection.stash)

    def begin(self, journal: Journal, selection: Selection) -> None:
        """Keep the user's changes in a commit of their own, where no housekeeping of git can lose them."""
        if not selection.stash or not self.checkout.changed_files():
            return
        stash = self.checkout.line(*_AUTHOR, "stash", "create", "hermes update --stash")
        if not stash or not self.checkout.tell("update-ref", _stash_ref(journal), stash).ok:
            raise HermesError(f"git cannot keep the local changes of {self.place}: commit them and repeat")
        journal.notes["stash"] = stash

    def change(self, journal: Journal, say: LineSink) -> None:  # noqa: ARG002  the protocol's
        """Fast-forward the branch, or check another branch, tag or commit out. A rollback moves the branch back."""
        old_ref, new_ref = journal.notes.get("old_ref"), journal.notes.get("new_ref")
        short = self.checkout.short(journal.new)
        if journal.notes.get("stash"):
            self._reset(journal.old)
        if new_ref and new_ref == old_ref and not journal.rolls_back and not journal.notes.get("rewritten"):
            done = self.checkout.tell("merge", "--ff-only", "--quiet", journal.new)
        else:
            how = ("-B", str(new_ref)) if new_ref else ("--detach",)
            done = self.checkout.tell("checkout", "--quiet", *how, journal.new)
        if not done.ok:
            raise HermesError(f"git could not bring in {short} ({done.why})")
        if new_ref and (follows := journal.notes.get("follows")):
            # As `git branch --set-upstream-to`, which wants to have fetched that branch by the remote's configuration.
            remote, branch = map(str, follows)
            self.checkout.tell("config", f"branch.{new_ref}.remote", remote)
            self.checkout.tell("config", f"branch.{new_ref}.merge", f"refs/heads/{branch}")
        if self.checkout.head() != journal.new:
            raise HermesError(f"git did not bring in {short}: somebody else is changing the checkout")
        # Of a file that it cannot remove, git says so and goes on.
        if left := self.checkout.leftovers(journal.old, journal.new):
            raise HermesError(f"git could not remove {printable(left[0])}, which {short} does not have")

    def complete(self, journal: Journal, say: LineSink) -> None:
        """Give the user's changes back, and install what the new revision needs."""
        short = self.checkout.short(journal.new)
        if journal.notes.get("stash"):
            self._reset(journal.new)
            why = self._unstash(journal)
            if why is not None:
                raise HermesError(f"the local changes do not fit {short} ({why})")
        self.checkout.forget_bytecode()
        if dependencies.differ(self.checkout, journal.old, journal.new):
            if not journal.installing and (site := dependencies.keep(journal.files)) is not None:
                journal.notes["site"] = site
            journal.note(installing=True)
            if journal.notes.get("kept") and distributions.restore(*map(str, journal.notes["kept"])):
                return
            say(f"installing what {short} needs")
            installed = dependencies.install(self.checkout, self._tables)
            if installed is None:
                say("hermes was not installed with pip, pipx or uv from this checkout: install what changed yourself")
            elif not installed.ok:
                raise HermesError(f"what {short} needs cannot be installed ({installed.why})")

    def failure(self, profile: str) -> str | None:
        """Prove the package of this checkout."""
        return proof.failure(profile, self.checkout.package)

    def moved_on(self, journal: Journal) -> bool:
        """Return whether HEAD is neither of the two revisions: then somebody has worked here."""
        return self.checkout.head() not in {journal.old, journal.new}

    def is_whole(self, journal: Journal) -> bool:
        """Return whether git got to its end. The user's changes may still be missing: `complete` brings them."""
        remove_stale_locks(self.checkout)
        if self.checkout.head() != journal.new or self.checkout.branch() != journal.notes.get("new_ref"):
            return False
        with contextlib.suppress(HermesError):
            return bool(journal.notes.get("stash")) or not self.checkout.changed_files()
        return False

    def put_back(self, journal: Journal, say: LineSink) -> None:
        """Undo only what this update did.

        When the journal was begun, the tree was clean or its changes were in the stash, and nothing lay where the
        new revision adds a file.
        """
        if self.checkout.head() not in {journal.old, journal.new}:
            raise HermesError(f"{self.place} is neither at the old nor at the new revision: mend it with git")
        remove_stale_locks(self.checkout)
        if not self._is_back(journal):
            way_back.restore_attributes(self.checkout, journal.old, journal.new)
            self._keep_changes(journal, say)
            # Detached, so that no branch is moved that is not ours to move.
            self._tell("update-ref", "--no-deref", "HEAD", journal.old)
            way_back.restore(self.checkout, journal.old, journal.new)
            if (branch := journal.notes.get("old_ref")) is not None:
                self._tell("update-ref", f"refs/heads/{branch}", journal.old)
                self._tell("symbolic-ref", "HEAD", f"refs/heads/{branch}")
            if journal.notes.get("stash") and (why := self._unstash(journal)) is not None:
                raise HermesError(f"the local changes of {self.place} stay in {_stash_ref(journal)} ({why})")
        self.checkout.forget_bytecode()
        if journal.installing and not distributions.restore(str(journal.notes.get("site")), journal.files):
            say("installing what the old revision needs")
            installed = dependencies.install(self.checkout, self._tables)
            if installed is not None and not installed.ok:
                raise HermesError(f"what the old revision needs cannot be installed ({installed.why})")

    def end(self, journal: Journal) -> None:
        """Forget the stash: the user's changes are in the tree again."""
        if journal.notes.get("stash"):
            self.checkout.tell("update-ref", "-d", _stash_ref(journal))

    def _is_back(self, journal: Journal) -> bool:
        if journal.notes.get("stash") or self.checkout.branch() != journal.notes.get("old_ref"):
            return False
        with contextlib.suppress(HermesError):  # git may not even compare: a filter that only the new revision has
            return self.checkout.is_exactly(journal.old, journal.new)
        return False

    def _keep_changes(self, journal: Journal, say: LineSink) -> None:
        """Keep what a person may have changed since the update began; mostly it is what git itself has half changed."""
        kept = self.checkout.line(*_AUTHOR, "stash", "create")
        reference = f"refs/hermes/{journal.intent}"
        if kept and self.checkout.tell("update-ref", reference, kept).ok and not journal.notes.get("stash"):
            say(f"changes that were found in {self.place} are kept: git stash apply {reference}")

    def _unstash(self, journal: Journal) -> str | None:
        """Apply the user's changes. Return why that is not possible, or None."""
        done = self.checkout.tell("stash", "apply", "--quiet", str(journal.notes["stash"]))
        return None if done.ok else done.why

    def _reset(self, revision: str) -> None:
        done = self.checkout.tell("reset", "--hard", "--quiet", revision)
        if not done.ok:
            raise HermesError(f"git reset --hard {revision[:12]} failed in {self.place} ({done.why})")

    def _tell(self, *arguments: str) -> None:
        done = self.checkout.tell(*arguments)
        if not done.ok:
            raise HermesError(f"git {arguments[0]} failed in {self.place} ({done.why})")


# A stash is a commit, and a machine that only runs a gateway may have nobody's name configured.
_AUTHOR = ("-c", "user.name=hermes", "-c", "user.email=hermes@localhost")


def is_acceptable(journal: Journal) -> bool:
    """Return whether git can be run with what a journal says: commits are commits, and no branch is an option."""
    return all(
        _COMMIT.fullmatch(one) for one in (journal.old, journal.new, journal.notes.get("stash") or journal.old)
    ) and not any(str(journal.notes.get(name) or "").startswith("-") for name in ("old_ref", "new_ref"))


def _stash_ref(journal: Journal) -> str:
    return f"refs/hermes/stash-{journal.intent}"


def remove_stale_locks(checkout: Checkout) -> None:
    """Remove the lock files of a git that was killed. Raises HermesError if a living git may own them.

    The updater's own git children share the update lock, and we have it: they have ended. So a lock file belongs to a
    git command that somebody else runs in this checkout, or to none.
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
    """Return the git processes that work below `root`; a git commit whose editor is open is one of them."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("git") and os.path.join(process.cwd(), "").startswith(os.path.join(root, "")):
                found.append(Identity.of(process.pid))
    return [identity for identity in found if identity is not None]
