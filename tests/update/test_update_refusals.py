"""Every reason why an update is refused: one clear line, an exit code, and nothing changed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from checkouts import Source, git
from support import PATIENCE
from support.machines.installation import Installation

from hermes_cli.system import locks
from hermes_cli.system.process import Identity

pytestmark = pytest.mark.e2e


def refused(hermes: Installation, *options: str) -> tuple[int, str]:
    """Exit code and the one line on stderr."""
    done = hermes.run("update", *options)
    assert done.returncode != 0, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.returncode, done.stderr


def test_local_changes_are_listed_and_kept(hermes: Installation, source: Source) -> None:
    source.publish({"new.txt": "1"})
    (source.clone / "README.md").write_text("mine")
    code, said = refused(hermes)
    assert code == 1
    assert "has local changes (README.md): commit them, or take them along with hermes update --stash" in said
    assert (source.clone / "README.md").read_text() == "mine"


def test_no_more_than_ten_local_changes_are_listed(hermes: Installation, source: Source) -> None:
    source.publish({f"{number:02}.txt": "1" for number in range(12)})
    git(source.clone, "pull", "--quiet")
    source.publish({"new.txt": "1"})
    for number in range(12):
        (source.clone / f"{number:02}.txt").write_text("mine")
    assert "09.txt and 2 more" in refused(hermes)[1]


@pytest.mark.parametrize("name", ["new.txt", "ignored.txt"])
def test_an_untracked_file_in_the_way_is_named_and_kept(hermes: Installation, source: Source, name: str) -> None:
    old = source.head()
    source.publish({name: "theirs"})
    (source.clone / name).write_text("mine")
    assert f"adds what is there already, untracked ({name})" in refused(hermes)[1]
    assert (source.clone / name).read_text() == "mine"
    assert source.head() == old


def test_an_untracked_file_where_a_folder_is_to_be_is_named_and_kept(hermes: Installation, source: Source) -> None:
    source.publish({"new/file.txt": "theirs"})
    (source.clone / "new").write_text("mine")
    assert "untracked (new)" in refused(hermes)[1]
    assert (source.clone / "new").read_text() == "mine"


def test_a_diverged_branch_is_refused(hermes: Installation, source: Source) -> None:
    source.publish({"new.txt": "1"})
    git(source.clone, "commit", "--quiet", "--allow-empty", "-m", "Mine")
    assert "has diverged: 1 commit(s) of its own, 1 new upstream" in refused(hermes)[1]


def test_a_detached_head_is_refused(hermes: Installation, source: Source) -> None:
    git(source.clone, "checkout", "--quiet", "--detach")
    said = refused(hermes)[1]
    assert "is on no branch (detached HEAD) and on no release's tag: hermes update --to main, or --to TAG" in said


def test_a_branch_without_upstream_is_refused(hermes: Installation, source: Source) -> None:
    git(source.clone, "switch", "--quiet", "--create", "mine")
    assert "branch mine" in refused(hermes)[1]


def test_an_upstream_branch_that_is_gone_is_named(hermes: Installation, source: Source) -> None:
    git(source.clone, "config", "branch.main.merge", "refs/heads/gone")
    assert "origin no longer has gone" in refused(hermes)[1]


def test_an_unfinished_merge_is_refused(hermes: Installation, source: Source) -> None:
    (source.clone / ".git" / "MERGE_HEAD").write_text(source.head())
    assert "a git merge is unfinished" in refused(hermes)[1]


def test_a_remote_that_cannot_be_reached_is_named(hermes: Installation, source: Source) -> None:
    shutil.move(source.remote, source.remote.with_name("elsewhere"))
    code, said = refused(hermes)
    assert code == 1
    assert f"origin ({source.remote}) cannot be fetched from" in said
    assert "nothing was changed; are you offline?" in said


def test_a_password_in_the_remotes_address_is_not_shown(hermes: Installation, source: Source) -> None:
    git(source.clone, "remote", "set-url", "origin", "http://somebody:secret@127.0.0.1:9/hermes.git")
    said = refused(hermes)[1]
    assert "http://127.0.0.1:9/hermes.git" in said
    assert "secret" not in said + hermes.log()


def test_an_installation_that_is_no_checkout_is_refused(hermes: Installation, source: Source) -> None:
    shutil.rmtree(source.clone / ".git")
    code, said = refused(hermes)
    assert code == 1
    assert "was not installed from a git checkout" in said


def test_a_package_that_merely_lies_in_somebodys_checkout_is_refused(
    hermes: Installation, source: Source, tmp_path: Path
) -> None:
    shutil.rmtree(source.clone / ".git")
    git(tmp_path, "init", "--quiet")
    assert "was not installed from a git checkout" in refused(hermes)[1]


def test_a_missing_git_is_named(hermes: Installation, tmp_path: Path) -> None:
    done = hermes.run("update", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "hermes: git is not on PATH: install it and repeat\n"


def test_a_second_update_is_told_to_try_again_and_who_is_at_it(hermes: Installation) -> None:
    lock, me = locks.take(hermes.paths.update_lock), Identity.of(os.getpid())
    assert lock is not None
    assert me is not None
    Path(f"{hermes.paths.update_lock}.holder").write_text(json.dumps(me.document()))
    try:
        code, said = refused(hermes)
    finally:
        lock.release()
    assert code == 75
    assert f"another update is under way (pid {me.pid})" in said


def test_a_refusal_leaves_no_journal_and_no_intent(hermes: Installation, source: Source) -> None:
    source.publish({"new.txt": "1"})
    (source.clone / "README.md").write_text("mine")
    refused(hermes)
    assert not list(Path(hermes.paths.state).glob("updates/**/*.json"))
    assert not hermes.pending()


def test_git_variables_of_a_hook_do_not_point_it_at_another_repository(
    hermes: Installation, source: Source, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "init", "--quiet", str(other)], timeout=PATIENCE, check=True)
    done = hermes.run("update", GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other))
    assert done.returncode == 0
    assert f"already up to date ({source.short()})" in done.stdout
