"""A manager's yes is no driver that runs, and a driver that runs may do nothing (rule 12), under every manager."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from support.machines.installation import Installation
from support.machines.worlds import World, mostly

pytestmark = pytest.mark.e2e


def tear(hermes: Installation) -> None:
    """The restarter's program ends before its first line; the manager accepts every start of it."""
    program = Path(hermes.paths.restarter) / "hermes-restarter"
    program.write_text("#!/bin/sh\nexit 1\n")


def stop_driver(hermes: Installation) -> psutil.Process:
    """Stop the driver that is at work, and let the time go by in which it was to be heard of."""
    lock = Path(hermes.paths.queue.driver_lock)

    def look() -> int | None:
        try:
            return int(json.loads(lock.read_text().partition("\n")[0])["pid"])
        except (OSError, ValueError):
            return None

    hermes.until(
        lambda: any(hermes.paths.queue.progress_of(one.id).rule for one in hermes.pending()), "a driver's note"
    )
    driver = psutil.Process(hermes.until(look, "a driver's sign of life"))
    os.kill(driver.pid, signal.SIGSTOP)
    document = json.loads(lock.read_text().partition("\n")[0])
    lock.write_text(json.dumps({**document, "heard_by": 0.0}) + "\n")
    return driver


@pytest.mark.parametrize(
    ("world", "ask"),
    [
        ("launchd", ("gateway", "restart", "--no-wait")),
        ("systemd", ("chat", "/restart")),
        pytest.param("launchd", ("chat", "/restart"), marks=pytest.mark.nightly),
        pytest.param("systemd", ("gateway", "restart", "--no-wait"), marks=pytest.mark.nightly),
    ],
    indirect=["world"],
)
def test_a_restart_is_completed_though_the_restarter_dies_before_its_first_line(
    world: World, ask: tuple[str, ...]
) -> None:
    before = world.hermes.install()
    tear(world.hermes)
    done = world.hermes.run(*ask)
    assert done.returncode == 0, done.stdout + done.stderr + world.hermes.log()
    assert [one.outcome for one in world.hermes.settled()] == ["restarted"]
    world.hermes.ready(other_than=before)
    assert world.hermes.starts() == 2


@mostly("embedded", "systemd")
def test_a_driver_that_is_stopped_is_shown_and_the_next_command_has_another_go_on(world: World) -> None:
    before = world.hermes.install()
    let_go = world.hermes.busy()
    assert world.hermes.run("gateway", "restart", "--no-wait").returncode == 0
    driver = stop_driver(world.hermes)
    done = world.hermes.run("gateway", "status")
    assert "a restart is pending" in done.stderr
    let_go()
    assert [one.outcome for one in world.hermes.settled()] == ["restarted"]
    world.hermes.ready(other_than=before)
    psutil.wait_procs([driver], timeout=0)
    assert not driver.is_running() or driver.status() == psutil.STATUS_ZOMBIE
