"""Whatever is killed, stopped, masked or failed under systemd, the restart is carried out."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.faults.gates import Gate
from support.machines.installation import PATIENCE, REPOSITORY, Installation, all_of, fault
from support.machines.interpreter import Interpreter
from support.machines.user_manager import UserManager

from hermes_cli.intents import request
from hermes_cli.system import locks, process

pytestmark = pytest.mark.e2e
SERVICE, RESTARTER, WATCH = (
    "hermes-gateway.service",
    "hermes-gateway-restarter.service",
    "hermes-gateway-restarter.path",
)
SECONDS = 10.0


def struck(hermes: Installation, step: str, program: str = "") -> str:
    """A fault that strikes the first process of that program to come by."""
    when, where = step.split()
    return fault("kill", where, when, hermes.home / "struck", program)


def is_restarted_once(hermes: Installation) -> None:
    (settled,) = hermes.settled()
    assert (settled.outcome, hermes.starts()) == ("restarted", 2)


# --- the participants


@pytest.mark.parametrize(
    "step",
    [
        "after hermes_cli.intents.request:submit",
        "after hermes_cli.restart.ask:signal_target",
        "after hermes_cli.restart.ask:begin",
    ],
)
def test_a_requester_killed_once_its_record_is_durable(hermes: Installation, step: str) -> None:
    before = hermes.install()
    done = hermes.run("gateway", "restart", fault=struck(hermes, step))
    assert done.returncode == -signal.SIGKILL
    hermes.ready(other_than=before)
    is_restarted_once(hermes)


@pytest.mark.parametrize(
    "step",
    [
        "before hermes_cli.gateway.drain:Drain.wait",
        "before hermes_cli.gateway.exit:leave",
        "after hermes_cli.gateway.lifecycle:Lifecycle.exited",
        "after hermes_cli.gateway.run:Gateway._poke",
    ],
)
def test_a_gateway_killed_on_its_way_out(hermes: Installation, step: str) -> None:
    before = hermes.install()
    assert hermes.interpreter is not None
    hermes.interpreter.strike(struck(hermes, step, "gateway run"))
    process.send(before.identity, signal.SIGKILL)  # a fresh one, which the fault can strike
    doomed = hermes.ready(other_than=before)
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")
    hermes.until((hermes.home / "struck").exists, "the blow")  # it may come after the answer
    hermes.ready(other_than=doomed)
    (settled,) = hermes.settled()
    assert (settled.outcome, hermes.starts()) == ("restarted", 3)


@pytest.mark.parametrize(
    "step",
    [
        "before hermes_cli.intents.driver:Driver.run",
        "after hermes_cli.intents.driver:Driver._observe",
        "before hermes_cli.intents.driver:Driver._wait",
        "before hermes_cli.services.systemd.manager:Systemd.demand_start",
        "after hermes_cli.services.systemd.manager:Systemd.demand_start",
        "before hermes_cli.intents.queue:Queue.settle",
        "after hermes_cli.intents.queue:Queue.settle",
    ],
)
def test_a_driver_killed_at_any_of_its_steps(hermes: Installation, gate: Callable[[str], Gate], step: str) -> None:
    before = hermes.install()
    assert hermes.interpreter is not None
    starting = gate("starting")
    holds_up = fault(f"gate:{starting.place}", "hermes_cli.gateway.run:main")
    hermes.interpreter.strike(all_of(struck(hermes, step, "hermes_cli.restarter"), holds_up))
    asking = hermes.start("chat", "!hermes gateway restart")
    starting.reached()
    if "settle" not in step:  # a driver that comes late would find a fresh instance, and have nothing to do but settle
        hermes.until((hermes.home / "struck").exists, "the blow")
    starting.open()
    hermes.until((hermes.home / "struck").exists, "the blow")
    asking.communicate(timeout=PATIENCE)
    assert asking.returncode == 0
    hermes.ready(other_than=before)
    is_restarted_once(hermes)


def test_the_restarter_killed_with_its_whole_cgroup_while_the_gateway_drains(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    assert user_manager.systemctl("kill", "--signal", "KILL", RESTARTER).returncode == 0
    release()
    hermes.ready(other_than=before)
    is_restarted_once(hermes)


def test_a_gateway_stopped_in_its_tracks_is_ended_by_the_driver(hermes: Installation) -> None:
    config = hermes.home / "config.toml"
    config.write_text(config.read_text().replace("drain_timeout = 20", "drain_timeout = 1"))
    before = hermes.install()
    os.kill(before.identity.pid, signal.SIGSTOP)
    done = hermes.run("gateway", "restart")
    after = hermes.ready(other_than=before)
    assert done.stdout.startswith(f"restarted: pid {after.identity.pid}")


def test_a_gateway_whose_event_loop_is_stuck_is_ended_by_the_watchdog(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.change(SERVICE, "[Service]", "WatchdogSec=3")
    hermes.run("gateway", "restart")  # the watchdog's time is given to a process at its start
    watched = hermes.ready(other_than=before)
    os.kill(watched.identity.pid, signal.SIGSTOP)
    user_manager.change(SERVICE, "[Service]", "WatchdogSec=3", "TimeoutAbortSec=1")  # a stopped process ends by SIGKILL
    hermes.ready(other_than=watched)
    assert user_manager.show(SERVICE, "NRestarts") == "1"


# --- the units


def test_older_units_with_a_long_pause_are_back_at_once_also_after_a_crash(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.change(SERVICE, "[Service]", "RestartSec=60")
    process.send(before.identity, signal.SIGKILL)
    hermes.until(lambda: user_manager.show(SERVICE, "SubState") == "auto-restart", "a pending start of systemd's own")
    assert hermes.status()["service"]["state"] == "stopped"
    done = hermes.run("gateway", "restart")
    assert done.stdout.startswith(f"restarted: pid {hermes.ready().identity.pid}"), done.stderr
    assert hermes.settled()[0].took < SECONDS


def test_start_does_not_wait_for_a_long_pause_either(hermes: Installation, user_manager: UserManager) -> None:
    before = hermes.install()
    user_manager.change(SERVICE, "[Service]", "RestartSec=60")
    process.send(before.identity, signal.SIGKILL)
    hermes.until(lambda: user_manager.show(SERVICE, "SubState") == "auto-restart", "a pending start of systemd's own")
    assert hermes.run("gateway", "start").stdout.startswith("ready, pid ")


def test_a_gateway_at_its_start_limit_is_restarted(hermes: Installation, user_manager: UserManager) -> None:
    before = hermes.install()
    user_manager.change(SERVICE, "[Unit]", "StartLimitIntervalSec=600", "StartLimitBurst=1")
    process.send(before.identity, signal.SIGKILL)
    process.send(hermes.ready(other_than=before).identity, signal.SIGKILL)
    hermes.until(lambda: user_manager.show(SERVICE, "ActiveState") == "failed", "the start limit")
    (down,) = (one for one in hermes.status()["problems"] if one["code"] == "down")
    assert "killed by SIGKILL" in down["text"]
    done = hermes.run("gateway", "restart")
    assert done.stdout.startswith(f"restarted: pid {hermes.ready().identity.pid}"), done.stderr


def test_a_stopped_watch_is_shown_and_the_restart_needs_it_not_and_starts_it_again(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.systemctl("stop", WATCH)
    assert [one["code"] for one in hermes.status()["problems"]] == ["restarter-watch"]
    hermes.chat("!hermes gateway restart")
    hermes.ready(other_than=before)
    is_restarted_once(hermes)
    assert hermes.status()["problems"] == []


def test_a_failed_watch_is_shown_and_the_restart_needs_it_not_and_starts_it_again(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    unit = user_manager.units / RESTARTER
    text = unit.read_text()
    user_manager.mask(RESTARTER)
    record = request.compose(hermes.paths.profile, reason="manual", command="test", target=None, in_tree=False)
    request.submit(hermes.paths.intents, record)  # what the watch cannot start, it fails of
    hermes.until(lambda: user_manager.show(WATCH, "ActiveState") == "failed", "a failed watch")
    os.unlink(f"{hermes.paths.pending}/{record['id']}.json")
    unit.unlink()
    unit.write_text(text)
    user_manager.load()
    assert [one["code"] for one in hermes.status()["problems"]] == ["restarter-watch"]
    hermes.chat("!hermes gateway restart")
    hermes.ready(other_than=before)
    is_restarted_once(hermes)
    assert user_manager.show(WATCH, "ActiveState") == "active"


def test_a_restarter_stopped_by_hand_while_the_gateway_drains_is_started_again(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    user_manager.systemctl("stop", RESTARTER)
    release()
    hermes.ready(other_than=before)
    is_restarted_once(hermes)


def test_with_a_masked_restarter_the_gateway_has_systemd_itself_complete_its_exit(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.change(SERVICE, "[Service]", "Restart=no", "RestartForceExitStatus=")
    user_manager.mask(RESTARTER)
    process.send(before.identity, signal.SIGUSR1)  # and no command that would look
    hermes.ready(other_than=before)


def test_a_masked_restarter_is_shown_a_restart_needs_it_not_and_install_mends_it(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.mask(RESTARTER)
    assert "restarter-disabled" in [one["code"] for one in hermes.status()["problems"]]
    hermes.chat("!hermes gateway restart")
    hermes.ready(other_than=before)
    is_restarted_once(hermes)
    assert hermes.run("gateway", "install").returncode == 0
    assert hermes.status()["problems"] == []


def test_another_driver_at_work_is_waited_for_and_nothing_is_started_again_and_again(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    lock = locks.take(hermes.paths.queue.driver_lock)
    assert lock is not None
    hermes.run("gateway", "restart", "--no-wait")
    hermes.until(lambda: user_manager.show(RESTARTER, "SubState") == "start", "a restarter that waits")
    first = user_manager.show(RESTARTER, "InvocationID")
    hermes.ready(other_than=before)  # started by systemd after its RestartSec: nobody drives
    assert user_manager.show(RESTARTER, "InvocationID") == first
    assert hermes.pending()
    lock.release()
    is_restarted_once(hermes)


# --- the manager


def test_the_user_manager_killed_between_record_and_restart_and_started_again(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    user_manager.kill()
    user_manager.start()
    hermes.ready(other_than=before)
    is_restarted_once(hermes)


def test_the_user_manager_killed_alone_takes_the_gateway_in_hand_when_it_is_back(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.kill_alone()
    user_manager.start()  # its gateway finds the lock held, and systemd clears the cgroup when that one has given up
    after = hermes.ready(other_than=before)
    hermes.gone(before.identity)
    assert user_manager.show(SERVICE, "MainPID") == str(after.identity.pid)
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")


def test_a_stop_survives_the_next_login_and_a_start_does_too(hermes: Installation, user_manager: UserManager) -> None:
    before = hermes.install()
    hermes.run("gateway", "stop")
    user_manager.kill()
    user_manager.start()
    assert hermes.run("gateway", "status").returncode == 3
    assert hermes.run("gateway", "start").returncode == 0
    started = hermes.ready(other_than=before)
    user_manager.kill()
    user_manager.start()
    hermes.ready(other_than=started)


# --- the code


@pytest.fixture
def broken(
    tmp_path: Path, user_manager: UserManager, make_installation: Callable[..., Installation]
) -> tuple[Installation, Path]:
    """An installation whose code can be broken, and that code."""
    code = tmp_path / "code"
    shutil.copytree(REPOSITORY / "hermes_cli", code / "hermes_cli", ignore=shutil.ignore_patterns("__pycache__"))
    interpreter = Interpreter(tmp_path / "python", code)
    made = make_installation(code=code, manager="systemd", variables=user_manager.variables, interpreter=interpreter)
    return made, code / "hermes_cli"


def test_code_that_crashes_at_import_is_settled_as_failed_with_its_exit_and_rests(
    broken: tuple[Installation, Path], user_manager: UserManager
) -> None:
    hermes, code = broken
    hermes.install()
    sound = (code / "gateway" / "run.py").read_text()
    (code / "gateway" / "run.py").write_text('raise ImportError("a bad day")\n')
    done = hermes.run("gateway", "restart")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("failed: no ready gateway after ")
    assert "exited 1" in done.stderr
    hermes.until(lambda: user_manager.show(SERVICE, "ActiveState") == "failed", "rest")
    crashes = hermes.log().count("ImportError: a bad day")
    assert crashes <= 5 + 2 * int(user_manager.show(SERVICE, "StartLimitBurst"))
    (down,) = (one for one in hermes.status()["problems"] if one["code"] == "down")
    assert "crash loop: exited 1" in down["text"]
    (code / "gateway" / "run.py").write_text(sound)
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")


def test_while_no_python_can_drive_the_script_demands_the_start_and_keeps_the_record(
    broken: tuple[Installation, Path], user_manager: UserManager
) -> None:
    hermes, code = broken
    before = hermes.install()
    os.unlink(f"{hermes.paths.restarter}/lib")  # nor is there a copy that could
    user_manager.change(SERVICE, "[Service]", "Restart=no", "RestartForceExitStatus=")
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    user_manager.systemctl("stop", RESTARTER)  # the driver that had the sound code, and the next one has not
    sound = (code / "update" / "recovery.py").read_text()  # which a driver needs and a gateway does not
    (code / "update" / "recovery.py").write_text('raise ImportError("a bad day")\n')
    for one in hermes.processes():
        if "hermes_cli.restarter" in one.cmdline():
            one.kill()
            psutil.wait_procs([one], PATIENCE)
    release()
    hermes.ready(other_than=before)
    assert "no driver can run" in hermes.log()
    (code / "update" / "recovery.py").write_text(sound)
    is_restarted_once(hermes)
