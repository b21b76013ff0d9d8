"""New code that proves to be sound, and then does not work: the gateway comes back on the old one, by itself."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import PATIENCE, SHORT_CLOCKS, Installation
from support.releases.changes import DIES_AT_START, DIES_WHEN_SEEN_READY, IS_NEVER_READY, SOUND
from support.releases.checkout import Checkout

from hermes_cli.intents.queue import Queue
from hermes_cli.update import change
from hermes_cli.update.journal import Journal
from hermes_cli.update.recovery import UpdateRecovery
from hermes_cli.update.sources.git import checkout as git_checkout
from hermes_cli.update.sources.git.source import WorkTree

pytestmark = pytest.mark.e2e
PUTTING_BACK = [
    on_call(UpdateRecovery.put_back),
    on_call(WorkTree.put_back),
    on_call(git_checkout.Checkout.forget_bytecode),
    on_return(WorkTree.put_back),
    on_return(change.put_back),
    on_call(Queue.settle),
    on_return(Queue.settle),
    on_call(Journal.end),
]


@pytest.fixture
def hermes(checkout: Checkout, make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(code=checkout.path)


def receipt(hermes: Installation) -> dict:
    """The one receipt, once it is there."""

    def look() -> dict | None:
        found = [path for path in Path(hermes.paths.updates).glob("*.json") if json.loads(path.read_text())["outcome"]]
        return json.loads(found[0].read_text()) if found else None

    return hermes.until(look, "a receipt")


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        (DIES_AT_START, "no ready gateway after "),
        (DIES_WHEN_SEEN_READY, "was ready and ended by itself, 2 times"),
    ],
)
def test_a_release_that_does_not_work_is_put_back_and_the_old_one_started(
    checkout: Checkout, make_installation: Callable[..., Installation], release: tuple[str, str, str], reason: str
) -> None:
    # It has to stay ready for longer than a busy machine takes to let it die.
    hermes = make_installation(code=checkout.path, config=SHORT_CLOCKS.replace("stay_ready = 0.3", "stay_ready = 30"))
    before = hermes.install()
    old = checkout.revision()
    checkout.release(*release)
    done = hermes.run("update")
    after = hermes.ready(other_than=before)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "the old code was put back" in done.stderr
    assert (after.revision, checkout.revision(), checkout.changes()) == (old, old, "")
    assert [one.outcome for one in hermes.settled()] == ["failed"]
    found = receipt(hermes)
    assert (found["outcome"], found["step"]) == ("failed", "undone")
    assert found["log"]
    assert [one["code"] for one in hermes.status()["problems"]] == ["last-restart-failed"]


def test_a_gateway_that_never_becomes_ready_is_put_back_when_its_time_is_over(
    checkout: Checkout, make_installation: Callable[..., Installation]
) -> None:
    hermes = make_installation(
        code=checkout.path, config="[gateway]\nstart_timeout = 15\nteardown_timeout = 1\n[update]\nstay_ready = 0.1\n"
    )
    before = hermes.install()
    old = checkout.revision()
    checkout.release(*IS_NEVER_READY)
    done = hermes.run("update")
    assert done.returncode == 1
    assert "was not ready after 15 s" in done.stderr
    assert hermes.ready(other_than=before).revision == old


def test_a_driver_that_began_before_the_update_judges_its_release_all_the_same(
    hermes: Installation, checkout: Checkout
) -> None:
    before, old = hermes.install(), checkout.revision()
    let_go = hermes.busy()
    assert hermes.run("gateway", "restart", "--no-wait").returncode == 0
    hermes.in_state("draining")
    checkout.release(*DIES_AT_START)
    with hermes.start("update") as updating:
        hermes.until(lambda: len(hermes.pending()) == 2 and not os.listdir(hermes.paths.queue.holds), "the change")
        let_go()
        updating.communicate(timeout=PATIENCE)
    assert hermes.ready(other_than=before).revision == old
    assert sorted(one.outcome for one in hermes.settled(2)) == ["failed", "restarted"]
    assert receipt(hermes)["outcome"] == "failed"


def test_what_was_put_back_is_shown_by_the_history(hermes: Installation, checkout: Checkout) -> None:
    hermes.install()
    checkout.release(*DIES_AT_START)
    hermes.run("update")
    receipt(hermes)
    checkout.release(DIES_AT_START[0], DIES_AT_START[2], DIES_AT_START[1])
    hermes.run("update")
    hermes.until(lambda: len(list(Path(hermes.paths.updates).glob("*.json"))) == 2, "two receipts")
    newest, oldest = hermes.run("update", "--history").stdout.splitlines()
    assert " git  restarted, " in newest
    assert " git  failed, " in oldest
    assert "a bad start" in oldest
    assert "change 0." in newest


@pytest.mark.parametrize("step", PUTTING_BACK)
def test_a_driver_killed_while_it_puts_back_is_followed_by_one_that_finishes(
    hermes: Installation, checkout: Checkout, step: Place
) -> None:
    struck = hermes.home / "struck"
    before = hermes.install(fault=fault("kill", step, struck, "hermes_cli.restarter"))
    old = checkout.revision()
    checkout.release(*DIES_AT_START)
    hermes.run("update")
    hermes.until(struck.exists, "the blow")  # it may come after the answer
    assert hermes.ready(other_than=before).revision == old
    assert [one.outcome for one in hermes.settled()] == ["failed"]
    assert (checkout.revision(), checkout.changes()) == (old, "")
    assert receipt(hermes)["outcome"] == "failed"


@pytest.mark.parametrize("missing", ["__init__.py", "restarter.py", "update/recovery.py", "."])
def test_a_package_that_cannot_be_imported_is_mended_by_the_restarters_copy(
    hermes: Installation, checkout: Checkout, missing: str
) -> None:
    before = hermes.install()
    old = checkout.revision()
    checkout.release(*SOUND)
    struck = hermes.home / "struck"
    # Stopped in the middle of the change, then what a git that is killed there may leave behind, and then killed.
    stop = fault("stop", change.apply, struck, "hermes_cli update")
    with hermes.start("update", fault=stop) as process:
        os.waitpid(process.pid, os.WUNTRACED)
        if missing == ".":
            shutil.rmtree(checkout.path / "hermes_cli")
        else:
            (checkout.path / "hermes_cli" / missing).unlink()
        process.send_signal(signal.SIGKILL)
    hermes.until(lambda: not hermes.pending(), "an empty queue")
    assert (checkout.revision(), checkout.changes()) == (old, "")
    assert hermes.ready().identity == before.identity
    assert [one.outcome for one in hermes.settled()] == ["cancelled"]
    assert hermes.run("update").returncode == 0
    assert hermes.ready(other_than=before).revision == checkout.revision() != old
