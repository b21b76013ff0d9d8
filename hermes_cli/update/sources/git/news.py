"""What an update would bring to a checkout, and every reason why the checkout cannot be moved."""

import os
import re
import shlex
from dataclasses import dataclass, replace

from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.system.command import printable
from hermes_cli.update.candidate import Candidate, LineSink, Selection
from hermes_cli.update.sources.git.checkout import Checkout
from hermes_cli.update.sources.git.remote import default_branch, fetch, fetch_ref, remembered

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
    """A commit to go to. `branch`: the local branch that is to be checked out then, None for a detached HEAD.

    `remote` and `remembered` are of the branch: where it comes from, and where it was at earlier fetches.
    """

    commit: str
    branch: str | None
    remote: str = ""
    remembered: tuple[str, ...] = ()
    follows: tuple[str, str] | None = None  # the remote, and its branch, that a new local branch is to follow


def fetch_candidate(checkout: Checkout, selection: Selection, say: LineSink) -> Candidate:
    """Fetch, and compare HEAD with the selection. Raises HermesError with the reason why that is not possible."""
    head, branch = _here(checkout)
    if selection.to is not None:
        target = _named(checkout, _remote_of(checkout, branch), selection.to, say)
    elif branch is None:
        target = _newest_tag(checkout, head, say, pre=selection.pre)
    else:
        target = _upstream(checkout, branch, say)
    return _compare(checkout, head, branch, target, selection)


def way_back(checkout: Checkout, old: str, ref: object) -> Candidate:
    """Return the way to the commit and the branch `ref` that an update began at, without asking a remote.

    A branch that somebody has moved since stays where it is, and HEAD is detached. Raises HermesError.
    """
    head, branch = _here(checkout)
    if checkout.commit(old) is None:
        raise HermesError(f"{checkout.root} no longer has {old[:12]}: hermes update --to REF")
    candidate = _compare(checkout, head, branch, _Target(old, None), Selection())
    is_ours = ref is not None and (ref == branch or checkout.commit(f"refs/heads/{ref}") == old)
    return replace(candidate, notes={"old_ref": branch, "new_ref": ref if is_ours else None})


