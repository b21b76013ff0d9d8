"""What counts as a crash after an update, and what becomes of a rollback that is itself cut off or refused."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import SHORT_CLOCKS, Installation
from support.releases.changes import NEVER_STARTS_AGAIN, SOUND
from support.releases.checkout import Checkout
from support.values import replace

from hermes_cli.intents import request
from hermes_cli.intents.instance import Crashes, Instance
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.restart import send
from hermes_cli.system import process
from hermes_cli.update import change, journal, rollback
from hermes_cli.update.journal import Journal

pytestmark = pytest.mark.e2e
ROLLBACK = "hermes_cli.update.probation"
STEPS = [
    on_call(rollback.find),
    on_return(Journal.write),
    on_return(request.submit),
    on_call(change.complete),
    on_return(change.apply),
    on_return(send.begin),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "git")


@pytest.fixture
def hermes(checkout: Checkout, make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(code=checkout.path)


def updated(hermes: Installation, checkout: Checkout, release: tuple[str, str, str] = SOUND) -> Journal:
    """An update that has succeeded; its receipt."""
    checkout.release(*release)
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    return hermes.until(lambda: next(journal.receipts(hermes.paths), None), "the receipt")


def killed(hermes: Installation) -> Instance:
    """Kill the gateway as nobody would who wants it to restart; the one after it."""
    before = hermes.ready()
    process.send(before.identity, signal.SIGKILL)
    return hermes.ready(other_than=before)


def killed_after(crashes: int, hermes: Installation, receipt: Journal) -> Instance:
    """Kill the gateway as if so many had crashed before it; the one after it. How they are counted is not told here."""
    before = hermes.ready()
    process.send(before.identity, signal.SIGSTOP)  # it writes nothing any more
    seen = psutil.Process(before.identity.pid)
    hermes.until(lambda: seen.status() == psutil.STATUS_STOPPED, "a gateway that stands still")
    own.write(hermes.paths, replace(before, crashes=Crashes(receipt.intent, crashes)))
    return killed(hermes)


def rollbacks(hermes: Installation) -> list[Journal]:
    """Receipts of those that were made."""
    return [one for one in journal.receipts(hermes.paths) if one.rolls_back and one.outcome in journal.DONE]


def test_what_was_asked_for_is_no_crash_and_keeps_the_count(hermes: Installation, checkout: Checkout) -> None:
    hermes.install()
    assert killed(hermes).crashes is None  # there was no update
    receipt = updated(hermes, checkout)
    assert killed(hermes).crashes == killed_by_a_restart(hermes).crashes == Crashes(receipt.intent, 1)
    assert killed(hermes).crashes == Crashes(receipt.intent, 2)
    assert hermes.run("gateway", "stop").returncode == 0
    assert hermes.run("gateway", "start").returncode == 0
    assert hermes.ready().crashes == Crashes(receipt.intent, 2)
    assert not rollbacks(hermes)
    assert hermes.status()["problems"] == []


def killed_by_a_restart(hermes: Installation) -> Instance:
    """The gateway after one that a driver had to kill."""
    config = hermes.home / "config.toml"
    config.write_text(config.read_text().replace("drain_timeout = 20", "drain_timeout = 1"))
    before = hermes.ready()
    process.send(before.identity, signal.SIGSTOP)
    done = hermes.run("gateway", "restart")
    assert done.returncode == 0, done.stderr
    assert "SIGKILL to pid" in hermes.log()
    return hermes.ready(other_than=before)


def test_without_a_probation_nothing_is_counted(hermes: Installation, checkout: Checkout) -> None:
    config = hermes.home / "config.toml"
    config.write_text(config.read_text().replace("[update]\n", "[update]\nprobation = 0\n"))
    hermes.install()
    updated(hermes, checkout)
    for _ in range(3):
        assert killed(hermes).crashes is None
    assert not rollbacks(hermes)


def test_a_rollback_never_brings_another_one(hermes: Installation, checkout: Checkout) -> None:
    hermes.install()
    old = checkout.revision()
    updated(hermes, checkout)
    assert hermes.run("update", "--rollback").returncode == 0
    hermes.until(lambda: rollbacks(hermes), "its receipt")
    for _ in range(3):
        assert killed(hermes).crashes is None
    assert hermes.ready().revision == checkout.revision() == old
    assert len(rollbacks(hermes)) == 1
    assert {one["code"] for one in hermes.status()["problems"]} <= {"crash-loop"}  # for a minute after the third


def test_profiles_that_went_along_come_back_along(hermes: Installation, checkout: Checkout) -> None:
    hermes.install()
    assert hermes.run("-p", "work", "gateway", "install").returncode == 0
    work = Paths("work", f"{hermes.home}/state", str(hermes.home), f"{hermes.home}/logs")
    old = checkout.revision()
    new = checkout.release(*SOUND)
    assert hermes.run("update", "--all-profiles").returncode == 0
    hermes.until(lambda: next(journal.receipts(hermes.paths), None), "the receipt")
    assert [own.read_alive(one).revision for one in (hermes.paths, work)] == [new, new]
    done = hermes.run("update", "--rollback")
    assert done.returncode == 0, done.stderr
    assert [own.read_alive(one).revision for one in (hermes.paths, work)] == [old, old]


def test_a_gateway_that_its_manager_has_given_up_comes_back_with_a_rollback_by_hand(
    hermes: Installation, checkout: Checkout
) -> None:
    config = hermes.home / "config.toml"
    config.write_text(config.read_text().replace("[update]\n", "[update]\nprobation = 0\n"))
    hermes.install()
    old = checkout.revision()
    updated(hermes, checkout, NEVER_STARTS_AGAIN)
    process.send(hermes.ready().identity, signal.SIGKILL)
    hermes.until(lambda: "at rest: crash loop" in hermes.log(), "a crash loop")
    done = hermes.run("update", "--rollback")
    assert done.returncode == 0, done.stderr
    assert hermes.ready().revision == checkout.revision() == old


@pytest.mark.parametrize("step", STEPS)
def test_a_rollback_that_is_killed_is_finished_or_begun_again(
    hermes: Installation, checkout: Checkout, step: Place
) -> None:
    struck = hermes.home / "struck"
    hermes.install(fault=fault("kill", step, struck, ROLLBACK))
    old = checkout.revision()
    killed_after(2, hermes, updated(hermes, checkout))
    hermes.until(struck.exists, "the blow")
    hermes.until(lambda: not hermes.pending() and not journal.under_way(hermes.paths), "the end of what was begun")
    if checkout.revision() != old:  # it was cut off before the change, and is asked for again
        killed(hermes)
    hermes.until(lambda: rollbacks(hermes), "the receipt of the rollback")
    hermes.until(lambda: hermes.ready().revision == old, "the old release")
    assert (checkout.revision(), checkout.changes(), hermes.pending()) == (old, "", [])


def test_a_rollback_that_is_refused_is_said_and_asked_for_again(hermes: Installation, checkout: Checkout) -> None:
    hermes.install()
    old = checkout.revision()
    receipt = updated(hermes, checkout)
    readme = checkout.path / "README.md"
    kept = readme.read_text()
    readme.write_text("mine")
    killed_after(2, hermes, receipt)
    log = Path(hermes.paths.logs, "update.log")
    hermes.until(lambda: "has local changes (README.md)" in log.read_text(), "the refusal")
    (problem,) = hermes.status()["problems"]
    assert (problem["code"], problem["mend"]) == ("crashes", "hermes update --rollback")
    assert "ended by itself 3 times since the update" in problem["text"]
    readme.write_text(kept)
    killed(hermes)
    hermes.until(lambda: rollbacks(hermes), "the receipt of the rollback")
    assert hermes.ready().revision == checkout.revision() == old


def test_the_end_of_the_probation_is_the_end_of_it(
    checkout: Checkout, make_installation: Callable[..., Installation]
) -> None:
    config = SHORT_CLOCKS.replace("[update]\n", "heartbeat_interval = 0.5\n\n[update]\nprobation = 12\n")
    hermes = make_installation(code=checkout.path, config=config)
    hermes.install()
    receipt = updated(hermes, checkout)
    assert killed(hermes).crashes == Crashes(receipt.intent, 1)
    hermes.until(lambda: hermes.ready().heartbeat > receipt.ended_at + 12, "the end of the probation")
    for _ in range(3):
        assert killed(hermes).crashes == Crashes(receipt.intent, 1)
    assert not rollbacks(hermes)
