"""A real checkout, updated under every service manager: from a shell, from the agent's terminal, by a chat command."""

import os
from pathlib import Path

import pytest
from checkout import Checkout
from worlds import WORLDS, World

from hermes_cli.update import in_chat

pytestmark = pytest.mark.e2e
SOUND = ("hermes_cli/__init__.py", '__version__ = "', '__version__ = "9.')
DIES_AT_START = (
    "hermes_cli/gateway/run.py",
    "return asyncio.run(Gateway(paths, config, query, mark, notifier).run())",
    'sys.exit("a bad start")',
)
OTHER_DEFINITION = {
    "launchd": (
        "hermes_cli/services/launchd_plists.py",
        '"KeepAlive": True,',
        '"KeepAlive": True,\n            "Nice": 1,',
    ),
    "systemd": (
        "hermes_cli/services/systemd_units.py",
        '"Restart=always",',
        '"Restart=always",\n                "Nice=1",',
    ),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "git")


@pytest.fixture
def world(request: pytest.FixtureRequest, checkout: Checkout) -> World:
    found = WORLDS[request.param](request, code=checkout.path)
    found.hermes.install()
    return found


everywhere = pytest.mark.parametrize("world", list(WORLDS), indirect=True)


@everywhere
def test_from_a_shell_the_new_revision_runs_when_the_command_ends(world: World, checkout: Checkout) -> None:
    before = world.hermes.ready()
    new = checkout.release(*SOUND)
    done = world.hermes.run("update")
    assert done.returncode == 0, done.stderr + world.hermes.log()
    after = world.hermes.ready(other_than=before)
    assert (after.revision, checkout.revision()) == (new, new)
    assert world.hermes.pending() == []


@everywhere
def test_typed_in_the_agents_terminal_the_conversation_gets_the_outcome(world: World, checkout: Checkout) -> None:
    before = world.hermes.ready()
    new = checkout.release(*SOUND)
    shown = world.hermes.chat("!hermes update")
    after = world.hermes.ready(other_than=before)
    assert "restart recorded, will be completed by the " in shown
    assert f"restarted: gateway is back as pid {after.identity.pid}, revision {new}" in shown
    assert after.revision == new


@everywhere
def test_by_a_chat_command_it_runs_outside_the_gateway_and_tells_all_of_it(world: World, checkout: Checkout) -> None:
    before = world.hermes.ready()
    new = checkout.release(*SOUND)
    shown = world.hermes.chat("/update")
    after = world.hermes.ready(other_than=before)
    assert after.revision == new
    assert "fetching origin" in shown
    assert f"restarted: gateway is back as pid {after.identity.pid}" in shown
    world.hermes.until(lambda: not os.listdir(in_chat.folder(world.hermes.paths)), "the end of the update's output")
    (settled,) = world.hermes.settled()
    assert not settled.intent.requester.in_tree


@everywhere
def test_a_release_that_dies_at_its_start_is_put_back(world: World, checkout: Checkout) -> None:
    before = world.hermes.ready()
    old = checkout.revision()
    checkout.release(*DIES_AT_START)
    done = world.hermes.run("update")
    assert done.returncode == 1, done.stdout
    assert "the old code was put back" in done.stderr
    after = world.hermes.ready(other_than=before)
    assert (after.revision, checkout.revision(), checkout.changes()) == (old, old, "")
    assert world.hermes.pending() == []


@pytest.mark.parametrize("world", list(OTHER_DEFINITION), indirect=True)
def test_a_release_with_other_definitions_brings_them_in(world: World, checkout: Checkout) -> None:
    before = world.hermes.ready()
    new = checkout.release(*OTHER_DEFINITION[world.name])
    done = world.hermes.run("update")
    assert done.returncode == 0, done.stderr
    world.hermes.until(lambda: not world.hermes.status()["problems"], "every definition as the new release writes it")
    after = world.hermes.ready(other_than=before)
    assert after.revision == new
    assert world.hermes.pending() == []
