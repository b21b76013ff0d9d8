"""A release that works at first and then dies again and again goes back by itself, under every service manager."""

import json
import os
from pathlib import Path

import pytest
from checkout import Checkout, git
from installation import SHORT_CLOCKS, Installation
from wheels import NEEDED, Environment, Wheels
from worlds import WORLDS, World

from hermes_cli.update import journal
from hermes_cli.update.journal import Journal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
PATIENCE = 120.0  # seconds: several crashes, with the managers' pauses between starts, and pip
RUN = "hermes_cli/gateway/run.py"
SUCCEEDED = (
    "os.path.isdir(self._paths.updates) and any(one.endswith('.json') for one in os.listdir(self._paths.updates))"
)
# Once the update has its receipt, every gateway on this release ends a second after it was ready: stay_ready is less.
DIES_LATER = (
    RUN,
    "        await self._ending.wait()\n",
    f"""        async def die():
            while not ({SUCCEEDED}):
                await asyncio.sleep(0.1)
            await asyncio.sleep(1.0)
            os._exit(9)

        self._spawn(die())
        await self._ending.wait()
""",
)
# The same, and whoever comes after it does not even become ready any more.
DIES_AND_NEVER_STARTS_AGAIN = (
    RUN,
    "        try:\n            await self._open()\n",
    f"        if {SUCCEEDED}:\n            os._exit(9)\n        try:\n            await self._open()\n",
)
everywhere = pytest.mark.parametrize("name", list(WORLDS))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "git")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the first release, installed by pip."""
    folder = tmp_path_factory.mktemp("wheels")
    wheels = Wheels(folder / "wheels")
    for name in NEEDED:
        wheels.repack(name)
    wheels.release("1.0")
    made = Environment.make(folder / "environment", wheels)
    made.pip("install", "hermes-cli")
    return made


@pytest.fixture
def environment(tmp_path: Path, template: Environment) -> Environment:
    wheels = Wheels(tmp_path / "wheels of 'hermes'")
    for path in template.wheels.folder.iterdir():
        os.link(path, wheels.folder / path.name)
    return template.copy(tmp_path / "ünvironment", wheels)


def of_wheels(world: World, environment: Environment) -> World:
    """The same world, with hermes in that environment instead of a checkout."""
    world.hermes.code, world.hermes.interpreter, world.hermes.python = None, None, environment.python
    links = f"[update]\nfind_links = {json.dumps(str(environment.wheels.folder))}\n"
    (world.hermes.home / "config.toml").write_text(SHORT_CLOCKS.replace("[update]\n", links))
    return world


def rolled_back(hermes: Installation) -> Journal:
    """The receipt of the rollback, once it is there."""

    def look() -> Journal | None:
        newest = next(journal.receipts(hermes.paths), None)
        return newest if newest is not None and newest.rolls_back else None

    return hermes.until(look, "the receipt of a rollback", PATIENCE)


def ends_well(hermes: Installation, old: str | None, bad: str) -> None:
    """The old release runs, nothing is pending, and everybody who asks is told."""
    receipt = rolled_back(hermes)
    assert (receipt.outcome, receipt.new_shown, receipt.old_shown) == ("restarted", old, bad), hermes.log()
    after = hermes.until(lambda: (now := hermes.ready()).revision == old and now, "the old release")
    assert hermes.chat("!sleep 1.5; echo alive") == "alive\n"  # longer than a gateway on the bad one lived
    assert hermes.ready().identity == after.identity
    assert hermes.pending() == []
    assert [one["code"] for one in hermes.status()["problems"]] == ["rolled-back"]
    newest, oldest = hermes.run("update", "--history").stdout.splitlines()
    assert f"{bad} → {old}" in newest
    assert ", by gateway, after 3 crashes" in newest
    assert f"{old} → {bad}" in oldest
    assert f"{bad} was rolled back (gateway, after 3 crashes)" in hermes.run("update").stdout
    assert hermes.ready().identity == after.identity


@everywhere
def test_a_checkout_whose_release_dies_after_the_update_goes_back(
    request: pytest.FixtureRequest, name: str, checkout: Checkout
) -> None:
    hermes = WORLDS[name](request, code=checkout.path).hermes
    old = hermes.install().revision
    bad = checkout.release(*DIES_LATER)
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr + hermes.log()
    ends_well(hermes, old, bad)
    assert (checkout.revision(), checkout.changes()) == (old, "")
    assert git(checkout.path, "symbolic-ref", "--short", "HEAD") == "main"
    mended = checkout.release(RUN, DIES_LATER[2], DIES_LATER[1])
    assert hermes.run("update").returncode == 0
    assert hermes.ready().revision == checkout.revision() == mended
    assert hermes.status()["problems"] == []


@everywhere
def test_a_wheel_whose_release_dies_after_the_update_goes_back(
    request: pytest.FixtureRequest, name: str, environment: Environment
) -> None:
    hermes = of_wheels(WORLDS[name](request), environment).hermes
    files = environment.files()
    assert hermes.install().revision == "1.0"
    environment.wheels.release("1.1", DIES_LATER)
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr + hermes.log()
    ends_well(hermes, "1.0", "1.1")
    assert environment.version() == ["1.0"]
    assert environment.files() == files


@everywhere
def test_a_release_that_does_not_start_again_goes_back_although_no_gateway_lives_long_enough_to_see_it(
    request: pytest.FixtureRequest, name: str, checkout: Checkout
) -> None:
    hermes = WORLDS[name](request, code=checkout.path).hermes
    old = hermes.install().revision
    bad = checkout.release(*DIES_AND_NEVER_STARTS_AGAIN)
    assert hermes.run("update").returncode == 0
    hermes.until(lambda: next(journal.receipts(hermes.paths), None), "the receipt of the update")
    now = hermes.ready()
    os.kill(now.identity.pid, 9)
    ends_well(hermes, old, bad)
