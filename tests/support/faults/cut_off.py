"""Updates that are cut off: at which step, in which way, and what may become of them."""

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from support.machines import worlds
from support.machines.installation import end_processes_below, fault
from support.machines.worlds import World
from support.releases.changes import DIES_AT_START, Source
from support.releases.checkout import Checkout
from support.releases.wheels import Environment

UPDATER, DRIVER, PIP = "hermes_cli update", "hermes_cli.restarter", "pip install --quiet"
WAYS = {"kill": "SIGKILL", "int": "Ctrl-C", "hup": "closed terminal", "full": "full disk"}


class Step(NamedTuple):
    """`when` and `where` as tests/faults names them; `who` is cut off."""

    text: str
    when: str
    where: str
    who: str = UPDATER
    broken: bool = False  # the release proves to be sound and does not start


def steps(source: str) -> list[Step]:
    """The steps of an update, in their order."""
    package = f"hermes_cli.update.sources.{'git.source:WorkTree' if source == 'git' else 'wheel.source:SitePackages'}"
    found = [
        Step("before anything is written", "before", "hermes_cli.installation.copy:keep"),
        Step("the restarter's copy is made", "after", "hermes_cli.installation.copy:keep"),
        Step("the journal is written", "after", "hermes_cli.update.journal:Journal.write"),
        Step("the intent is recorded", "after", "hermes_cli.intents.request:submit"),
        Step("before the code changes", "before", f"{package}.change"),
        Step("the code has changed", "after", f"{package}.change"),
        Step("while it is proven", "before", "hermes_cli.update.proof:failure"),
        Step("it is proven", "after", "hermes_cli.update.change:apply"),
        Step("before the gateway is signalled", "before", "hermes_cli.restart.ask:begin"),
        Step("while the outcome is awaited", "after", "hermes_cli.restart.ask:begin"),
        Step("the driver, before the outcome", "before", "hermes_cli.intents.queue:Queue.settle", DRIVER),
        Step("the driver, after the outcome", "after", "hermes_cli.intents.queue:Queue.settle", DRIVER),
        Step("a bad release: before the old code is back", "before", f"{package}.put_back", DRIVER, broken=True),
        Step("a bad release: after the old code is back", "after", f"{package}.put_back", DRIVER, broken=True),
        Step(
            "a bad release: before the outcome", "before", "hermes_cli.intents.queue:Queue.settle", DRIVER, broken=True
        ),
    ]
    if source == "wheel":
        uninstall = "pip._internal.req.req_install:InstallRequirement.uninstall"
        install = "pip._internal.operations.install.wheel:_install_wheel"
        found[5:5] = [
            Step("pip and its updater, the old files are moved away", "after", uninstall, PIP),
            Step("pip and its updater, the new files are there", "after", install, PIP),
        ]
    return found


def cut_off(folder: Path, manager: str, kind: str, step: Step, way: str, template: Environment) -> str:
    """One update in a world of its own that is cut off; what became of it. Raises AssertionError."""
    with ExitStack() as stack:
        stack.callback(end_processes_below, folder)
        source: Source = Checkout(folder / "git") if kind == "git" else template.branch(folder)
        world = worlds.make(manager, folder, stack, source.interpreter)
        return end_of(world, source, step, way)


def end_of(world: World, source: Source, step: Step, way: str) -> str:
    """Update, be cut off, and say which of the allowed states it ends in. Raises AssertionError."""
    hermes = world.hermes
    before = hermes.install()
    old = source.revision()
    new = source.release(*(DIES_AT_START if step.broken else ()))
    struck = hermes.home / "struck"
    faults = json.loads(fault(way, step.where, step.when, struck, step.who))
    if step.who == PIP:  # and who would tidy up after it
        faults += json.loads(fault("kill", "hermes_cli.update.change:put_back", program=UPDATER))
    source.interpreter.strike(json.dumps(faults))
    since = time.monotonic()
    hermes.run("update")
    assert struck.exists(), "it was not cut off"
    hermes.until(lambda: is_at_rest(world), "rest")
    by = "" if is_over(world) else ", by the next command"
    hermes.run("gateway", "status")  # which is that command
    hermes.until(lambda: is_over(world), "no journal")
    after = hermes.ready()
    took = time.monotonic() - since
    installed = source.revision()
    assert after.revision == installed, f"the gateway runs {after.revision}, installed is {installed}"
    status = hermes.run("gateway", "status", "--json")
    assert status.returncode == 0, status.stdout
    assert json.loads(status.stdout)["pending"] == []
    assert json.loads(status.stdout)["instance"]["ready"] is True
    same = after.identity == before.identity
    if step.broken:
        assert installed == old, "the bad release is installed"
        return f"old code, restarted, failed ({took:.0f} s{by})"
    assert installed in {old, new}
    assert (installed == new) != same, "new code without a restart" if same else "old code, and a restart"
    return f"{'new code, restarted' if installed == new else 'old code, untouched'} ({took:.0f} s{by})"


def is_at_rest(world: World) -> bool:
    """Whether nothing is pending and nobody is at it any more; the embedded manager looks by itself what else there is."""
    if world.hermes.pending():
        return False
    return is_over(world) or (world.name != "embedded" and world.call("restarter")["state"] == "loaded")


def is_over(world: World) -> bool:
    """Whether no update is under way."""
    under_way = world.hermes.paths.updates_under_way
    return not os.path.isdir(under_way) or not os.listdir(under_way)
