"""An adopted program that says that it leaves long before it has: whoever is to start it again is ready at its end."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_emulator.emulator import Launchd
from support.machines.leaver import LABEL, Leaver
from support.models import says_and_leaves

pytestmark = [pytest.mark.timeout(120)]


def test_a_look_is_at_work_before_the_end_and_acts_at_it(tmp_path: Path, make_launchd: Callable[..., Launchd]) -> None:
    machine = Leaver(tmp_path, make_launchd)
    machine.adopt()
    launchd = machine.launchd
    launchd.knob(on_demand_only=True, on_demand_holds="all")
    asked = launchd.mark()
    pid = launchd.pid(LABEL)
    assert pid is not None
    os.kill(pid, signal.SIGUSR1)
    launchd.wait_for("request", after=asked)  # all that a rescue imports is there when launchd is asked
    (look,) = machine.looks()
    assert launchd.pid(LABEL) == pid
    (machine.home / says_and_leaves.LEAVE).touch()
    launchd.wait_for("spawn", LABEL, after=asked)
    machine.until(lambda: not machine.looks(), "the end of the restart")
    said = json.loads(machine.ours("-p", "leaver", "gateway", "intents", "list", "--json"))
    (intent,) = said["intents"]
    assert (intent["reason"], intent["outcome"], intent["requester"]["pid"]) == ("observed", "restarted", look), intent


def test_what_a_person_has_booted_out_comes_back_once_that_is_chosen(
    tmp_path: Path, make_launchd: Callable[..., Launchd]
) -> None:
    machine = Leaver(tmp_path, make_launchd)
    machine.adopt()
    launchd = machine.launchd
    asked = launchd.mark()
    (machine.home / says_and_leaves.LEAVE).touch()
    launchd.launchctl("bootout", f"{launchd.domain}/{LABEL}", check=True)
    machine.until(lambda: "a person has booted it out" in machine.log(), "the look at its end")
    machine.until(lambda: not machine.looks(), "its end")
    machine.adopt("--unloaded", "bring-back")
    launchd.wait_for("spawn", LABEL, after=asked)


def test_of_what_is_uninstalled_no_mend_is_named_that_would_be_refused(
    tmp_path: Path, make_launchd: Callable[..., Launchd]
) -> None:
    machine = Leaver(tmp_path, make_launchd)
    machine.adopt()
    (machine.home / says_and_leaves.LEAVE).touch()
    machine.launchd.launchctl("bootout", f"{machine.launchd.domain}/{LABEL}", check=True)
    (machine.user / "Library" / "LaunchAgents" / f"{LABEL}.plist").unlink()
    for command in "status", "doctor", "restart":
        said = machine.ours("-p", "leaver", "gateway", command, check=False)
        assert "install it again with its own command, or hermes -p leaver gateway release" in said
        assert "gateway install" not in said
