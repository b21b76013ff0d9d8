"""`hermes update` of a real checkout with a real remote, under a running gateway."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import PATIENCE, Installation
from support.releases.changes import CRASHES_AT_IMPORT, SOUND
from support.releases.checkout import Checkout, git

from hermes_cli import __version__
from hermes_cli.intents import request
from hermes_cli.restart import ask, send
from hermes_cli.update import change
from hermes_cli.update.journal import Journal

pytestmark = pytest.mark.e2e
STEPS = [
    on_return(ask.ask),
    on_call(Journal.write),
    on_return(Journal.write),
    on_return(request.submit),
    on_call(change.complete),
    on_return(change.apply),
    on_return(Journal.note),
    on_call(send.begin),
    on_return(send.signal_target),
    on_return(send.begin),
]


@pytest.fixture
def hermes(checkout: Checkout, make_installation: Callable[..., Installation]) -> Installation:
    made = make_installation(code=checkout.path)
    made.install()
    return made


def test_from_a_shell_the_new_revision_runs_afterwards(hermes: Installation, checkout: Checkout) -> None:
    before = hermes.ready()
    new = checkout.release(*SOUND)
    done = hermes.run("update")
    after = hermes.ready(other_than=before)
    assert done.returncode == 0, done.stderr
    assert f"restarted: pid {after.identity.pid}, revision {new}" in done.stdout
    assert (after.revision, after.version) == (new, f"9.{__version__}")
    assert hermes.starts() == 2


def test_the_supervisor_executes_its_new_code_and_keeps_the_gateway(hermes: Installation, checkout: Checkout) -> None:
    supervisor = hermes.supervisor()
    new = checkout.release(*SOUND)
    hermes.run("update")
    updated = hermes.ready()
    hermes.until(lambda: f"executing the new code, {new}" in hermes.log(), "the supervisor's new code")
    hermes.run("gateway", "restart")
    assert hermes.ready(other_than=updated).revision == new
    assert hermes.supervisor() == supervisor  # the same process, and so PID 1 where it was that
    assert hermes.starts() == 3


def test_new_code_that_crashes_at_import_never_reaches_the_gateway(hermes: Installation, checkout: Checkout) -> None:
    before = hermes.ready()
    old = checkout.revision()
    new = checkout.release(*CRASHES_AT_IMPORT)
    done = hermes.run("update")
    assert done.returncode == 1
    assert f"{new} does not start" in done.stderr
    assert "a bad day" in done.stderr
    assert hermes.ready().identity == before.identity
    assert (checkout.revision(), checkout.changes()) == (old, "")
    assert [one.outcome for one in hermes.settled()] == ["cancelled"]


def test_code_that_crashes_at_import_and_was_pulled_by_hand_is_refused_or_ends_as_failed_with_the_reason(
    hermes: Installation, checkout: Checkout
) -> None:
    before = hermes.ready()
    checkout.release(*CRASHES_AT_IMPORT)
    git(checkout.path, "pull", "-q")
    done = hermes.run("gateway", "restart")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("hermes: nothing was restarted, the next gateway would not start: ")
    assert hermes.ready().identity == before.identity
    done = hermes.run("gateway", "restart", "--force")
    assert done.returncode == 1
    assert any(line.startswith("failed: no ready gateway after ") for line in done.stderr.splitlines())
    assert "exited 1" in done.stderr
    assert hermes.status()["pending"] == []
    git(checkout.path, "reset", "-q", "--hard", "HEAD~1")
    assert hermes.run("gateway", "start").returncode == 0
    assert hermes.ready().revision == checkout.revision()


@pytest.mark.parametrize("step", STEPS)
def test_an_updater_killed_at_any_step_leaves_old_code_untouched_or_new_code_restarted(
    hermes: Installation, checkout: Checkout, step: Place
) -> None:
    before = hermes.ready()
    old = checkout.revision()
    new = checkout.release(*SOUND)
    struck = hermes.home / "struck"
    hermes.run("update", fault=fault("kill", step, struck, "hermes_cli update"))
    assert struck.exists()
    hermes.until(lambda: not hermes.pending(), "an empty queue")
    assert checkout.changes() == ""
    if checkout.revision() == old:
        assert hermes.ready().identity == before.identity
    else:
        assert hermes.ready(other_than=before).revision == new
    assert hermes.starts() == 1 + (checkout.revision() == new)
    hermes.run("update")
    hermes.until(lambda: hermes.ready().revision == new, "the new revision")


def test_the_updater_finishes_when_the_package_it_runs_from_is_replaced_by_garbage(
    hermes: Installation, checkout: Checkout, tmp_path: Path
) -> None:
    before = hermes.ready()
    new = checkout.release(*SOUND)
    release = hermes.busy()
    updating = hermes.start("update")
    hermes.in_state("draining")
    kept = tmp_path / "kept"
    shutil.move(checkout.path / "hermes_cli", kept)
    (checkout.path / "hermes_cli").mkdir()
    (checkout.path / "hermes_cli" / "__init__.py").write_text("raise ImportError('garbage')\n")
    garbage = hermes.run("gateway", "status")
    shutil.rmtree(checkout.path / "hermes_cli")
    shutil.move(kept, checkout.path / "hermes_cli")
    release()
    out, err = updating.communicate(timeout=PATIENCE)
    assert "garbage" in garbage.stderr
    assert f"revision {new}" in out, err
    assert hermes.ready(other_than=before).revision == new
