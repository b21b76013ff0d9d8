"""What upstream does to the branch that is followed: renamed, deleted, rewritten; and what only looks like a change here."""

import shlex
import subprocess
from pathlib import Path

import pytest
from checkouts import Source, git
from support import PATIENCE
from support.machines.installation import Installation

pytestmark = pytest.mark.e2e
SHORT = "rewritten the history of"


def refused(hermes: Installation, *options: str) -> str:
    """The one line on stderr of an update that changes nothing."""
    done = hermes.run("update", *options)
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def updated(hermes: Installation, *options: str) -> str:
    """What an update says that must succeed."""
    done = hermes.run("update", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rename(source: Source, new: str) -> None:
    """What a project does that renames its default branch."""
    git(source.remote, "branch", "--move", "main", new)
    git(source.remote, "symbolic-ref", "HEAD", f"refs/heads/{new}")
    git(source.author, "fetch", "--quiet", "--prune")
    git(source.author, "branch", "--quiet", "--move", "main", new)


def rewrite(source: Source, onto: str, name: str = "new.txt") -> str:
    """Replace everything after `onto` by another commit; its full id."""
    git(source.author, "reset", "--quiet", "--hard", onto)
    (source.author / name).write_text("rewritten")
    git(source.author, "add", "--all")
    git(source.author, "commit", "--quiet", "-m", "Rewritten")
    git(source.author, "push", "--quiet", "--force", "origin", "HEAD")
    return git(source.author, "rev-parse", "HEAD")


def paste(hermes: Installation, said: str) -> str:
    """Run the command that a line ends with."""
    command = said.strip().rpartition(": hermes update ")[2].removesuffix(" takes it")
    return updated(hermes, *shlex.split(command))


@pytest.mark.parametrize("new", ["trunk", "main/next"])
def test_a_renamed_branch_is_said_and_the_command_that_is_named_follows_the_new_one(
    hermes: Installation, source: Source, new: str
) -> None:
    rename(source, new)
    commit = source.publish({"new.txt": "1"})
    said = refused(hermes)
    assert f"origin no longer has main, its default branch is now {new}: hermes update --to {new}" in said
    if "/" in new:  # git itself cannot have both branches here
        git(source.clone, "checkout", "--quiet", "--detach")
        git(source.clone, "branch", "--quiet", "--delete", "--force", "main")
    paste(hermes, said)
    assert source.is_exactly(commit)
    newer = source.publish({"new.txt": "2"})
    updated(hermes)
    assert source.is_exactly(newer)


def test_a_branch_that_was_fetched_once_and_is_gone_is_no_target(hermes: Installation, source: Source) -> None:
    git(source.author, "push", "--quiet", "origin", "HEAD:next")
    git(source.clone, "fetch", "--quiet")
    git(source.author, "push", "--quiet", "origin", ":next")
    assert "next is no branch, tag or commit of origin" in refused(hermes, "--to", "next")


def test_a_clone_of_one_branch_finds_another_one(hermes: Installation, source: Source) -> None:
    git(source.clone, "config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main")
    git(source.author, "switch", "--quiet", "--create", "next")
    new = source.publish({"new.txt": "1"})
    updated(hermes, "--to", "next")
    assert source.is_exactly(new)
    newer = source.publish({"new.txt": "2"})
    updated(hermes)
    assert source.is_exactly(newer)


@pytest.mark.parametrize("fetched", [False, True], ids=["", "that somebody has fetched already"])
def test_a_history_that_was_rewritten_is_said_and_taken_on_request(
    hermes: Installation, source: Source, fetched: bool
) -> None:
    first = source.head()
    source.publish({"new.txt": "1"})
    updated(hermes)
    new = rewrite(source, first)
    if fetched:
        git(source.clone, "fetch", "--quiet")
    said = refused(hermes)
    assert "origin has rewritten the history of main: 1 commit(s) that are here are gone there, 1 are new" in said
    paste(hermes, said)
    assert source.is_exactly(new)
    assert git(source.clone, "branch", "--show-current") == "main"
    assert "already up to date" in updated(hermes)


def test_a_history_that_was_rewritten_before_the_first_fetch_is_recognised(
    hermes: Installation, source: Source
) -> None:
    git(source.clone, "config", "core.logAllRefUpdates", "false")
    git(source.author, "commit", "--quiet", "--amend", "-m", "First, again")
    git(source.author, "push", "--quiet", "--force", "origin", "HEAD")
    assert SHORT in refused(hermes)


def test_a_commit_that_was_taken_away_upstream_is_not_up_to_date(hermes: Installation, source: Source) -> None:
    first = source.head()
    source.publish({"new.txt": "1"})
    updated(hermes)
    git(source.author, "push", "--quiet", "--force", "origin", f"{first}:main")
    said = refused(hermes)
    assert "1 commit(s) that are here are gone there, 0 are new" in said
    paste(hermes, said)
    assert source.is_exactly(first)


def test_a_commit_of_ones_own_is_never_given_up(hermes: Installation, source: Source) -> None:
    first = source.head()
    source.publish({"new.txt": "1"})
    updated(hermes)
    git(source.clone, "commit", "--quiet", "--allow-empty", "-m", "Mine")
    mine = source.head()
    rewrite(source, first)
    assert "has diverged: 2 commit(s) of its own, 1 new upstream" in refused(hermes, "--rewritten")
    assert source.head() == mine


@pytest.mark.parametrize("name", ["origin/main", "refs/heads/main", "refs/remotes/origin/main"])
def test_a_remote_branch_by_its_whole_name_is_followed(hermes: Installation, source: Source, name: str) -> None:
    source.publish({"new.txt": "1"})
    updated(hermes, "--to", name)
    newer = source.publish({"new.txt": "2"})
    updated(hermes)
    assert source.is_exactly(newer)
    assert git(source.clone, "branch", "--show-current") == "main"


def test_a_detached_head_finds_its_way_back_to_a_branch_that_was_rewritten(
    hermes: Installation, source: Source
) -> None:
    first = source.head()
    source.publish({"new.txt": "1"})
    updated(hermes)
    git(source.clone, "checkout", "--quiet", "--detach")
    new = rewrite(source, first)
    said = refused(hermes)
    assert ": hermes update --to main, or --to TAG" in said
    said = refused(hermes, "--to", "main")
    assert said.strip().endswith("hermes update --to main --rewritten takes it")
    paste(hermes, said)
    assert source.is_exactly(new)
    assert git(source.clone, "branch", "--show-current") == "main"


def test_a_rewritten_history_is_rolled_back(hermes: Installation, source: Source) -> None:
    first = source.head()
    old = source.publish({"new.txt": "1"})
    updated(hermes)
    rewrite(source, first)
    updated(hermes, "--rewritten")
    updated(hermes, "--rollback")
    assert source.is_exactly(old)
    assert git(source.clone, "branch", "--show-current") == "main"


def test_a_rewritten_history_that_does_not_start_ends_where_it_began(hermes: Installation, source: Source) -> None:
    first = source.head()
    old = source.publish({"new.txt": "1"})
    updated(hermes)
    git(source.author, "reset", "--quiet", "--hard", first)
    (source.author / "hermes_cli/gateway/run.py").write_text("raise RuntimeError('boom')\n")
    git(source.author, "commit", "--quiet", "-a", "-m", "Broken")
    git(source.author, "push", "--quiet", "--force", "origin", "HEAD")
    assert "RuntimeError: boom" in refused(hermes, "--rewritten")
    assert source.is_exactly(old)
    assert git(source.clone, "branch", "--show-current") == "main"


@pytest.mark.parametrize("kind", ["tag", "branch"])
def test_something_else_that_is_called_like_the_branch_changes_nothing(
    hermes: Installation, source: Source, kind: str
) -> None:
    git(source.clone, *{"tag": ("tag", "main"), "branch": ("branch", "origin/main")}[kind])
    new = source.publish({"new.txt": "1"})
    updated(hermes)
    assert source.is_exactly(new)
    updated(hermes, "--rollback")
    assert git(source.clone, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_changed_permissions_are_called_that_and_the_command_that_is_named_lets_the_update_pass(
    hermes: Installation, source: Source
) -> None:
    new = source.publish({"README.md": "1"})
    (source.clone / "README.md").chmod(0o755)
    said = refused(hermes)
    assert "has the permissions of 1 file(s) changed (README.md) and nothing else" in said
    command = said.strip().partition("nothing else: ")[2]
    subprocess.run(command, shell=True, timeout=PATIENCE, check=True)
    updated(hermes)
    assert source.is_exactly(new)


def test_permissions_beside_a_change_are_local_changes(hermes: Installation, source: Source) -> None:
    source.publish({"new.txt": "1"})
    (source.clone / "LICENSE").chmod(0o755)
    (source.clone / "README.md").write_text("mine")
    assert "has local changes (LICENSE, README.md)" in refused(hermes)


SSH = """#!/bin/sh
echo 'ssh: connect to host example.org port 22: Connection refused' >&2
exit 255
"""


def test_why_a_fetch_failed_is_said_and_all_of_it_is_kept(hermes: Installation, source: Source, tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    git(source.clone, "remote", "set-url", "origin", "ssh://git@example.org/hermes.git")
    git(source.clone, "config", "ssh.variant", "ssh")
    done = hermes.run("update", GIT_SSH=str(tmp_path / "ssh"))
    assert "cannot be fetched from (ssh: connect to host example.org port 22: Connection refused)" in done.stderr
    log = Path(hermes.paths.logs) / "update.log"
    assert done.stderr.strip().endswith(f"; what was printed is in {log}")
    assert "and the repository exists." in log.read_text()
