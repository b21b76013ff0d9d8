"""Updates that are cut off: at which step, in which way, and what may become of them."""

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from hermes_cli.installation import copy
from hermes_cli.intents import request
from hermes_cli.intents.queue import Queue
from hermes_cli.restart import send
from hermes_cli.update import change, proof
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources.git.source import WorkTree
from hermes_cli.update.sources.wheel.source import SitePackages
from support.faults.places import Place, all_of, fault, on_call, on_return
from support.machines import worlds
from support.machines.installation import end_processes_below
from support.machines.worlds import World
from support.releases.changes import DIES_AT_START, Source
from support.releases.checkout import Checkout
from support.releases.wheels import Environment

UPDATER, DRIVER, PIP = "hermes_cli update", "hermes_cli.restarter", "pip install --quiet"
WAYS = {"kill": "SIGKILL", "int": "Ctrl-C", "hup": "closed terminal", "full": "full disk"}


class Step(NamedTuple):
    """Where `who` is cut off."""

    text: str
    place: Place
    who: str = UPDATER
    broken: bool = False  # the release proves to be sound and does not start


def steps(source: str) -> list[Step]:
    """The steps of an update, in their order."""
    package = WorkTree if source == "git" else SitePackages
    found = [
        Step("before anything is written", on_call(copy.keep)),
        Step("the restarter's copy is made", on_return(copy.keep)),
        Step("the journal is written", on_return(Journal.write)),
        Step("the intent is recorded", on_return(request.submit)),
        Step("before the code changes", on_call(package.change)),
        Step("the code has changed", on_return(package.change)),
        Step("while it is proven", on_call(proof.failure)),
        Step("it is proven", on_return(change.apply)),
        Step("before the gateway is signalled", on_call(send.begin)),
        Step("while the outcome is awaited", on_return(send.begin)),
        Step("the driver, before the outcome", on_call(Queue.settle), DRIVER),
        Step("the driver, after the outcome", on_return(Queue.settle), DRIVER),
        Step("a bad release: before the old code is back", on_call(package.put_back), DRIVER, broken=True),
        Step("a bad release: after the old code is back", on_return(package.put_back), DRIVER, broken=True),
        Step("a bad release: before the outcome", on_call(Queue.settle), DRIVER, broken=True),
    ]
    if source == "wheel":
        uninstall = "pip._internal.req.req_install:InstallRequirement.uninstall"
        install = "pip._internal.operations.install.wheel:_install_wheel"
        found[5:5] = [
            Step("pip and its updater, the old files are moved away", Place("after", uninstall), PIP),
            Step("pip and its updater, the new files are there", Place("after", install), PIP),
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
    faults = [fault(way, step.place, struck, step.who)]
    if step.who == PIP:  # and who would tidy up after it
        faults.append(fault("kill", change.put_back, program=UPDATER))
    source.interpreter.strike(all_of(*faults))
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
