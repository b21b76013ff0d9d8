"""The report's case, and the life of an installation, on a real Mac: `pytest -m macos`, as the user who is logged in.

HERMES_TEST_ANY_LAUNCHD=1 runs it wherever there is a `launchctl` on PATH, an emulated one for instance: that is how the
tests themselves are tested (tests/macos/test_mac_tests.py).
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.machines.installation import SHORT_CLOCKS
from support.machines.real_mac import RealMac

from hermes_cli.intents.instance import Instance

pytestmark = [
    pytest.mark.macos,
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        sys.platform != "darwin" and not os.environ.get("HERMES_TEST_ANY_LAUNCHD"),
        reason="needs a Mac with its launchd",
    ),
]


@pytest.fixture
def mac(tmp_path: Path) -> Iterator[RealMac]:
    """A profile of its own; refused where its labels are loaded already."""
    if sys.platform == "darwin" and os.getuid() == 0:
        pytest.fail("run these tests as the user who is logged in, without sudo")
    made = RealMac(tmp_path)
    yield made
    made.close()


def ask_from_inside(mac: RealMac, command: str) -> None:
    """Have the agent's terminal run it, and kill the asking client as soon as the record is there."""
    asking = mac.start("chat", f"!{command}")
    mac.until(lambda: mac.pending() or mac.ever_settled(), "the record")
    asking.send_signal(signal.SIGKILL)
    asking.wait()


def assert_came_back(mac: RealMac, before: Instance) -> Instance:
    (settled,) = mac.settled()
    assert settled.outcome == "restarted"
    fresh = mac.ready(other_than=before)
    assert mac.supervised(fresh)
    return fresh


def assert_came_back_once(mac: RealMac, before: Instance) -> Instance:
    fresh = assert_came_back(mac, before)
    assert mac.starts() == 2
    return fresh


def test_install_loads_both_jobs_and_the_gateway_is_launchds(mac: RealMac) -> None:
    first = mac.install()
    assert mac.supervised(first)
    assert mac.domain_of(mac.restarter) == mac.domain_of(mac.label)
    status = mac.status()
    assert status["service"]["label"] == mac.label
    assert status["restarter"]["state"] in {"loaded", "running"}
    assert status["problems"] == []


def test_a_restart_asked_for_inside_the_gateway_completes_with_its_asker_dead(mac: RealMac) -> None:
    before = mac.install()
    ask_from_inside(mac, "hermes gateway restart")
    assert_came_back_once(mac, before)
    assert mac.ever_settled()[0].intent.requester.in_tree


def test_it_completes_without_a_restarter(mac: RealMac) -> None:
    before = mac.install()
    mac.unload(mac.restarter)
    ask_from_inside(mac, "hermes gateway restart")
    # A driver of the asker's own, or launchd at the exiting gateway's request; the next command settles at the latest.
    fresh = mac.ready(other_than=before)
    assert mac.supervised(fresh)
    assert mac.run("gateway", "status").returncode == 0
    assert_came_back_once(mac, before)


def test_a_restart_from_a_shell_waits_for_the_fresh_gateway(mac: RealMac) -> None:
    before = mac.install()
    done = mac.run("gateway", "restart")
    fresh = assert_came_back_once(mac, before)
    assert done.stdout.startswith(f"restarted: pid {fresh.identity.pid}")


def test_a_killed_gateway_is_started_again_by_launchd(mac: RealMac) -> None:
    before = mac.install()
    mac.launchctl("kill", "KILL", f"{mac.domain_of(mac.label)}/{mac.label}")
    fresh = mac.ready(other_than=before)
    assert mac.supervised(fresh)


def test_stop_unloads_it_and_start_brings_it_back(mac: RealMac) -> None:
    before = mac.install()
    assert mac.run("gateway", "stop").stdout == "stopped\n"
    mac.gone(before.identity)
    assert mac.domain_of(mac.label) is None
    assert mac.run("gateway", "status").returncode == 3
    assert mac.run("gateway", "start").returncode == 0
    assert mac.supervised(mac.ready(other_than=before))


def test_a_changed_definition_is_loaded_from_outside_when_asked_for_inside(mac: RealMac) -> None:
    before = mac.install()
    old = mac.shown(mac.label, "exit timeout")
    mac.configure(SHORT_CLOCKS.replace("stop_timeout = 2", "stop_timeout = 7"))
    ask_from_inside(mac, "hermes gateway install")
    # KeepAlive may have started it under the old definition once more, before that was unloaded.
    assert_came_back(mac, before)
    new = mac.shown(mac.label, "exit timeout")
    assert old is not None
    assert new is not None
    assert int(new) == int(old) + 5


def test_uninstall_leaves_nothing_in_launchd_or_its_folder(mac: RealMac) -> None:
    before = mac.install()
    assert mac.run("gateway", "uninstall").stdout == "uninstalled\n"
    mac.gone(before.identity)
    assert [mac.domain_of(label) for label in mac.labels] == [None, None]
    assert [mac.plist(label).exists() for label in mac.labels] == [False, False]
    assert mac.run("gateway", "status").returncode == 4


def test_a_label_that_is_there_already_is_left_alone(mac: RealMac, tmp_path: Path) -> None:
    mac.install()
    with pytest.raises(RuntimeError, match="is there already"):
        RealMac(tmp_path / "another")
    assert mac.supervised(mac.ready())
