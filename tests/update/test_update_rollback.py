"""`hermes update --rollback`: back to where the newest update began, and not forward into the same again."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from checkouts import Source, git
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import Installation

from hermes_cli.intents import request
from hermes_cli.intents.instance import Instance
from hermes_cli.restart import send
from hermes_cli.update import change, journal, proof
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources.git import checkout as git_checkout

pytestmark = pytest.mark.e2e
BROKEN = {"hermes_cli/gateway/run.py": "raise RuntimeError('boom')\n", "added.txt": "1"}
STEPS = [
    on_return(Journal.write),
    on_return(request.submit),
    on_call(change.apply),
    on_call(git_checkout.Checkout.forget_bytecode),
    on_call(proof.failure),
    on_return(change.apply),
    on_call(send.begin),
]


def update(hermes: Installation, *arguments: str) -> str:
    """An update that succeeds; what it says."""
    done = hermes.run("update", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def news(hermes: Installation, *arguments: str) -> str:
    """What an update would bring in; what it says."""
    done = hermes.run("update", *arguments, "--check")
    assert done.returncode == 100, done.stderr
    return done.stdout


def refused(hermes: Installation, *arguments: str, code: int = 1) -> str:
    """A rollback that is not made; the one line that says why."""
    done = hermes.run("update", "--rollback", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stdout + done.stderr
    return done.stderr


def branch(source: Source) -> str:
    return git(source.clone, "rev-parse", "--abbrev-ref", "HEAD")


def published(hermes: Installation, source: Source) -> tuple[str, str]:
    """An update that was made: the commits before and after it."""
    old = source.head()
    new = source.publish({"hermes_cli/added.py": "", "README.md": "new"})
    update(hermes)
    return old, new


def test_it_goes_back_to_the_commit_and_the_branch_without_a_remote(hermes: Installation, source: Source) -> None:
    old, new = published(hermes, source)
    away = source.remote.with_name("away")
    os.rename(source.remote, away)
    said = update(hermes, "--rollback")
    os.rename(away, source.remote)
    assert f"rolled back {source.short(new)} → {source.short(old)}" in said
    assert source.is_exactly(old)
    assert branch(source) == "main"
    assert git(source.clone, "rev-parse", "--abbrev-ref", "@{upstream}") == "origin/main"


def test_what_was_rolled_back_is_taken_again_only_by_name(hermes: Installation, source: Source) -> None:
    old, new = published(hermes, source)
    update(hermes, "--rollback")
    line = f"{source.short(new)} was rolled back (hermes update --rollback): hermes update --to main installs it anyway"
    assert line in update(hermes)
    assert line in update(hermes, "--check")
    assert source.is_exactly(old)
    update(hermes, "--to", "main")
    assert (source.head(), branch(source)) == (new, "main")
    git(source.clone, "reset", "--quiet", "--hard", old)
    assert "updated" in update(hermes)  # somebody has named it since
    assert source.is_exactly(new)


def test_a_newer_release_is_taken(hermes: Installation, source: Source) -> None:
    published(hermes, source)
    update(hermes, "--rollback")
    newer = source.publish({"README.md": "newer"})
    update(hermes)
    assert source.is_exactly(newer)
    assert branch(source) == "main"


def test_check_says_where_it_would_go_and_changes_nothing(hermes: Installation, source: Source) -> None:
    old, new = published(hermes, source)
    assert f"{source.short(new)} → {source.short(old)}, 1 commit back" in news(hermes, "--rollback")
    assert source.is_exactly(new)


def test_without_an_update_there_is_nothing_to_roll_back(hermes: Installation, source: Source) -> None:
    assert "no update is on record" in refused(hermes)


def test_a_rollback_is_not_rolled_back(hermes: Installation, source: Source) -> None:
    old, new = published(hermes, source)
    update(hermes, "--rollback")
    assert f"a rollback itself, from {source.short(new)} to {source.short(old)}" in refused(hermes)
    assert source.is_exactly(old)


def test_an_update_that_was_not_made_is_not_rolled_back(hermes: Installation, source: Source) -> None:
    _, new = published(hermes, source)
    source.publish(BROKEN)
    assert hermes.run("update").returncode == 1
    assert "was not made (undone)" in refused(hermes)
    assert source.is_exactly(new)


def test_what_somebody_changed_by_hand_since_is_left_alone(hermes: Installation, source: Source) -> None:
    published(hermes, source)
    mine = source.publish({"README.md": "mine"})
    git(source.clone, "pull", "--quiet")
    assert f"{source.short(mine)} is installed, not" in refused(hermes)
    assert source.is_exactly(mine)


@pytest.mark.parametrize("option", ["--to=main", "--pre"])
def test_it_knows_itself_where_to_go(hermes: Installation, source: Source, option: str) -> None:
    assert "leave --to and --pre out" in refused(hermes, option, code=2)


def test_local_changes_are_refused_or_come_along(hermes: Installation, source: Source) -> None:
    old, _ = published(hermes, source)
    (source.clone / "LICENSE").write_text("mine")
    assert "has local changes (LICENSE)" in refused(hermes)
    update(hermes, "--rollback", "--stash")
    assert (source.head(), (source.clone / "LICENSE").read_text()) == (old, "mine")


def test_an_update_to_another_branch_is_rolled_back_to_the_first(hermes: Installation, source: Source) -> None:
    old = source.head()
    source.publish({"README.md": "new"})
    git(source.author, "push", "--quiet", "origin", "HEAD:next")
    update(hermes, "--to", "next")
    update(hermes, "--rollback")
    assert (source.head(), branch(source)) == (old, "main")


def test_a_branch_that_has_moved_since_is_left_where_it_is(hermes: Installation, source: Source) -> None:
    old = source.head()
    source.publish({"README.md": "new"})
    git(source.author, "push", "--quiet", "origin", "HEAD:next")
    update(hermes, "--to", "next")
    git(source.clone, "branch", "--force", "main", "next")
    update(hermes, "--rollback")
    assert (source.head(), branch(source)) == (old, "HEAD")
    assert git(source.clone, "rev-parse", "main") == git(source.clone, "rev-parse", "next") != old


def test_an_old_release_that_does_not_start_any_more_leaves_the_new_one(hermes: Installation, source: Source) -> None:
    git(source.author, "commit", "--quiet", "--allow-empty", "-m", "Empty")
    broken = source.publish(BROKEN)
    git(source.clone, "pull", "--quiet")
    new = source.publish({"hermes_cli/gateway/run.py": "def main(paths): ...\n"})
    update(hermes)
    assert f"{source.short(broken)} does not start" in refused(hermes)
    assert source.is_exactly(new)
    assert branch(source) == "main"


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_leaves_the_one_release_or_the_other(
    hermes: Installation, source: Source, stand_in: Instance, recover: Callable[[], str], step: Place
) -> None:
    old = source.head()
    new = source.publish({"hermes_cli/added.py": "", "README.md": "new"})
    update(hermes, "--no-restart")
    done = hermes.run("update", "--rollback", fault=fault("kill", step, program="hermes_cli update"))
    assert done.returncode == -signal.SIGKILL
    recover()
    assert source.is_exactly(new if STEPS.index(step) < 3 else old)
    assert branch(source) == "main"
    assert not any(one.in_flux for one in journal.under_way(hermes.paths))


def test_the_history_says_who_asked(hermes: Installation, source: Source) -> None:
    published(hermes, source)
    update(hermes, "--rollback")
    newest, oldest = hermes.run("update", "--history").stdout.splitlines()
    assert ", by hermes update --rollback  (" in newest
    assert ", by " not in oldest


def test_an_update_that_is_under_way_is_not_rolled_back(
    hermes: Installation, source: Source, stand_in: Instance
) -> None:
    source.publish({"README.md": "new"})
    kill = fault("kill", send.begin, program="hermes_cli update")
    assert hermes.run("update", fault=kill).returncode == -signal.SIGKILL
    done = hermes.run("update", "--rollback")  # its look has a driver finish that update, and says so
    assert (done.returncode, done.stderr.splitlines()[-1][-38:]) == (75, "under way: try again when it has ended")


def test_another_profiles_update_is_rolled_back(hermes: Installation, source: Source) -> None:
    old = source.head()
    source.publish({"README.md": "new"})
    assert hermes.run("-p", "work", "update").returncode == 0
    update(hermes, "--rollback")
    assert source.is_exactly(old)
    assert "was rolled back" in hermes.run("-p", "work", "update").stdout
    assert Path(hermes.paths.updates).is_dir()