def refuse_local_changes(checkout: Checkout, candidate: Candidate, *, stash: bool) -> None:
    """Raise HermesError if the candidate would touch what is not the update's own."""
    changed = checkout.changed_files()
    if changed and not stash:
        names = _some([line[3:] for line in changed])
        if checkout.only_modes_differ():
            raise HermesError(
                f"{checkout.root} has the permissions of {len(changed)} file(s) changed ({names}) and nothing else: "
                f"git -C {shlex.quote(checkout.root)} config core.fileMode false"
            )
        raise HermesError(
            f"{checkout.root} has local changes ({names}): commit them, or take them along with hermes update --stash"
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
    return head, checkout.branch()


def _upstream(checkout: Checkout, branch: str, say: LineSink) -> _Target:
    remote = checkout.line("config", "--get", f"branch.{branch}.remote")
    tracked = checkout.line("config", "--get", f"branch.{branch}.merge")
    if not remote or not tracked:
        raise HermesError(
            f"branch {branch} of {checkout.root} follows no upstream branch: "
            "git branch --set-upstream-to=REMOTE/BRANCH, or hermes update --to BRANCH"
        )
    name = tracked.removeprefix("refs/heads/")
    before = remembered(checkout, remote, name)
    say(f"fetching {remote}")
    upstream = fetch_ref(checkout, remote, tracked)
    if upstream is None:
        default = default_branch(checkout, remote)
        now = f", its default branch is now {default}" if default else ""
        raise HermesError(f"{remote} no longer has {name}{now}: hermes update --to {default or 'BRANCH'}")
    return _Target(upstream, branch, remote, before)


def _newest_tag(checkout: Checkout, head: str, say: LineSink, *, pre: bool) -> _Target:
    """Return the newest release whose tag has the same form as the one that is checked out. Raises HermesError."""
    here = [tag for tag in checkout.lines("tag", "--points-at", head) if _RELEASE.fullmatch(tag)]
    if not here:
        default = checkout.line("symbolic-ref", "--quiet", f"refs/remotes/{_remote_of(checkout, None)}/HEAD") or ""
        branch = default.split("/", 3)[-1] or "BRANCH"
        raise HermesError(
            f"{checkout.root} is on no branch (detached HEAD) and on no release's tag: "
            f"hermes update --to {branch}, or --to TAG"
        )
    remote = _remote_of(checkout, None)
    say(f"fetching {remote}")
    fetch(checkout, remote, "--tags", "--force")
    current = max(here, key=_version)
    prefix = _form(current)
    tags = [tag for tag in checkout.lines("tag", "--list") if _form(tag) == prefix and (pre or not _suffix(tag))]
    newest = max([*tags, current], key=_version)
    return _Target(checkout.commit(f"refs/tags/{newest}") or head, None)


def _named(checkout: Checkout, remote: str, name: str, say: LineSink) -> _Target:
    """Return the branch of the remote, else the tag, else the commit of this name. Raises HermesError.

    `origin/main` is the branch main of origin: checked out as a commit it would be followed by no later update.
    """
    if not name.startswith("-"):
        for place, branch in _places(checkout, remote, name):
            before = remembered(checkout, place, branch)
            say(f"fetching {place}")
            upstream = fetch_ref(checkout, place, f"refs/heads/{branch}", "--tags", "--force")
            if upstream is not None:
                return _Target(upstream, branch, place, before, (place, branch))
        fetch(checkout, remote, "--tags", "--force")
        for reference in (f"refs/tags/{name}", name):
            found = checkout.commit(reference)
            if found is not None:
                return _Target(found, None)
    hint = "; it is a shallow clone: git fetch --unshallow" if _is_shallow(checkout) else ""
    raise HermesError(f"{printable(name)} is no branch, tag or commit of {remote}{hint}")


def _places(checkout: Checkout, remote: str, name: str) -> list[tuple[str, str]]:
    """Return the remotes and branches that a name may mean, the likeliest first."""
    short = name.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    others = [(one, short.removeprefix(f"{one}/")) for one in checkout.lines("remote") if short.startswith(f"{one}/")]
    return [*others, (remote, short)]


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


def _compare(checkout: Checkout, head: str, branch: str | None, target: _Target, selection: Selection) -> Candidate:
    behind, ahead = checkout.count(f"{head}..{target.commit}"), checkout.count(f"{target.commit}..{head}")
    if behind is None or ahead is None:
        raise CannotTellError(f"git cannot compare {checkout.root} with its upstream branch: git fsck there")
    new, rewritten = target.commit, False
    if target.branch is not None:
        own = head if target.branch == branch else checkout.commit(f"refs/heads/{target.branch}")
        rewritten = own is not None and _is_rewritten(checkout, own, target, selection)
        if own is not None and not rewritten and checkout.count(f"{target.commit}..{own}"):
            new = _beside_own_commits(checkout, own, target)
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
        notes={"old_ref": branch, "new_ref": target.branch, "follows": target.follows, "rewritten": rewritten},
    )


def _is_rewritten(checkout: Checkout, own: str, target: _Target, selection: Selection) -> bool:
    """Return whether the local branch is to be left for a history that was rewritten upstream.

    It may be left if the remote once had all of its commits. Raises HermesError if nobody has asked for that.
    """
    gone = checkout.count(f"{target.commit}..{own}")
    if (
        not gone
        or checkout.count("--ignore-missing", own, *(f"^{one}" for one in (target.commit, *target.remembered))) != 0
    ):
        return False
    if selection.rewritten:
        return True
    new = checkout.count(f"{own}..{target.commit}")
    to = f" --to {target.branch}" if target.follows else ""
    raise HermesError(
        f"{target.remote} has rewritten the history of {target.branch}: {gone} commit(s) that are here are gone there, "
        f"{new} are new, none is your own: hermes update{to} --rewritten takes it"
    )


def _beside_own_commits(checkout: Checkout, own: str, target: _Target) -> str:
    """Return where a branch with commits of its own stays, if nothing is new upstream. Raises HermesError."""
    ahead, behind = checkout.count(f"{target.commit}..{own}"), checkout.count(f"{own}..{target.commit}")
    if target.follows is not None:
        raise HermesError(
            f"branch {target.branch} of {checkout.root} has {ahead} commit(s) of its own: "
            "git push, rebase or reset it and repeat"
        )
    if not behind:
        return own
    if checkout.line("merge-base", own, target.commit) is None and _is_shallow(checkout):
        raise HermesError(f"{checkout.root} is a shallow clone and lacks the commits in between: git fetch --unshallow")
    raise HermesError(
        f"{checkout.root} has diverged: {ahead} commit(s) of its own, {behind} new upstream: "
        "git rebase or git reset it and repeat"
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
