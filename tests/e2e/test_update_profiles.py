"""`hermes update --all-profiles`, and what an update without a restart leaves."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import fault
from support.machines.installation import Installation
from support.releases.changes import SOUND
from support.releases.checkout import Checkout

from hermes_cli import paths
from hermes_cli.intents import desired
from hermes_cli.intents.instance import Instance
from hermes_cli.programs import own
from hermes_cli.update import change

pytestmark = pytest.mark.e2e


@pytest.fixture
def hermes(checkout: Checkout, make_installation: Callable[..., Installation]) -> Installation:
    made = make_installation(code=checkout.path)
    made.install()
    return made


def of_profile(hermes: Installation, name: str) -> paths.Paths:
    """That profile's paths."""
    return paths.Paths(name, f"{hermes.home}/state", str(hermes.home), f"{hermes.home}/logs")


def started(hermes: Installation, name: str) -> Instance:
    """A running gateway of another profile."""
    done = hermes.run("-p", name, "gateway", "install")
    assert done.returncode == 0, done.stderr
    found = own.read_alive(of_profile(hermes, name))
    assert found is not None
    return found


def test_a_wedged_profile_holds_up_no_other(hermes: Installation, checkout: Checkout) -> None:
    before, work = hermes.ready(), started(hermes, "work")
    new = checkout.release(*SOUND)
    os.kill(work.identity.pid, signal.SIGSTOP)
    try:
        with hermes.start("update", "--all-profiles") as process:
            assert hermes.ready(other_than=before).revision == new
            hermes.until(hermes.paths.queue.history, "the outcome of the default profile")
            (pending,) = of_profile(hermes, "work").queue.unsettled()
            told = hermes.run("-p", "work", "update", "--check").stdout
            assert f"a restart is pending, update: hermes -p work gateway intents show {pending.id}" in told
            process.kill()
    finally:
        os.kill(work.identity.pid, signal.SIGCONT)
    hermes.until(of_profile(hermes, "work").queue.history, "the outcome of the other one")


def test_a_profile_that_is_down_is_left_so_and_named(hermes: Installation, checkout: Checkout) -> None:
    started(hermes, "work")
    assert hermes.run("-p", "work", "gateway", "stop").returncode == 0
    checkout.release(*SOUND)
    line = "profile work is down, and left so: hermes -p work gateway status"
    assert line not in hermes.run("update", "--check", "--all-profiles").stdout  # somebody has stopped it
    desired.write(of_profile(hermes, "work").desired, "running", "a test")
    assert line in hermes.run("update", "--check", "--all-profiles").stdout


def test_an_updater_that_is_killed_leaves_no_profile_behind(hermes: Installation, checkout: Checkout) -> None:
    started(hermes, "work")
    old = checkout.revision()
    checkout.release(*SOUND)
    kill = fault("kill", change.apply, program="hermes_cli update")
    assert hermes.run("update", "--all-profiles", fault=kill).returncode == -signal.SIGKILL
    hermes.until(of_profile(hermes, "work").queue.history, "the outcome of the other one")
    assert [one.outcome for one in hermes.settled()] == ["cancelled"]
    assert [one.outcome for one in of_profile(hermes, "work").queue.history()] == ["cancelled"]
    assert (checkout.revision(), checkout.changes()) == (old, "")


@pytest.mark.parametrize("missing", [None, "gateway/run.py", "__init__.py"])
def test_an_update_without_a_restart_that_is_cut_off_is_undone_by_the_supervisor(
    hermes: Installation, checkout: Checkout, missing: str | None
) -> None:
    before = hermes.ready()
    old = checkout.revision()
    checkout.release(*SOUND)
    stop = fault("stop", change.apply, program="hermes_cli update")
    with hermes.start("update", "--no-restart", fault=stop) as process:
        os.waitpid(process.pid, os.WUNTRACED)
        if missing:
            (checkout.path / "hermes_cli" / missing).unlink()
        process.kill()
    hermes.until(lambda: not os.listdir(hermes.paths.updates_under_way), "the end of the update")
    assert (checkout.revision(), checkout.changes()) == (old, "")
    assert hermes.ready().identity == before.identity
    assert not hermes.paths.queue.history()


@pytest.mark.parametrize("options", [(), ("--no-restart",)])
def test_a_definition_that_drifted_is_brought_up_to_date_by_the_new_release(
    hermes: Installation, checkout: Checkout, options: tuple[str, ...]
) -> None:
    definition = Path(hermes.paths.state, "service.json")
    drifted = definition.read_text().replace("-P", "-E")
    definition.write_text(drifted)
    # What a definition should be is known to the new release.
    checkout.release("hermes_cli/services/registered.py", '{"schema": 1,', '{"schema": 1, "news": True,')
    assert hermes.run("update", *options).returncode == 0
    hermes.until(lambda: definition.read_text() != drifted, "another definition")
    assert '"news": true' in definition.read_text()
    hermes.until(lambda: not os.listdir(hermes.paths.updates_under_way), "the end of the update")
    copy = Path(hermes.paths.state, "restarter", "lib", "hermes_cli", "services", "registered.py")
    hermes.until(lambda: '"news": True' in copy.read_text(), "the copy of the new release")


def test_no_restart_and_all_profiles_contradict_each_other(hermes: Installation) -> None:
    assert hermes.run("update", "--no-restart", "--all-profiles").returncode == 2
