"""What an update would bring, and every reason why this checkout cannot be moved forward."""

import os
from dataclasses import dataclass

from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.update.change import Say
from hermes_cli.update.command import printable
from hermes_cli.update.git import Checkout

FETCH_TIMEOUT = 300.0
_SHOWN = 10
_UNFINISHED = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


@dataclass(frozen=True, slots=True)
class News:
    """Full commit ids, their short forms, and how many commits lie between; none: there is nothing new."""

    old: str
    new: str
    old_short: str
    new_short: str
    count: int
    subjects: tuple[str, ...]  # the newest first, ten at most

    @property
    def headline(self) -> str:
        """One line."""
        return f"{self.old_short} → {self.new_short}, {self.count} commit{'' if self.count == 1 else 's'}"


def fetch_news(checkout: Checkout, say: Say) -> News:
    """Fetch, and compare with the upstream branch. Raises HermesError with the reason why it cannot be told."""
    root = checkout.root
    head = checkout.head()
    if head is None:
        raise HermesError(f"{root} has no commits: clone hermes anew")
    for name, what in _UNFINISHED.items():
        if os.path.lexists(os.path.join(checkout.directory, name)):
            raise HermesError(f"a git {what} is unfinished in {root}: finish or abort it and repeat")
    branch = checkout.line("symbolic-ref", "--quiet", "--short", "HEAD")
    if branch is None:
        raise HermesError(f"{root} is on no branch (detached HEAD): git -C {root} switch BRANCH and repeat")
    remote = checkout.line("config", "--get", f"branch.{branch}.remote")
    tracked = checkout.line("config", "--get", f"branch.{branch}.merge")
    if not remote or not tracked:
        raise HermesError(
            f"branch {branch} of {root} follows no upstream branch: git branch --set-upstream-to=REMOTE/BRANCH"
        )
    say(f"fetching {remote}")
    _fetch(checkout, remote)
    upstream = checkout.line("rev-parse", "--verify", "--quiet", "@{upstream}^{commit}")
    if upstream is None:
        raise HermesError(f"{remote} no longer has {tracked.removeprefix('refs/heads/')}: set another upstream branch")
    return _compare(checkout, head, upstream)


def refuse_local_changes(checkout: Checkout, news: News) -> None:
    """Raise HermesError when bringing the news in would touch what is not the update's own."""
    changed = checkout.changed_files()
    if changed:
        raise HermesError(
            f"{checkout.root} has local changes ({_some([line[3:] for line in changed])}): "
            "git stash or commit them and repeat"
        )
    blocking = checkout.in_the_way(news.old, news.new)
    if blocking:
        raise HermesError(
            f"{news.new_short} adds what is there already, untracked ({_some(blocking)}): move it away and repeat"
        )


def _fetch(checkout: Checkout, remote: str) -> None:
    fetched = checkout.tell("fetch", "--quiet", remote, timeout=FETCH_TIMEOUT)
    if fetched.ok:
        return
    place = printable(checkout.line("config", "--get", f"remote.{remote}.url") or "no address")
    raise HermesError(
        f"{remote} ({place}) cannot be fetched from ({fetched.why}): nothing was changed; are you offline?"
    )


def _compare(checkout: Checkout, head: str, upstream: str) -> News:
    behind, ahead = checkout.count(f"{head}..{upstream}"), checkout.count(f"{upstream}..{head}")
    if behind is None or ahead is None:
        raise CannotTellError(f"git cannot compare {checkout.root} with its upstream branch: git fsck there")
    old_short = checkout.short(head)
    new_short = checkout.short(upstream)
    if behind and ahead:
        if checkout.line("merge-base", head, upstream) is None and _is_shallow(checkout):
            raise HermesError(
                f"{checkout.root} is a shallow clone and lacks the commits in between: git fetch --unshallow"
            )
        raise HermesError(
            f"{checkout.root} has diverged: {ahead} commit(s) of its own, {behind} new upstream: "
            "git rebase or git reset it and repeat"
        )
    subjects = checkout.ask(
        "log", "--no-show-signature", "--no-decorate", "--format=%h %s", f"-{_SHOWN}", f"{head}..{upstream}"
    )
    return News(
        old=head,
        new=upstream if behind else head,
        old_short=old_short,
        new_short=new_short if behind else old_short,
        count=behind,
        subjects=tuple(printable(line) for line in subjects.out.splitlines()),
    )


def _is_shallow(checkout: Checkout) -> bool:
    return checkout.line("rev-parse", "--is-shallow-repository") == "true"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(printable(name) for name in names[:_SHOWN]) + more
