"""The service under the embedded manager, beyond what tests/services says of every manager."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.machines.installation import PATIENCE, SHORT_CLOCKS, Installation

from hermes_cli.intents import request

pytestmark = pytest.mark.e2e


def test_stop_leaves_no_process_and_start_brings_the_gateway_back(hermes: Installation) -> None:
    before = hermes.install()
    assert hermes.run("gateway", "stop").stdout == "stopped\n"
    hermes.gone(before.identity)
    hermes.until(lambda: not hermes.processes(), "no process")
    assert hermes.run("gateway", "status").returncode == 3
    assert hermes.run("gateway", "start").stdout.startswith("ready, pid ")
    assert hermes.run("gateway", "status").returncode == 0


def test_a_gateway_started_by_hand_comes_back_under_a_supervisor(hermes: Installation) -> None:
    hermes.start("gateway", "run")
    before = hermes.ready()
    done = hermes.run("gateway", "restart")
    after = hermes.ready(other_than=before)
    assert done.stdout.startswith(f"restarted: pid {after.identity.pid}")
    assert hermes.supervisor() is not None


def test_a_supervisor_started_from_a_conversation_carries_nothing_of_it(hermes: Installation) -> None:
    hermes.start("gateway", "run")
    before = hermes.ready()
    answer = hermes.chat("!hermes gateway install")
    assert f"running already, pid {before.identity.pid}" in answer
    supervisor = hermes.supervisor()
    assert supervisor is not None
    names = psutil.Process(supervisor.pid).environ()
    assert {name for name in names if name.startswith("HERMES_SESSION_") or name == "HERMES_GATEWAY_INSTANCE"} == set()


def test_a_storm_of_automatic_restarts_is_refused_at_the_door(make_installation: Callable[..., Installation]) -> None:
    hermes = make_installation(config=SHORT_CLOCKS.replace("storm_limit = 1000", "storm_limit = 2"))
    hermes.install()
    hermes.chat("!hermes gateway restart")
    hermes.chat("!hermes gateway restart")
    last = hermes.ready()
    answer = hermes.chat("!hermes gateway restart", code=1)
    assert "refused: 2 restarts within 10 min" in answer
    assert "[exit 75]" in answer
    found = hermes.status()["problems"]
    assert [one["code"] for one in found] == ["storm"]
    assert "is refused: 2 restarts within 10 min" in found[0]["text"]
    assert hermes.ready().identity == last.identity
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")  # a person at a shell may


def test_an_old_request_is_settled_as_expired_and_the_gateway_is_left_alone(hermes: Installation) -> None:
    before = hermes.install()
    target = before.identity.document()
    record = request.compose(
        hermes.paths.profile, reason="manual", command="test", target=target, in_tree=False, expiry=-1
    )
    request.submit(hermes.paths.intents, record)
    (settled,) = hermes.settled()
    assert settled.outcome == "expired"
    assert hermes.ready().identity == before.identity
    assert hermes.run("gateway", "intents", "list").stdout.split()[1] == "expired"


def test_a_cancelled_intent_stays_shown_and_can_be_asked_for_again(hermes: Installation) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    (intent,) = hermes.pending()
    assert hermes.run("gateway", "intents", "cancel", intent.id).stdout == f"cancelled {intent.id}\n"
    release()
    after = hermes.ready(other_than=before)  # the drain had begun, and a drained gateway is not left dead
    assert "cancelled" in hermes.run("gateway", "intents", "show", intent.id).stdout
    assert hermes.run("gateway", "intents", "retry", intent.id).stdout.startswith("recorded, will be completed by")
    hermes.ready(other_than=after)
    assert [one.outcome for one in hermes.settled(2)] == ["restarted", "cancelled"]


def test_force_cuts_running_turns_off(hermes: Installation) -> None:
    before = hermes.install()
    hermes.busy()
    done = hermes.run("gateway", "restart", "--force")
    assert done.stdout.startswith("restarted")
    assert hermes.settled()[0].took < 5  # the drain may take 20 s
    assert hermes.ready(other_than=before)


def test_the_timeout_is_how_long_running_turns_may_go_on(hermes: Installation) -> None:
    before = hermes.install()
    hermes.busy()
    done = hermes.run("gateway", "restart", "--timeout", "1")
    assert done.stdout.startswith("restarted")
    assert 1 <= hermes.settled()[0].took < 10
    assert hermes.ready(other_than=before)


def test_a_stop_shows_the_drain_that_it_waits_for(make_installation: Callable[..., Installation]) -> None:
    hermes = make_installation(config=SHORT_CLOCKS.replace("stop_timeout = 2", "stop_timeout = 60"))
    before = hermes.install()
    release = hermes.busy()
    stopping = hermes.start("gateway", "stop")
    assert stopping.stderr is not None
    line = stopping.stderr.readline()
    assert line.startswith("stopping: waiting for drain: 1 turn, ")
    assert line.rstrip().endswith("s of 60 s")
    release()
    out, _ = stopping.communicate(timeout=PATIENCE)
    assert (stopping.returncode, out) == (0, "stopped\n")
    hermes.gone(before.identity)


def test_a_stop_that_a_start_has_overtaken_says_so_and_leaves_the_gateway(hermes: Installation) -> None:
    before = hermes.install()
    hermes.busy()
    stop = hermes.start("gateway", "stop")
    hermes.in_state("draining")
    assert hermes.run("gateway", "start").stdout.startswith("ready, pid ")
    after = hermes.ready(other_than=before)
    _, said = stop.communicate(timeout=PATIENCE)
    assert (stop.returncode, "the gateway was started again meanwhile" in said) == (1, True), said
    assert hermes.ready().identity == after.identity


def test_a_cancel_in_a_drain_says_that_the_restart_happens_all_the_same(hermes: Installation) -> None:
    hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    done = hermes.run("gateway", "intents", "cancel", "last")
    release()
    assert (done.returncode, "restarted all the same" in done.stderr) == (0, True)


def test_without_a_terminal_each_thing_waited_for_is_one_plain_line(hermes: Installation) -> None:
    hermes.install()
    release = hermes.busy()
    asking = hermes.start("gateway", "restart")
    line = asking.stderr.readline()
    release()
    _, rest = asking.communicate(timeout=PATIENCE)
    assert line.startswith("restarting: waiting for ")
    assert "\r" not in line + rest
    assert "drain: 1 turn" in line + rest


def test_ctrl_c_in_a_supervisors_terminal_stops_it_and_the_gateway(hermes: Installation) -> None:
    supervising = hermes.start("gateway", "run", "--supervise")
    hermes.ready()
    supervising.send_signal(signal.SIGINT)
    assert supervising.wait(PATIENCE) == 0
    assert hermes.processes() == []
    assert hermes.status()["desired"] == "stopped"


def test_a_gateway_by_hand_whose_description_was_removed_is_waited_for_and_stopped(
    make_installation: Callable[..., Installation],
) -> None:
    hermes = make_installation(config=SHORT_CLOCKS.replace("[gateway]", "[gateway]\nheartbeat_interval = 0.5", 1))
    running = hermes.start("gateway", "run")
    hermes.ready()
    Path(hermes.paths.instance).unlink()
    done = hermes.run("gateway", "stop")
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
    assert running.wait(PATIENCE) == 0


def test_the_supervisor_is_small(hermes: Installation) -> None:
    hermes.install()
    supervisor = hermes.supervisor()
    assert supervisor is not None
    assert psutil.Process(supervisor.pid).memory_info().rss < 35e6


def test_a_gateway_that_does_not_describe_itself_is_not_taken_for_a_stopped_one(
    make_installation: Callable[..., Installation],
) -> None:
    hermes = make_installation(config=SHORT_CLOCKS.replace("[gateway]", "[gateway]\nheartbeat_interval = 0", 1))
    before = hermes.install()
    described = Path(hermes.paths.instance).read_bytes()
    Path(hermes.paths.instance).unlink()
    done = hermes.run("gateway", "restart")
    assert (done.returncode, hermes.pending(), hermes.ever_settled()) == (75, [], []), done.stderr
    assert "a gateway runs and gateway.json does not describe it" in done.stderr
    Path(hermes.paths.instance).write_bytes(described)
    assert hermes.run("gateway", "restart").returncode == 0
    hermes.ready(other_than=before)
