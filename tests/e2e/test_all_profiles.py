"""`start`, `stop`, `restart` with `--all`, and `update --all-profiles`: one after the other, and no further than a failure."""

import os
from collections.abc import Callable

import pytest
from support.machines.installation import Installation
from support.releases.changes import DIES_AT_START, DIES_IN_ONE_PROFILE
from support.releases.checkout import Checkout

from hermes_cli import paths
from hermes_cli.intents.instance import Instance
from hermes_cli.programs import own

pytestmark = pytest.mark.e2e
NAMES = ("default", "last", "middle")


def of_profile(hermes: Installation, name: str) -> paths.Paths:
    return paths.Paths(name, f"{hermes.home}/state", str(hermes.home), f"{hermes.home}/logs", str(hermes.home))


def install(hermes: Installation, *names: str) -> None:
    for name in names:
        done = hermes.run("-p", name, "gateway", "install")
        assert done.returncode == 0, done.stderr


def running(hermes: Installation) -> dict[str, Instance | None]:
    return {name: own.read_alive(of_profile(hermes, name)) for name in NAMES}


def pids(hermes: Installation) -> dict[str, int | None]:
    return {name: one.identity.pid if one else None for name, one in running(hermes).items()}


def break_the_next_start(hermes: Installation, name: str) -> None:
    """The gateway that runs has its store open; the next one finds a directory in its place."""
    store = of_profile(hermes, name).messages
    os.rename(store, f"{store}.away")
    os.makedirs(f"{store}/in the way")


def test_all_stop_start_and_restart_no_further_than_the_first_that_fails(hermes: Installation) -> None:
    install(hermes, *NAMES)
    done = hermes.run("gateway", "stop", "--all")
    assert (done.returncode, set(pids(hermes).values())) == (0, {None})
    assert hermes.run("-p", "default", "gateway", "restart", "--all").stdout.count("stopped, left so") == 3
    done = hermes.run("gateway", "start", "--all", "--order", "middle,last")
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["middle", "last", "default"]
    before = pids(hermes)
    assert None not in before.values()

    break_the_next_start(hermes, "middle")
    done = hermes.run("gateway", "restart", "--all", "--force", "--order", "default,middle")
    assert done.returncode == 1, done.stdout
    assert "middle: failed: " in done.stderr
    assert "left as they are: last" in done.stderr
    now = pids(hermes)
    assert now["default"] not in {before["default"], None}
    assert now["last"] == before["last"]


def test_who_is_asked_from_inside_comes_last(hermes: Installation) -> None:
    install(hermes, "default", "last")
    before = pids(hermes)
    said = hermes.chat(f"!{hermes.python} -m hermes_cli gateway restart --all")
    assert said.index("last: restarted: ") < said.index("default: recorded, will be completed by "), said
    hermes.settled()
    now = pids(hermes)
    assert None not in {now["default"], now["last"]}
    assert (now["default"] != before["default"], now["last"] != before["last"]) == (True, True)


@pytest.mark.parametrize(
    "words", [("restart", "--all", "--no-wait"), ("restart", "--order", "x"), ("stop", "--order", "x")]
)
def test_options_that_contradict_each_other_are_refused(hermes: Installation, words: tuple[str, ...]) -> None:
    done = hermes.run("gateway", *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def updated(checkout: Checkout, make_installation: Callable[..., Installation]) -> Installation:
    made = make_installation(code=checkout.path)
    install(made, *NAMES)
    return made


def test_a_release_on_which_the_first_gateway_does_not_come_touches_no_other(
    updated: Installation, checkout: Checkout
) -> None:
    before, old = pids(updated), checkout.revision()
    checkout.release(*DIES_AT_START)
    done = updated.run("update", "--all-profiles")
    assert done.returncode == 1, done.stdout
    assert (checkout.revision(), checkout.changes()) == (old, "")
    now = pids(updated)
    assert now.pop("default") not in {before.pop("default"), None}
    assert now == before
    for name in now:
        assert [one.outcome for one in of_profile(updated, name).queue.history()] == ["cancelled"]


def test_an_update_goes_no_further_than_the_first_profile_that_fails(updated: Installation, checkout: Checkout) -> None:
    before = running(updated)
    new = checkout.release(*DIES_IN_ONE_PROFILE)
    done = updated.run("update", "--all-profiles", "--order", "middle")
    assert done.returncode == 1, done.stdout
    assert "profile last is left as it is: the restart of profile middle" in done.stdout
    now = running(updated)
    assert now["default"].revision == new
    assert now["last"].identity == before["last"].identity
    assert [one.outcome for one in of_profile(updated, "last").queue.history()] == ["cancelled"]
