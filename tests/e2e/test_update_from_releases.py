"""Every release that CHANGELOG.md names updates itself to the code at hand, and is gone back to, under every manager.

The old release's own updater brings in the work tree, its driver judges the new gateway; then the new updater brings the
old release back. What an update runs of another release is listed in `hermes_cli/jobs/__init__.py`.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.faults import cut_off
from support.machines.installation import PATIENCE, SHORT_CLOCKS, Installation
from support.machines.worlds import WORLDS, World
from support.releases import history
from support.releases.history import Release, Released
from support.releases.wheels import Environment

from hermes_cli.intents.instance import Instance

RELEASES = history.releases()
FORMER, NAME = "hermes-cli", history.project()["name"]
# What is slow on a busy machine is no release that does not start.
CONFIG = SHORT_CLOCKS.replace("start_timeout = 15", "start_timeout = 120")
every_release = pytest.mark.parametrize("release", RELEASES, ids=[one.version for one in RELEASES])


@pytest.fixture
def environment(tmp_path: Path, bare_template: Environment) -> Environment:
    """One without hermes in it."""
    return bare_template.branch(tmp_path)


def installed(environment: Environment) -> set[str]:
    """By which names hermes is installed."""
    return {path.name.partition("-")[0].replace("_", "-") for path in environment.site.glob("hermes_*.dist-info")}


def has_scripts(environment: Environment, project: dict) -> bool:
    """Whether these are the scripts that pip has put there for it."""
    scripts = {path.name for path in (environment.folder / "bin").glob("hermes*")}
    return scripts == set(project["scripts"])


def is_there(module: str) -> bool:
    """Whether this code has a module of that name."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def updated(hermes: Installation, *arguments: str) -> str:
    """An update that succeeds; what it says."""
    done = hermes.run("update", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr + hermes.log()
    return done.stdout


def at_work(world: World, before: Instance, revision: str) -> Instance:
    """The instance after an update: on this revision, nothing is left to do, it answers and restarts from inside."""
    hermes = world.hermes
    found = hermes.ready(other_than=before)
    assert found.revision == revision, hermes.log()
    hermes.until(lambda: cut_off.is_over(world), "the end of the update")
    hermes.settled()
    assert "hello" in hermes.chat("hello")
    assert "restarted: gateway is back" in hermes.chat("!hermes gateway restart")
    fresh = hermes.ready(other_than=found)
    assert fresh.revision == revision
    assert "again" in hermes.chat("again")
    return fresh


def is_sound(world: World) -> None:
    """Whether `status` and `doctor` find nothing wrong, in the end."""
    hermes = world.hermes
    hermes.without_problems()
    assert hermes.run("gateway", "status").returncode == 0
    doctor = hermes.run("gateway", "doctor")
    assert doctor.returncode == 0, doctor.stdout


@every_release
@pytest.mark.parametrize("manager", list(WORLDS))
def test_a_checkout_of_a_release_is_updated_and_gone_back_to(
    request: pytest.FixtureRequest, tmp_path: Path, environment: Environment, manager: str, release: Release
) -> None:
    checkout = Released(tmp_path / "git", release, environment)
    world = WORLDS[manager](request, interpreter=environment, config=CONFIG)
    hermes = world.hermes
    old = release.commit[:12]
    first = hermes.install()
    assert first.revision == old
    assert "hello" in hermes.chat("hello")

    new = checkout.publish_work_tree()
    updated(hermes)
    second = at_work(world, first, new)
    assert checkout.revision() == new
    hermes.until(lambda: installed(environment) == {NAME}, "the new name only")
    assert has_scripts(environment, history.project())
    is_sound(world)

    assert "rolled back" in updated(hermes, "--rollback")
    third = at_work(world, second, old)
    assert checkout.revision() == old
    assert installed(environment) == {release.project()["name"]}
    is_sound(world)

    assert "was rolled back (hermes update --rollback): hermes update --to main installs it anyway" in updated(hermes)
    third = hermes.ready()  # definitions that went back with the code may have cost a second restart
    assert third.revision == old
    updated(hermes, "--to", "main")
    at_work(world, third, new)


@every_release
@pytest.mark.parametrize("manager", list(WORLDS))
def test_what_a_gateway_of_a_release_imports_late_is_still_there(
    tmp_path: Path, manager: str, release: Release
) -> None:
    for name, data in release.files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-P", "-c", history.LATE, manager],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "HERMES_HOME": str(tmp_path / "home")},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    late = set(done.stdout.split())
    assert late, "it imports nothing late, which is well, and then this test can go"
    assert {name for name in late if not is_there(name)} == set()


@every_release
def test_a_gateway_under_which_the_code_was_changed_goes_on_and_restarts_into_it(
    request: pytest.FixtureRequest, tmp_path: Path, environment: Environment, release: Release
) -> None:
    checkout = Released(tmp_path / "git", release, environment)
    hermes = WORLDS["embedded"](request, interpreter=environment, config=CONFIG).hermes
    running = hermes.install()
    ways = (((), checkout.publish_work_tree()), (("--rollback",), release.commit[:12]))
    for options, revision in ways:
        updated(hermes, *options, "--no-restart")
        assert checkout.revision() == revision
        assert hermes.ready().identity == running.identity
        assert running.revision is not None
        assert running.revision in hermes.chat("/status")
        assert "already up to date" in hermes.chat("/update") or options
        assert f"revision {revision}" in hermes.chat("/restart")
        running = hermes.ready(other_than=running)
        assert running.revision == revision, hermes.log()
        assert "hello" in hermes.chat("hello")


@every_release
def test_a_wheel_of_a_release_takes_the_next_one_of_its_name_and_is_gone_back_to(
    request: pytest.FixtureRequest, environment: Environment, release: Release
) -> None:
    about = release.project()
    name = about["name"]
    history.publish(environment, name, release.version, release.files(), about)
    environment.pip("install", name)
    world = of_wheels(request, environment)
    first = world.hermes.install()
    assert first.revision == release.version

    history.publish(environment, name, "1.0", history.package("1.0"), history.project())
    updated(world.hermes)
    second = at_work(world, first, "1.0")
    assert (installed(environment), environment.version()) == ({name}, ["1.0"])
    assert has_scripts(environment, history.project())
    is_sound(world)

    assert "from the files of before" in updated(world.hermes, "--rollback")
    at_work(world, second, release.version)
    assert (installed(environment), environment.version()) == ({name}, [release.version])


def test_this_code_as_a_wheel_of_the_former_name_goes_on_to_the_new_one_and_back(
    request: pytest.FixtureRequest, environment: Environment
) -> None:
    history.publish(environment, FORMER, "1.0", history.package("1.0"), history.project())
    environment.pip("install", FORMER)
    world = of_wheels(request, environment)
    first = world.hermes.install()
    assert "already up to date (1.0)" in updated(world.hermes)  # the index has nothing by the new name yet
    files = environment.files()

    history.publish(environment, NAME, "1.1", history.package("1.1"), history.project())
    updated(world.hermes)
    second = at_work(world, first, "1.1")
    assert (installed(environment), environment.version()) == ({NAME}, ["1.1"])
    assert has_scripts(environment, history.project())

    updated(world.hermes, "--rollback")
    at_work(world, second, "1.0")
    assert environment.files() == files
    assert has_scripts(environment, history.project())


def test_a_wheel_of_the_former_name_is_replaced_by_hand_under_its_running_gateway(
    request: pytest.FixtureRequest, environment: Environment
) -> None:
    release = next(one for one in RELEASES if one.project()["name"] == FORMER)
    history.publish(environment, FORMER, release.version, release.files(), release.project())
    environment.pip("install", FORMER)
    world = of_wheels(request, environment)
    first = world.hermes.install()

    history.publish(environment, NAME, "1.0", history.package("1.0"), history.project())
    environment.pip("uninstall", "--yes", FORMER)
    environment.pip("install", NAME)
    for command in ("install", "restart"):
        done = world.hermes.run("gateway", command)
        assert done.returncode == 0, done.stdout + done.stderr
    second = at_work(world, first, "1.0")
    is_sound(world)
    history.publish(environment, NAME, "1.1", history.package("1.1"), history.project())
    updated(world.hermes)
    at_work(world, second, "1.1")


def of_wheels(request: pytest.FixtureRequest, environment: Environment) -> World:
    """The embedded manager, and wheels from the environment's own directory."""
    place = f'[update]\nfind_links = "{environment.wheels.folder}"\n'
    return WORLDS["embedded"](request, interpreter=environment, config=CONFIG.replace("[update]\n", place))
