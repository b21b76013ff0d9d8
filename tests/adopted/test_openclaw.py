"""openclaw adopted: exit code 0 means both, a restart may keep the process, and SIGUSR1 must never reach it.

A stand-in that speaks its contract, under the emulated launchd and a real `systemd --user`; the real one where
HERMES_TEST_OPENCLAW names its prefix.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.machines.installation import PATIENCE
from support.machines.openclaw import GIVEN, SLOW, OnLaunchd, OnSystemd, OpenClaw

pytestmark = [pytest.mark.timeout(120 * SLOW)]


@pytest.fixture(params=["launchd", "systemd"])
def openclaw(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenClaw]:
    """One that is not installed yet; nobody may have sent it SIGUSR1 at the end."""
    if request.param == "launchd":
        found: OpenClaw = OnLaunchd(tmp_path, request.getfixturevalue("make_launchd"))
    else:
        found = OnSystemd(request.getfixturevalue("user_manager"))
    yield found
    assert not found.inspected(), "SIGUSR1 has node open its inspector"


def test_a_restart_is_its_own_signal_and_ends_with_another_process(openclaw: OpenClaw) -> None:
    before = openclaw.install()
    definition = openclaw.definition()
    openclaw.adopt()
    said = openclaw.ours("-p", "openclaw", "gateway", "restart").stdout
    assert "restarted" in said
    openclaw.ready(other_than=before)
    assert [one["outcome"] for one in openclaw.intents()] == ["restarted"]
    assert openclaw.definition() == definition
    assert openclaw.status()["instance"]["state"] == "ready"


def test_a_restart_in_its_own_process_is_seen_by_its_generation_and_kills_nobody(openclaw: OpenClaw) -> None:
    before = openclaw.install(managed=False)
    openclaw.adopt()
    openclaw.until(lambda: (openclaw.answers() or {}).get("uptimeMs", 0) > 2500, "a run that is told from the next one")
    said = openclaw.ours("-p", "openclaw", "gateway", "restart").stdout
    assert "restarted" in said
    assert openclaw.ready().is_same_as(before)
    (intent,) = openclaw.intents()
    assert (intent["outcome"], intent["target"]["pid"]) == ("restarted", before.pid)
    assert openclaw.answers()["uptimeMs"] < 1000 * (time.time() - before.create_time)


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGKILL], ids=["restart", "crash"])
def test_it_comes_back_where_its_manager_does_not_start_it(openclaw: OpenClaw, number: signal.Signals) -> None:
    if openclaw.kind == "systemd" and number == signal.SIGUSR2:
        pytest.skip("with Restart=no, exit code 0 leaves the unit as a stop by hand does")
    before = openclaw.install(comes_back=False)
    openclaw.adopt()
    openclaw.signal(before, number)
    openclaw.ready(other_than=before)
    (intent,) = openclaw.until(lambda: [one for one in openclaw.intents() if one["outcome"]], "a settled intent")
    assert (intent["reason"], intent["outcome"], intent["target"]["pid"]) == ("observed", "restarted", before.pid)


def test_a_rescue_that_lets_others_go_first_waits_for_them_in_one_process(tmp_path: Path, make_launchd) -> None:
    openclaw = OnLaunchd(tmp_path, make_launchd)
    before = openclaw.install(comes_back=False)
    openclaw.adopt()
    openclaw.signal(before, signal.SIGKILL)
    openclaw.ready(other_than=before)
    lines = openclaw.log().splitlines()
    by = [{line.split()[1] for line in lines if end in line} for end in ("(manager_will_start)", "(ended_by_itself)")]
    assert by[0] == by[1], lines  # on a busy machine another one takes as long to start as its patience


def test_what_a_person_takes_down_stays_down_and_is_kept_alive_again_when_it_is_started(openclaw: OpenClaw) -> None:
    before = openclaw.install()
    openclaw.adopt()
    openclaw.unload()
    openclaw.until(lambda: not before.is_alive(), "its end")
    openclaw.until(lambda: "openclaw: it " in openclaw.log(), "the look at its end")
    assert openclaw.pid() is None
    assert openclaw.intents() == []
    after = openclaw.install(comes_back=False)
    openclaw.until(lambda: str(after.pid) in openclaw.log(), "a look at what a person has started")
    openclaw.signal(after, signal.SIGKILL)
    openclaw.ready(other_than=after)


@pytest.mark.skipif(GIVEN is not None, reason="the real one has a configuration of its own to refuse")
def test_a_configuration_that_it_refuses_is_said_and_not_tried_again(openclaw: OpenClaw) -> None:
    before = openclaw.install(comes_back=False)
    openclaw.adopt()
    openclaw.configure(broken=True)
    os.kill(before.pid, signal.SIGKILL)
    openclaw.until(lambda: "it refuses to start" in openclaw.log(), "the look at its refusal")
    status = openclaw.status()
    assert any("it refuses to start" in one["text"] for one in status["problems"])
    assert len([one for one in openclaw.intents() if one["outcome"]]) == 1


@pytest.mark.skipif(GIVEN is not None, reason="the real one runs no Python")
def test_a_restart_after_which_it_would_not_come_back_is_refused_and_leaves_it_alone(openclaw: OpenClaw) -> None:
    before = openclaw.install()
    openclaw.adopt()
    definition = Path(openclaw.status()["adopted"]["definition"])
    definition.write_text(definition.read_text().replace(sys.executable, "/nowhere/python"))
    done = openclaw.ours("-p", "openclaw", "gateway", "restart", check=False)
    assert done.returncode == 1
    assert "nothing was restarted" in done.stderr
    assert "its definition runs /nowhere/python, which is not there: install openclaw again" in done.stderr
    assert openclaw.ready().is_same_as(before)


def test_any_command_starts_a_resident_that_died_while_launchd_holds_everything_back(
    tmp_path: Path, make_launchd
) -> None:
    openclaw = OnLaunchd(tmp_path, make_launchd)
    before = openclaw.install(comes_back=False)
    openclaw.adopt()
    (resident,) = openclaw.residents()
    resident.kill()
    resident.wait(PATIENCE)
    openclaw.signal(before, signal.SIGKILL)
    openclaw.launchd.wait_for("pended", openclaw.label)
    assert openclaw.pid() is None
    said = openclaw.ours("-p", "openclaw", "gateway", "intents", "list")
    assert "the resident restarter did not run and was started" in said.stderr
    openclaw.ready(other_than=before)


def test_doctor_says_which_fact_of_the_program_file_does_not_hold_and_update_how_it_is_updated(
    tmp_path: Path, make_launchd
) -> None:
    openclaw = OnLaunchd(tmp_path, make_launchd)
    openclaw.install()
    openclaw.adopt()
    done = openclaw.ours("-p", "openclaw", "gateway", "doctor", check=False)
    assert "ok       openclaw is as its program file says" in done.stdout, done.stdout + done.stderr
    openclaw.launchd.launchctl("disable", f"{openclaw.launchd.domain}/{openclaw.label}", check=True)
    done = openclaw.ours("-p", "openclaw", "gateway", "doctor", check=False)
    assert done.returncode == 1
    assert "problem  ai.openclaw.gateway is disabled in launchd" in done.stdout
    for words, code in (("gateway", "run"), 1), (("gateway", "run", "--supervise"), 1), (("chat", "hello"), 2):
        refused = openclaw.ours("-p", "openclaw", *words, check=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (code, 1), refused.stderr
    done = openclaw.ours("-p", "openclaw", "update", check=False)
    assert done.returncode == 2
    assert "update it there, openclaw update;" in done.stderr


def test_what_status_says_of_a_resident_that_was_unloaded_mends_it(tmp_path: Path, make_launchd) -> None:
    openclaw = OnLaunchd(tmp_path, make_launchd)
    openclaw.install()
    openclaw.adopt()
    resident = f"{openclaw.launchd.domain}/dev.hermesctl.openclaw"
    openclaw.launchd.launchctl("bootout", resident, check=True)
    openclaw.launchd.wait_for("removed", "dev.hermesctl.openclaw")
    (problem,) = [one for one in openclaw.status()["problems"] if one["code"] == "restarter-missing"]
    openclaw.ours(*problem["command"][1:])
    assert openclaw.launchd.pid("dev.hermesctl.openclaw") is not None
    assert not [one for one in openclaw.status()["problems"] if one["code"].startswith("restarter")]
