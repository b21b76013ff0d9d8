"""Updates under every service manager: of a checkout and of a wheel; from a shell, from the agent's terminal, by `/update`.

Some combinations by default; HERMES_UPDATES=whole runs them all.
"""

import os
from collections.abc import Callable
from itertools import product

import pytest
from support.faults import cut_off
from support.faults.cut_off import Step, steps
from support.machines.installation import SHORT_CLOCKS
from support.machines.worlds import WORLDS, World
from support.releases.changes import CRASHES_AT_IMPORT, DIES_AT_START, NEEDS_EXTRA, Source

from hermes_cli import paths
from hermes_cli.programs import own
from hermes_cli.update import chat_job

WHOLE = os.environ.get("HERMES_UPDATES") == "whole"
KINDS = ("git", "wheel")
ON_SKEW = SHORT_CLOCKS.replace("[update]\n", "[update]\nrestart_on_skew = true\n").replace(
    "[gateway]\n", "[gateway]\nheartbeat_interval = 0.5\n"
)
OTHER_DEFINITION = {
    "launchd": (
        "hermes_cli/services/launchd/plists.py",
        '"KeepAlive": True,',
        '"KeepAlive": True,\n            "Nice": 1,',
    ),
    "systemd": (
        "hermes_cli/services/systemd/units.py",
        '"Restart=always",',
        '"Restart=always",\n                "Nice=1",',
    ),
}


@pytest.fixture
def world(request: pytest.FixtureRequest, source: Source) -> World:
    """One manager that runs hermes from there; nothing is installed yet."""
    return WORLDS[request.param](request, interpreter=source.interpreter)


def everywhere(*kinds: str, managers: tuple[str, ...] = tuple(WORLDS)) -> pytest.MarkDecorator:
    """Under each of these managers, from each kind of source; by default from every other one, so that each comes up."""
    order = list(WORLDS)
    cells = [
        (manager, kind)
        for manager, (number, kind) in product(managers, enumerate(kinds))
        if WHOLE or len(kinds) == 1 or (order.index(manager) + number) % 2 == 0
    ]
    return pytest.mark.parametrize(("world", "source"), cells, indirect=True)


def said(world: World, *arguments: str) -> str:
    done = world.hermes.run(*arguments)
    return done.stdout + done.stderr


def by_shell(world: World) -> str:
    return said(world, "update")


def by_terminal(world: World) -> str:
    shown = said(world, "chat", "!hermes update")
    assert "restart recorded, will be completed by the " in shown, shown
    return shown


def by_chat(world: World) -> str:
    shown = said(world, "chat", "/update")
    world.hermes.until(lambda: not os.listdir(chat_job.folder(world.hermes.paths)), "the end of the update's output")
    assert not world.hermes.settled()[0].intent.requester.in_tree
    return shown


WAYS: dict[str, Callable[[World], str]] = {"shell": by_shell, "terminal": by_terminal, "chat": by_chat}


def every_way(*more: str) -> pytest.MarkDecorator:
    """Each pair of a manager, a kind of source and a way comes up; all triples with a checkout under `more`."""
    cells = [
        (manager, kind, way)
        for (one, manager), (two, kind), (three, way) in product(enumerate(WORLDS), enumerate(KINDS), enumerate(WAYS))
        if WHOLE or (one + two + three) % 3 == 0 or (kind == "git" and manager in more)
    ]
    return pytest.mark.parametrize(("world", "source", "way"), cells, indirect=["world", "source"])


def is_well(world: World) -> None:
    """A ready gateway, nothing pending, no update under way."""
    world.hermes.until(lambda: cut_off.is_over(world), "the end of the update")
    shown = world.hermes.status()
    assert (shown["instance"]["ready"], shown["pending"]) == (True, [])


@every_way("systemd", "launchd")
def test_a_new_release_runs_afterwards_and_who_asked_is_told(world: World, source: Source, way: str) -> None:
    before = world.hermes.install()
    new = source.release()
    shown = WAYS[way](world)
    after = world.hermes.ready(other_than=before)
    assert (after.revision, source.revision()) == (new, new), shown
    assert f"pid {after.identity.pid}, revision {new}" in shown, shown
    assert [one.outcome for one in world.hermes.settled()] == ["restarted"]
    assert world.hermes.starts() == 2
    is_well(world)


@every_way()
def test_a_release_that_dies_at_its_start_is_put_back_and_who_asked_is_told(
    world: World, source: Source, way: str
) -> None:
    before = world.hermes.install()
    old = source.revision()
    source.release(*DIES_AT_START)
    shown = WAYS[way](world)
    after = world.hermes.ready(other_than=before)
    assert (after.revision, source.revision()) == (old, old), shown
    assert "the old code was put back" in shown, shown
    assert [one.outcome for one in world.hermes.settled()] == ["failed"]
    is_well(world)


