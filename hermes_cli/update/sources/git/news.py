"""What an update would bring to a checkout, and every reason why the checkout cannot be moved."""

import os
import re
from dataclasses import dataclass, replace

from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.system.command import printable
from hermes_cli.update.candidate import Candidate, LineSink, Selection
from hermes_cli.update.sources.git.checkout import Checkout

_SHOWN = 10
_UNFINISHED = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
_RELEASE = re.compile(r"(\D*)(\d+(?:\.\d+)*)(.*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Target:
    """A commit to go to. `branch`: the local branch that is to be checked out then, None for a detached HEAD."""

    commit: str
    branch: str | None
    follows: str | None = None  # the remote branch that a new local one is to follow


def fetch_candidate(checkout: Checkout, selection: Selection, say: LineSink) -> Candidate:
    """Fetch, and compare HEAD with the selection. Raises HermesError with the reason why that is not possible."""
    head, branch = _here(checkout)
    if selection.to is not None:
        remote = _remote_of(checkout, branch)
        say(f"fetching {remote}")
        _fetch(checkout, remote, "--tags", "--force")
        target = _named(checkout, remote, selection.to)
    elif branch is None:
        target = _newest_tag(checkout, head, say, pre=selection.pre)
    else:
        target = _upstream(checkout, branch, say)
    return _compare(checkout, head, branch, target)


def way_back(checkout: Checkout, old: str, ref: object) -> Candidate:
    """Return the way to the commit and the branch `ref` that an update began at, without asking a remote.

    A branch that somebody has moved since stays where it is, and HEAD is detached. Raises HermesError.
    """
    head, branch = _here(checkout)
    if checkout.commit(old) is None:
        raise HermesError(f"{checkout.root} no longer has {old[:12]}: hermes update --to REF")
    candidate = _compare(checkout, head, branch, _Target(old, None))
    is_ours = ref is not None and (ref == branch or checkout.commit(f"refs/heads/{ref}") == old)
    return replace(candidate, notes={"old_ref": branch, "new_ref": ref if is_ours else None})


def refuse_local_changes(checkout: Checkout, candidate: Candidate, *, stash: bool) -> None:
    """Raise HermesError if the candidate would touch what is not the update's own."""
    changed = checkout.changed_files()
    if changed and not stash:
        raise HermesError(
            f"{checkout.root} has local changes ({_some([line[3:] for line in changed])}): "
            "commit them, or take them along with hermes update --stash"
        )
    blocking = checkout.in_the_way(candidate.old, candidate.new)
    if blocking:
        raise HermesError(
            f"{candidate.new_shown} adds what is there already, untracked ({_some(blocking)}): move it away and repeat"
        )


def _here(checkout: Checkout) -> tuple[str, str | None]:
    """Return the commit and the branch that are checked out. Raises HermesError if git is in the middle of something."""
    head = checkout.head()
    if head is None:
        raise HermesError(f"{checkout.root} has no commits: clone hermes anew")
    for name, what in _UNFINISHED.items():
        if os.path.lexists(os.path.join(checkout.directory, name)):
            raise HermesError(f"a git {what} is unfinished in {checkout.root}: finish or abort it and repeat")
    return head, checkout.line("symbolic-ref", "--quiet", "--short", "HEAD")


def _upstream(checkout: Checkout, branch: str, say: LineSink) -> _Target:
    remote = checkout.line("config", "--get", f"branch.{branch}.remote")
    tracked = checkout.line("config", "--get", f"branch.{branch}.merge")
    if not remote or not tracked:
        raise HermesError(
            f"branch {branch} of {checkout.root} follows no upstream branch: "
            "git branch --set-upstream-to=REMOTE/BRANCH, or hermes update --to BRANCH"
        )
    say(f"fetching {remote}")
    _fetch(checkout, remote)
    upstream = checkout.commit("@{upstream}")
    if upstream is None:
        raise HermesError(f"{remote} no longer has {tracked.removeprefix('refs/heads/')}: set another upstream branch")
    return _Target(upstream, branch)


def _newest_tag(checkout: Checkout, head: str, say: LineSink, *, pre: bool) -> _Target:
    """Return the newest release whose tag has the same form as the one that is checked out. Raises HermesError."""
    here = [tag for tag in checkout.lines("tag", "--points-at", head) if _RELEASE.fullmatch(tag)]
    if not here:
        raise HermesError(
            f"{checkout.root} is on no branch (detached HEAD) and on no release's tag: hermes update --to BRANCH or TAG"
        )
    remote = _remote_of(checkout, None)
    say(f"fetching {remote}")
    _fetch(checkout, remote, "--tags", "--force")
    current = max(here, key=_version)
    prefix = _form(current)
    tags = [tag for tag in checkout.lines("tag", "--list") if _form(tag) == prefix and (pre or not _suffix(tag))]
    newest = max([*tags, current], key=_version)
    return _Target(checkout.commit(f"refs/tags/{newest}") or head, None)


def _named(checkout: Checkout, remote: str, name: str) -> _Target:
    """Return the branch of the remote, else the tag, else the commit of this name. Raises HermesError."""
    if not name.startswith("-"):
        upstream = checkout.commit(f"refs/remotes/{remote}/{name}")
        if upstream is not None:
            own = checkout.commit(f"refs/heads/{name}")
            if own is not None and (ahead := checkout.count(f"{upstream}..{own}")):
                raise HermesError(
                    f"branch {name} of {checkout.root} has {ahead} commit(s) of its own: "
                    "git push, rebase or reset it and repeat"
                )
            return _Target(upstream, name, f"{remote}/{name}")
        for reference in (f"refs/tags/{name}", name):
            found = checkout.commit(reference)
            if found is not None:
                return _Target(found, None)
    hint = "; it is a shallow clone: git fetch --unshallow" if _is_shallow(checkout) else ""
    raise HermesError(f"{printable(name)} is no branch, tag or commit of {remote}{hint}")


def _remote_of(checkout: Checkout, branch: str | None) -> str:
    configured = checkout.line("config", "--get", f"branch.{branch}.remote") if branch else None
    remotes = checkout.lines("remote")
    if configured:
        return configured
    if "origin" in remotes or len(remotes) == 1:
        return "origin" if "origin" in remotes else remotes[0]
    raise HermesError(
        f"{checkout.root} has {len(remotes) or 'no'} remotes and none is origin: git remote add origin URL"
    )


def _form(tag: str) -> str | None:
    found = _RELEASE.fullmatch(tag)
    return found[1] if found else None


def _suffix(tag: str) -> str:
    found = _RELEASE.fullmatch(tag)
    return found[3] if found else tag


def _version(tag: str) -> tuple[tuple[int, ...], bool, str]:
    """Return what to sort releases by; one with a suffix (rc1, -beta) comes before the one without."""
    found = _RELEASE.fullmatch(tag)
    if found is None:
        return (), False, tag
    return tuple(int(part) for part in found[2].split(".")), not found[3], found[3]


def _fetch(checkout: Checkout, remote: str, *options: str) -> None:
    fetched = checkout.fetch(*options, remote)
    if fetched.ok:
        return
    place = printable(checkout.line("config", "--get", f"remote.{remote}.url") or "no address")
    raise HermesError(
        f"{remote} ({place}) cannot be fetched from ({fetched.why}): nothing was changed; are you offline?"
    )


def _compare(checkout: Checkout, head: str, branch: str | None, target: _Target) -> Candidate:
    behind, ahead = checkout.count(f"{head}..{target.commit}"), checkout.count(f"{target.commit}..{head}")
    if behind is None or ahead is None:
        raise CannotTellError(f"git cannot compare {checkout.root} with its upstream branch: git fsck there")
    new = target.commit
    same_branch = branch is not None and target.branch == branch
    if same_branch and ahead and not behind:  # commits of its own, and nothing new
        new = head
    elif same_branch and ahead:
        if checkout.line("merge-base", head, new) is None and _is_shallow(checkout):
            raise HermesError(
                f"{checkout.root} is a shallow clone and lacks the commits in between: git fetch --unshallow"
            )
        raise HermesError(
            f"{checkout.root} has diverged: {ahead} commit(s) of its own, {behind} new upstream: "
            "git rebase or git reset it and repeat"
        )
    old_shown, new_shown = checkout.short(head), checkout.short(new)
    subjects = checkout.lines(
        "log", "--no-show-signature", "--no-decorate", "--format=%h %s", f"-{_SHOWN}", f"{head}..{new}"
    )
    return Candidate(
        old=head,
        new=new,
        old_shown=old_shown,
        new_shown=new_shown,
        is_new=new != head,
        headline=f"{old_shown} → {new_shown}, {_distance(behind if new != head else 0, ahead)}",
        details=tuple(printable(line) for line in subjects),
        notes={"old_ref": branch, "new_ref": target.branch, "follows": target.follows},
    )


def _distance(behind: int, ahead: int) -> str:
    words = [f"{behind} commit{'' if behind == 1 else 's'}"] if behind or not ahead else []
    if ahead:
        words.append(f"{ahead} commit{'' if ahead == 1 else 's'} back")
    return " and ".join(words)


def _is_shallow(checkout: Checkout) -> bool:
    return checkout.line("rev-parse", "--is-shallow-repository") == "true"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(printable(name) for name in names[:_SHOWN]) + more
