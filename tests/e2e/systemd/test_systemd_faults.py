"""Whatever is killed, stopped, masked or failed under systemd, the restart is carried out."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.gates import Gate
from support.faults.places import ONLY_A_DRIVER, Place, all_of, fault, on_call, on_return
from support.machines.installation import PATIENCE, REPOSITORY, Installation
from support.machines.interpreter import Interpreter
from support.machines.user_manager import UserManager

from hermes_cli.gateway import run
from hermes_cli.gateway.drain import Drain
from hermes_cli.gateway.exit import leave
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.intents import request
from hermes_cli.intents.driver import Driver
from hermes_cli.intents.queue import Queue
from hermes_cli.restart import send
from hermes_cli.services.systemd.manager import Systemd
from hermes_cli.system import locks, process

pytestmark = pytest.mark.e2e
SECONDS = 10.0


def struck(hermes: Installation, step: Place, program: str = "") -> str:
    """A fault that strikes the first process of that program to come by."""
    return fault("kill", step, hermes.home / "struck", program)


def is_restarted_once(hermes: Installation) -> None:
    (settled,) = hermes.settled()
    assert (settled.outcome, hermes.starts()) == ("restarted", 2)


# --- the participants


@pytest.mark.parametrize(
    "step",
    [
        on_return(request.submit),
        on_return(send.signal_target),
        on_return(send.begin),
    ],
)
def test_a_requester_killed_once_its_record_is_durable(hermes: Installation, step: Place) -> None:
    before = hermes.install()
    done = hermes.run("gateway", "restart", fault=struck(hermes, step))
    assert done.returncode == -signal.SIGKILL
    hermes.ready(other_than=before)
    is_restarted_once(hermes)


@pytest.mark.parametrize(
    "step",
    [
        on_call(Drain.wait),
        on_call(leave),
        on_return(Lifecycle.exited),
        on_return(run.Gateway._poke),
    ],
)
def test_a_gateway_killed_on_its_way_out(hermes: Installation, step: Place) -> None:
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
        on_call(Driver.run),
        on_return(Driver._observe),
        on_call(Driver._wait),
        on_call(Systemd.demand_start),
        on_return(Systemd.demand_start),
        on_call(Queue.settle),
        on_return(Queue.settle),
    ],
)
def test_a_driver_killed_at_any_of_its_steps(hermes: Installation, gate: Callable[[str], Gate], step: Place) -> None:
    before = hermes.install()
    assert hermes.interpreter is not None
    starting = gate("starting")
    holds_up = fault(f"gate:{starting.place}", run.main)
    hermes.interpreter.strike(all_of(struck(hermes, step, "hermes_cli.restarter"), holds_up))
    asking = hermes.start("chat", "!hermes gateway restart")
    starting.reached()
    # A driver that comes late would find a fresh instance, and have nothing to do but settle.
    if "settle" not in step.where:
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
    assert user_manager.systemctl("kill", "--signal", "KILL", hermes.units.restarter).returncode == 0
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
    user_manager.change(hermes.units.service, "[Service]", "WatchdogSec=3")
    hermes.run("gateway", "restart")  # the watchdog's time is given to a process at its start
    watched = hermes.ready(other_than=before)
    os.kill(watched.identity.pid, signal.SIGSTOP)
    user_manager.change(
        hermes.units.service, "[Service]", "WatchdogSec=3", "TimeoutAbortSec=1"
    )  # a stopped process ends by SIGKILL
    hermes.ready(other_than=watched)
    assert user_manager.show(hermes.units.service, "NRestarts") == "1"


# --- the units


def test_older_units_with_a_long_pause_are_back_at_once_also_after_a_crash(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.change(hermes.units.service, "[Service]", "RestartSec=60")
    process.send(before.identity, signal.SIGKILL)
    hermes.until(
        lambda: user_manager.show(hermes.units.service, "SubState") == "auto-restart",
        "a pending start of systemd's own",
    )
    assert hermes.status()["service"]["state"] == "stopped"
    done = hermes.run("gateway", "restart")
    assert done.stdout.startswith(f"restarted: pid {hermes.ready().identity.pid}"), done.stderr
    assert hermes.settled()[0].took < SECONDS


def test_start_does_not_wait_for_a_long_pause_either(hermes: Installation, user_manager: UserManager) -> None:
    before = hermes.install()
    user_manager.change(hermes.units.service, "[Service]", "RestartSec=60")
    process.send(before.identity, signal.SIGKILL)
    hermes.until(
        lambda: user_manager.show(hermes.units.service, "SubState") == "auto-restart",
        "a pending start of systemd's own",
    )
    assert hermes.run("gateway", "start").stdout.startswith("ready, pid ")


def test_a_gateway_at_its_start_limit_is_restarted(hermes: Installation, user_manager: UserManager) -> None:
    before = hermes.install()
    user_manager.change(hermes.units.service, "[Unit]", "StartLimitIntervalSec=600", "StartLimitBurst=1")
    process.send(before.identity, signal.SIGKILL)
    process.send(hermes.ready(other_than=before).identity, signal.SIGKILL)
    hermes.until(lambda: user_manager.show(hermes.units.service, "ActiveState") == "failed", "the start limit")
    (down,) = (one for one in hermes.status()["problems"] if one["code"] == "down")
    assert "killed by SIGKILL" in down["text"]
    done = hermes.run("gateway", "restart")
    assert done.stdout.startswith(f"restarted: pid {hermes.ready().identity.pid}"), done.stderr


def test_a_stopped_watch_is_shown_and_the_restart_needs_it_not_and_starts_it_again(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.systemctl("stop", hermes.units.path)
    assert [one["code"] for one in hermes.status()["problems"]] == ["restarter-watch"]
    hermes.chat("!hermes gateway restart")
    hermes.ready(other_than=before)
    is_restarted_once(hermes)
    assert hermes.status()["problems"] == []


def test_a_failed_watch_is_shown_and_the_restart_needs_it_not_and_starts_it_again(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    unit = user_manager.units / hermes.units.restarter
    text = unit.read_text()
    user_manager.mask(hermes.units.restarter)
    record = request.compose(hermes.paths.profile, reason="manual", command="test", target=None, in_tree=False)
    request.submit(hermes.paths.intents, record)  # what the watch cannot start, it fails of
    hermes.until(lambda: user_manager.show(hermes.units.path, "ActiveState") == "failed", "a failed watch")
    os.unlink(f"{hermes.paths.pending}/{record['id']}.json")
    unit.unlink()
    unit.write_text(text)
    user_manager.load()
    assert [one["code"] for one in hermes.status()["problems"]] == ["restarter-watch"]
    hermes.chat("!hermes gateway restart")
    hermes.ready(other_than=before)
    is_restarted_once(hermes)
    assert user_manager.show(hermes.units.path, "ActiveState") == "active"


def test_a_restarter_stopped_by_hand_while_the_gateway_drains_is_started_again(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    user_manager.systemctl("stop", hermes.units.restarter)
    release()
    hermes.ready(other_than=before)
    is_restarted_once(hermes)


def test_with_a_masked_restarter_the_gateway_has_systemd_itself_complete_its_exit(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.change(hermes.units.service, "[Service]", "Restart=no", "RestartForceExitStatus=")
    user_manager.mask(hermes.units.restarter)
    process.send(before.identity, signal.SIGUSR1)  # and no command that would look
    hermes.ready(other_than=before)


def test_a_bare_signal_is_completed_by_systemd_itself_since_the_restarter_has_nothing_to_do(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.change(hermes.units.service, "[Service]", "Restart=no", "RestartForceExitStatus=")
    process.send(before.identity, signal.SIGUSR1)  # and nothing in the queue
    hermes.ready(other_than=before)


def test_a_masked_restarter_is_shown_a_restart_needs_it_not_and_install_mends_it(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    user_manager.mask(hermes.units.restarter)
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
    hermes.until(lambda: user_manager.show(hermes.units.restarter, "SubState") == "start", "a restarter that waits")
    first = user_manager.show(hermes.units.restarter, "InvocationID")
    hermes.ready(other_than=before)  # started by systemd after its RestartSec: nobody drives
    assert user_manager.show(hermes.units.restarter, "InvocationID") == first
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
    assert user_manager.show(hermes.units.service, "MainPID") == str(after.identity.pid)
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
    done = hermes.run("gateway", "restart", "--force")
    assert done.returncode == 1
    assert any(line.startswith("failed: no ready gateway after ") for line in done.stderr.splitlines())
    assert "exited 1" in done.stderr
    hermes.until(lambda: user_manager.show(hermes.units.service, "ActiveState") == "failed", "rest")
    crashes = hermes.log().count("ImportError: a bad day")
    assert crashes <= 5 + 2 * int(user_manager.show(hermes.units.service, "StartLimitBurst"))
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
    user_manager.change(hermes.units.service, "[Service]", "Restart=no", "RestartForceExitStatus=")
    sound = (code / ONLY_A_DRIVER).read_text()
    (code / ONLY_A_DRIVER).write_text('raise ImportError("a bad day")\n')
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    release()
    hermes.ready(other_than=before)
    hermes.until(lambda: "no driver can run" in hermes.log(), "what the script says")
    (code / ONLY_A_DRIVER).write_text(sound)
    is_restarted_once(hermes)


def test_signals_by_hand_are_no_crashes_after_which_systemd_gives_up(hermes: Installation) -> None:
    before = hermes.install()
    for _ in range(6):  # the unit's limit is five starts in five minutes
        os.kill(before.identity.pid, signal.SIGUSR1)
        before = hermes.ready(other_than=before)
    assert hermes.status()["problems"] == []