@everywhere(*KINDS, managers=("systemd", "launchd"))  # the embedded one is tests/e2e/test_update.py's
def test_new_code_that_crashes_at_import_never_reaches_the_gateway(world: World, source: Source) -> None:
    before = world.hermes.install()
    old = source.revision()
    new = source.release(*CRASHES_AT_IMPORT)
    done = world.hermes.run("update")
    assert done.returncode == 1
    assert f"{new} does not start" in done.stderr
    assert "a bad day" in done.stderr
    assert world.hermes.ready().identity == before.identity
    assert source.revision() == old
    assert [one.outcome for one in world.hermes.settled()] == ["cancelled"]
    is_well(world)


@everywhere("editable", "wheel")
def test_what_a_release_needs_comes_with_it_and_goes_with_one_that_does_not_work(world: World, source: Source) -> None:
    source.release(needs=("extra<2",))
    source.pull()
    first = world.hermes.install()
    assert source.extra() == "1"
    new = source.release(*NEEDS_EXTRA, needs=("extra>=2",))
    done = world.hermes.run("update")
    assert done.returncode == 0, done.stderr
    after = world.hermes.ready(other_than=first)
    assert (after.revision, source.revision(), source.extra()) == (new, new, "2")
    source.release(*DIES_AT_START, needs=("extra<2",))
    done = world.hermes.run("update")
    assert "the old code was put back" in done.stderr
    back = world.hermes.ready(other_than=after)
    assert (back.revision, source.revision(), source.extra()) == (new, new, "2")
    is_well(world)


@everywhere(*KINDS)
def test_a_gateway_that_was_told_to_restarts_itself_once_into_what_was_installed_by_hand(
    world: World, source: Source
) -> None:
    (world.hermes.home / "config.toml").write_text(ON_SKEW)
    before = world.hermes.install()
    new = source.release()
    source.pull()
    assert world.hermes.ready(other_than=before).revision == new
    (settled,) = world.hermes.settled()
    assert (settled.outcome, settled.intent.reason) == ("restarted", "skew")
    assert world.hermes.starts() == 2
    is_well(world)


@everywhere(*KINDS)
def test_a_gateway_does_not_restart_itself_into_code_that_does_not_start(world: World, source: Source) -> None:
    (world.hermes.home / "config.toml").write_text(ON_SKEW)
    before = world.hermes.install()
    source.release(*CRASHES_AT_IMPORT)
    source.pull()
    world.hermes.until(lambda: "it does not start (ImportError: a bad day)" in world.hermes.log(), "the refusal")
    assert world.hermes.ready().identity == before.identity
    assert not world.hermes.pending()


@everywhere("git")
def test_every_running_profile_restarts_and_a_stopped_one_stays_stopped(world: World, source: Source) -> None:
    hermes = world.hermes
    work, idle = (
        paths.Paths(name, f"{hermes.home}/state", str(hermes.home), f"{hermes.home}/logs") for name in ("work", "idle")
    )
    before = hermes.install()
    for name in ("work", "idle"):
        done = hermes.run("-p", name, "gateway", "install")
        assert done.returncode == 0, done.stderr
    first = own.read_alive(work)
    assert first is not None
    assert hermes.run("-p", "idle", "gateway", "stop").returncode == 0
    new = source.release()
    done = hermes.run("update", "--all-profiles")
    assert done.returncode == 0, done.stderr
    assert "of profile work" in done.stdout
    assert hermes.ready(other_than=before).revision == new
    now = own.read_alive(work)
    assert now is not None
    assert (now.revision, now.identity.is_same_as(first.identity)) == (new, False)
    assert own.read_alive(idle) is None
    assert [one.outcome for one in work.queue.history()] == ["restarted"]
    assert idle.queue.history() == []
    is_well(world)


@everywhere("git", managers=tuple(OTHER_DEFINITION))
def test_a_release_with_other_definitions_brings_them_in(world: World, source: Source) -> None:
    before = world.hermes.install()
    new = source.release(*OTHER_DEFINITION[world.name])
    done = world.hermes.run("update")
    assert done.returncode == 0, done.stderr
    world.hermes.until(
        lambda: (
            [one.outcome for one in world.hermes.ever_settled() if one.intent.reason == "definitions"] == ["restarted"]
        ),
        "the reload",
    )
    world.hermes.without_problems()  # such as a definition that is not as the new release writes it
    assert world.hermes.ready(other_than=before).revision == new
    is_well(world)


# The whole of it is `python tests/update_table.py`, whose tables are in docs/evidence; the embedded manager's are
# tests/e2e/test_update*.py and tests/update/test_update_wheels.py.
TELLING = {
    "git": ("the journal is written", "the code has changed", "a bad release: after the old code is back"),
    "wheel": ("pip and its updater, the old files are moved away",),
}


@pytest.mark.parametrize(
    ("world", "source", "step"),
    [
        pytest.param(manager, kind, step, id=f"{manager}-{kind}-{step.text}")
        for manager, kind in product(("systemd", "launchd"), KINDS)
        for step in steps(kind)
        if step.text in TELLING[kind]
    ],
    indirect=["world", "source"],
)
def test_an_update_that_is_killed_ends_in_whole_code_and_a_gateway_on_it(
    world: World, source: Source, step: Step
) -> None:
    cut_off.end_of(world, source, step, "kill")
