"""A gateway's log stays within its bound while it runs, under every service manager, its raw output included."""

import os
import shutil
import signal
import sys

import pytest
from support.machines.installation import SHORT_CLOCKS
from support.machines.worlds import World

from hermes_cli.system import log_file

pytestmark = pytest.mark.e2e
SIZE, FILES = 8192, 3


def size(path: str) -> int:
    """Its size; 0 while it is moved aside."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


@pytest.mark.skipif(sys.platform != "linux", reason="reaches another process's output by /proc")
def test_what_a_gateway_prints_past_its_logger_is_bounded_while_it_runs(world: World) -> None:
    (world.hermes.home / "config.toml").write_text(f"{SHORT_CLOCKS}\n[log]\nsize = {SIZE}\nfiles = {FILES}\n")
    running = world.hermes.install()
    log = world.hermes.paths.gateway_log
    for number in range(8):
        world.hermes.chat(f"!seq -f '%0999.0f' 1 9 >> /proc/$PPID/fd/2; echo round {number} >> /proc/$PPID/fd/2")
        os.kill(running.identity.pid, signal.SIGHUP)  # it has something to say
        world.hermes.until(lambda: size(log) <= SIZE, "a rotation")
        assert sum(map(size, [log, *(f"{log}.{one}" for one in range(1, 9))])) <= (FILES + 1) * SIZE + 10_000
    shown = world.hermes.run("gateway", "logs").stdout.splitlines()
    assert "round 7" in shown  # descriptor 2 has followed every rotation
    assert len(log_file.files(log)) == FILES


def test_without_the_directory_of_logs_a_restart_comes_back_and_logs_again(world: World) -> None:
    """209/STDOUT and exit 78 of launchd: neither job needs what only `install` has made."""
    before = world.hermes.install()
    shutil.rmtree(world.hermes.paths.logs)
    done = world.hermes.run("gateway", "restart")
    assert done.stdout.startswith("restarted"), done.stderr
    fresh = world.hermes.ready(other_than=before)
    world.hermes.until(lambda: f"[{fresh.identity.pid}]" in world.hermes.log(), "its log")
