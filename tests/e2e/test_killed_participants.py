"""`kill -9` of any single participant, at any time, changes nothing but the time it takes."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.faults.gates import Gate
from support.faults.places import Place, all_of, fault, on_call, on_return
from support.machines.installation import PATIENCE, Installation, argv_of

from hermes_cli.gateway import run
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.drain import Drain
from hermes_cli.gateway.exit import leave
from hermes_cli.gateway.lifecycle import Lifecycle
from hermes_cli.intents import desired, queue, request, tidying
from hermes_cli.intents.driver import Driver
from hermes_cli.restart import send
from hermes_cli.services.embedded.manager import Embedded
from hermes_cli.system import locks, process

pytestmark = pytest.mark.e2e

DRIVER_STEPS = [
    on_call(Driver.run),
    on_return(Driver._observe),
    on_call(Driver._note),
    on_return(Driver._note),
    on_call(Driver._act),
    on_return(Driver._act),
    on_call(Driver._wait),
    on_return(Driver._wait),
    on_return(queue.Queue.make_directories),
    on_call(Embedded.demand_start),
    on_return(Embedded.demand_start),
]
DRIVER_LAST_STEPS = [
    on_call(Driver._settle),
    on_call(queue.Queue.settle),
    on_call(queue._remove),
    on_return(queue._remove),
    on_return(queue.Queue.settle),
    on_call(tidying.tidy),
]
GATEWAY_STEPS = [
    on_call(Drain.wait),
    on_call(leave),
    on_call(Store.close),
    on_call(Lifecycle.exited),
    on_return(Lifecycle.exited),
    on_return(run.Gateway._poke),
]
REQUESTER_STEPS = [
    on_return(request.submit),
    on_call(send.signal_target),
    on_return(send.signal_target),
    on_return(send.begin),
]


def once(hermes: Installation, step: Place, program: str = "") -> str:
    """A fault that strikes the first process of that program to come by."""
    return fault("kill", step, hermes.home / "struck", program)


def was_struck(hermes: Installation) -> bool:
    return (hermes.home / "struck").exists()


@pytest.mark.parametrize("step", REQUESTER_STEPS)
def test_a_requester_killed_once_its_record_is_durable(hermes: Installation, step: Place) -> None:
    before = hermes.install()
    done = hermes.run("gateway", "restart", fault=once(hermes, step))
    assert done.returncode == -signal.SIGKILL
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    assert settled.outcome == "restarted"
    assert hermes.starts() == 2


@pytest.mark.parametrize("step", GATEWAY_STEPS)
def test_a_gateway_killed_on_its_way_out(hermes: Installation, step: Place) -> None:
    before = hermes.install(fault=once(hermes, step))
    hermes.run("gateway", "restart")
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    assert was_struck(hermes)
    assert settled.outcome == "restarted"
    assert hermes.starts() == 2


def test_a_gateway_killed_in_the_middle_of_its_drain(hermes: Installation) -> None:
    before = hermes.install()
    turn = hermes.start("chat", "--session", "long", "!sleep 1000")
    hermes.until(lambda: hermes.status()["instance"]["active_turns"], "a running turn")
    asking = hermes.start("gateway", "restart")
    hermes.in_state("draining")
    process.send(before.identity, signal.SIGKILL)
    out, _ = asking.communicate(timeout=PATIENCE)
    assert out.startswith("restarted")
    assert hermes.starts() == 2
    told, _ = turn.communicate(timeout=PATIENCE)
    assert "cut off" in told


def driver(hermes: Installation) -> int | None:
    """Return the pid of the driver that is at work."""
    lock = Path(hermes.paths.queue.driver_lock)
    return int(json.loads(lock.read_text())["pid"]) if locks.is_held(str(lock)) and lock.read_text() else None


@pytest.mark.parametrize("step", [*DRIVER_STEPS, *DRIVER_LAST_STEPS])
def test_a_driver_killed_at_any_of_its_steps(hermes: Installation, gate: Callable[[str], Gate], step: Place) -> None:
    starting = gate("starting")
    starting.open()  # to the first instance
    holds_up = fault(f"gate:{starting.place}", run.main)
    before = hermes.install(fault=all_of(once(hermes, step, "hermes_cli.restarter"), holds_up))
    assert starting.reached() == before.identity.pid
    release = hermes.busy()  # so that there is something to wait for
    asking = hermes.start("gateway", "restart")
    hermes.in_state("draining")
    release()
    if step in DRIVER_STEPS:  # a driver that comes late would find a fresh instance, and have nothing to do but settle
        hermes.until(lambda: was_struck(hermes), "a driver that is struck")
    starting.open()
    asking.communicate(timeout=PATIENCE)
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    hermes.until(lambda: was_struck(hermes), "a driver that is struck")  # it may be after all that was waited for
    assert settled.outcome == "restarted"
    assert hermes.starts() == 2


def test_a_driver_killed_during_a_drain_is_followed_by_another_while_the_drain_goes_on(hermes: Installation) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    first = hermes.until(lambda: driver(hermes), "a driver")
    hermes.status()  # answered by the supervisor, which then has seen all changes before: none is left to wake it
    os.kill(first, signal.SIGKILL)
    hermes.until(lambda: driver(hermes) not in {None, first}, "another driver")
    assert hermes.in_state("draining").identity.is_same_as(before.identity)
    release()
    hermes.ready(other_than=before)
    assert [one.outcome for one in hermes.settled()] == ["restarted"]
    assert hermes.starts() == 2


def test_a_supervisor_killed_while_nothing_happens_is_replaced_and_the_gateway_goes_on(hermes: Installation) -> None:
    before = hermes.install()
    supervisor = hermes.supervisor()
    assert supervisor is not None
    process.send(supervisor, signal.SIGKILL)
    hermes.gone(supervisor)
    fresh = hermes.until(hermes.supervisor, "another supervisor")
    assert fresh.pid != supervisor.pid
    assert hermes.ready().identity == before.identity


def test_a_supervisor_killed_with_a_restart_under_way(hermes: Installation) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    supervisor = hermes.supervisor()
    assert supervisor is not None
    process.send(supervisor, signal.SIGKILL)
    hermes.gone(supervisor)
    release()
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    assert settled.outcome == "restarted"
    assert hermes.starts() == 2


def test_a_supervisor_killed_with_its_driver_while_the_gateway_drains(hermes: Installation) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    others = [one for one in hermes.processes() if {*argv_of(one)[-1:]} & {"--background", "watch", "poke"}]
    assert len(others) == 2
    for one in others:
        one.send_signal(signal.SIGKILL)
    psutil.wait_procs(others, timeout=PATIENCE)
    release()
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    assert settled.outcome == "restarted"
    assert hermes.starts() == 2


def test_gateway_and_supervisor_killed_together_come_back_with_the_next_command(hermes: Installation) -> None:
    before = hermes.install()
    supervisor = hermes.supervisor()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGSTOP)  # so that neither sees the other die
    hermes.run("gateway", "restart", "--no-wait", fault=once(hermes, on_return(request.submit)))
    process.send(before.identity, signal.SIGKILL)
    process.send(supervisor, signal.SIGKILL)
    hermes.gone(supervisor)
    assert hermes.pending()
    said = hermes.run("gateway", "status").stderr
    assert "a restart is pending" in said
    hermes.ready(other_than=before)
    assert hermes.settled()[0].outcome == "restarted"


def test_a_stopped_process_is_killed_when_every_softer_deadline_has_passed(hermes: Installation) -> None:
    config = hermes.home / "config.toml"
    config.write_text(config.read_text().replace("drain_timeout = 20", "drain_timeout = 1"))
    before = hermes.install()
    os.kill(before.identity.pid, signal.SIGSTOP)
    done = hermes.run("gateway", "restart")
    after = hermes.ready(other_than=before)
    assert done.stdout.startswith(f"restarted: pid {after.identity.pid}")
    assert "SIGKILL to pid" in hermes.log()


def test_a_teardown_that_hangs_is_ended_by_the_gateways_own_backstop(hermes: Installation) -> None:
    config = hermes.home / "config.toml"
    config.write_text(config.read_text().replace("drain_timeout = 20", "drain_timeout = 1"))
    before = hermes.install(fault=fault("hang", Store.close, once=hermes.home / "struck"))
    done = hermes.run("gateway", "restart")
    after = hermes.ready(other_than=before)
    assert done.stdout.startswith(f"restarted: pid {after.identity.pid}")
    assert "Timeout (" in hermes.log()  # faulthandler's own words
    assert "SIGKILL to pid" not in hermes.log()


def test_a_stop_during_a_pending_intent_wins(hermes: Installation) -> None:
    before = hermes.install()
    hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    done = hermes.run("gateway", "stop")
    assert done.returncode == 0, done.stderr
    hermes.gone(before.identity)
    assert [one.outcome for one in hermes.paths.queue.history()] == ["cancelled"]
    assert desired.read(hermes.paths.desired) == "stopped"
    assert hermes.starts() == 1
    assert hermes.run("gateway", "status").returncode == 3


def test_ten_requests_at_once_cause_one_restart(hermes: Installation) -> None:
    before = hermes.install()
    release = hermes.busy()
    asking = [hermes.start("gateway", "restart") for _ in range(10)]
    hermes.until(lambda: len(hermes.pending()) == 10, "ten pending intents")
    release()
    answers = [one.communicate(timeout=PATIENCE)[0] for one in asking]
    after = hermes.ready(other_than=before)
    assert all(answer.startswith(f"restarted: pid {after.identity.pid}") for answer in answers), answers
    assert len(hermes.settled(10)) == 10
    assert hermes.starts() == 2


def test_a_request_made_while_draining_is_satisfied_by_the_same_restart(hermes: Installation) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    late = hermes.start("gateway", "restart")
    hermes.until(lambda: len(hermes.pending()) == 2, "two pending intents")
    release()
    said, _ = late.communicate(timeout=PATIENCE)
    after = hermes.ready(other_than=before)
    assert said.startswith(f"restarted: pid {after.identity.pid}")
    assert [one.outcome for one in hermes.settled(2)] == ["restarted", "restarted"]
    assert hermes.starts() == 2
