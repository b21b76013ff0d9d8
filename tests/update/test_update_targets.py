"""Where an update goes: a branch, a tag, a commit, forwards or back; and the user's own changes, which come along."""

import os
import signal
from collections.abc import Callable

import pytest
from checkouts import Source, git
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import Installation

from hermes_cli.intents.instance import Instance
from hermes_cli.update import proof
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources.git.source import WorkTree

pytestmark = pytest.mark.e2e
BROKEN = {"hermes_cli/gateway/run.py": "raise RuntimeError('boom')\n"}


def updated(hermes: Installation, *options: str) -> str:
    """What an update says that must succeed."""
    done = hermes.run("update", *options)
    assert done.returncode == (100 if "--check" in options else 0), done.stderr
    return done.stdout


def tagged(source: Source, *tags: str) -> str:
    """A new commit with these tags."""
    commit = source.publish({"version.txt": tags[0]}, tags[0])
    for tag in tags:
        git(source.author, "tag", tag)
    git(source.author, "push", "--quiet", "--tags", "origin")
    return commit


def branch(source: Source) -> str:
    """The branch that is checked out, or nothing."""
    return git(source.clone, "branch", "--show-current")


def test_a_branch_of_the_remote_is_checked_out_and_followed(hermes: Installation, source: Source) -> None:
    git(source.author, "switch", "--quiet", "--create", "next")
    new = source.publish({"new.txt": "1"})
    updated(hermes, "--to", "next")
    assert source.is_exactly(new)
    assert branch(source) == "next"
    newer = source.publish({"new.txt": "2"})
    updated(hermes)
    assert source.is_exactly(newer)


def test_a_tag_is_checked_out_detached_and_the_next_update_goes_to_the_newest_release(
    hermes: Installation, source: Source
) -> None:
    first = tagged(source, "v1.9")
    updated(hermes, "--to", "v1.9")
    assert source.is_exactly(first)
    assert branch(source) == ""
    second = tagged(source, "v1.10", "nightly-3")
    tagged(source, "v1.11rc1")
    assert "1 commit" in updated(hermes)
    assert source.is_exactly(second)
    assert "already up to date" in updated(hermes)


def test_pre_releases_are_taken_on_request(hermes: Installation, source: Source) -> None:
    tagged(source, "v1.0")
    updated(hermes, "--to", "v1.0")
    new = tagged(source, "v1.1rc1")
    updated(hermes, "--pre")
    assert source.is_exactly(new)


def test_a_commit_that_lies_behind_is_gone_back_to(hermes: Installation, source: Source) -> None:
    old = source.head()
    source.publish({"new.txt": "1"})
    updated(hermes)
    assert "1 commit back" in updated(hermes, "--to", old)
    assert source.is_exactly(old)


def test_check_with_a_target_changes_nothing(hermes: Installation, source: Source) -> None:
    old = source.head()
    tagged(source, "v1")
    assert "v1" in updated(hermes, "--check", "--to", "v1")
    assert source.is_exactly(old)


@pytest.mark.parametrize("name", ["nowhere", "--help", "HEAD~99"])
def test_a_target_that_is_nothing_is_named(hermes: Installation, source: Source, name: str) -> None:
    done = hermes.run("update", f"--to={name}")
    assert done.returncode == 1
    assert f"{name} is no branch, tag or commit of origin" in done.stderr


def test_a_branch_with_commits_of_its_own_is_refused(hermes: Installation, source: Source) -> None:
    source.publish({"new.txt": "1"})
    git(source.author, "push", "--quiet", "origin", "HEAD:next")
    git(source.clone, "branch", "--quiet", "next")
    git(source.clone, "switch", "--quiet", "next")
    git(source.clone, "commit", "--quiet", "--allow-empty", "-m", "Mine")
    done = hermes.run("update", "--to", "next")
    assert "branch next" in done.stderr
    assert "has 1 commit(s) of its own" in done.stderr


def test_a_shallow_clone_is_moved_forward(hermes: Installation, source: Source) -> None:
    source.publish({"new.txt": "1"})
    git(source.clone, "pull", "--quiet")
    os.rename(source.clone, source.clone.with_name("deep"))
    git(source.clone.parent, "clone", "--quiet", "--depth=1", source.remote.as_uri(), str(source.clone))
    new = source.publish({"new.txt": "2"})
    updated(hermes)
    assert source.head() == new


@pytest.mark.parametrize("target", ["v1", "next"])
def test_another_branch_or_tag_that_does_not_start_ends_where_it_began(
    hermes: Installation, source: Source, target: str
) -> None:
    old = source.head()
    source.publish(BROKEN)
    git(source.author, "tag", "v1")
    git(source.author, "push", "--quiet", "origin", "v1", "HEAD:next")
    git(source.author, "reset", "--quiet", "--hard", old)
    done = hermes.run("update", "--to", target)
    assert "RuntimeError: boom" in done.stderr
    assert source.is_exactly(old)
    assert branch(source) == "main"


def test_stashed_changes_come_along(hermes: Installation, source: Source) -> None:
    new = source.publish({"new.txt": "1"})
    (source.clone / "README.md").write_text("mine")
    git(source.clone, "add", "README.md")
    updated(hermes, "--stash")
    assert source.head() == new
    assert (source.clone / "README.md").read_text() == "mine"
    assert not git(source.clone, "for-each-ref", "refs/hermes")
    assert not git(source.clone, "stash", "list")


def test_stashed_changes_that_do_not_fit_bring_everything_back(hermes: Installation, source: Source) -> None:
    old = source.head()
    source.publish({"README.md": "theirs"})
    (source.clone / "README.md").write_text("mine")
    done = hermes.run("update", "--stash")
    assert done.returncode == 1
    assert "the local changes do not fit" in done.stderr
    assert (source.head(), (source.clone / "README.md").read_text()) == (old, "mine")


@pytest.mark.parametrize(
    "step",
    [
        on_return(Journal.write),
        on_call(WorkTree._reset),
        on_return(WorkTree._reset),
        on_call(WorkTree._unstash),
        on_return(WorkTree._unstash),
        on_call(proof.failure),
    ],
)
def test_stashed_changes_are_there_after_any_interruption(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str], step: Place
) -> None:
    old, new = source.head(), source.publish({"new.txt": "1"})
    (source.clone / "README.md").write_text("mine")
    done = hermes.run("update", "--stash", fault=fault("kill", step, program="hermes_cli update"))
    assert done.returncode == -signal.SIGKILL
    recover()
    assert source.head() in {old, new}
    assert (source.clone / "README.md").read_text() == "mine"
    assert git(source.clone, "status", "--porcelain") == "M README.md"


def test_an_update_of_a_worktree_is_one_of_that_worktree(hermes: Installation, source: Source) -> None:
    os.rename(source.clone, source.clone.with_name("main"))
    main = source.clone.with_name("main")
    git(main, "worktree", "add", "--quiet", "--track", "-b", "running", str(source.clone), "origin/main")
    new = source.publish({"new.txt": "1"})
    updated(hermes)
    assert source.head() == new
