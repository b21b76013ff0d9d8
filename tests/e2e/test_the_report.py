"""NousResearch/hermes-agent#11932: a restart asked for from inside the gateway's own process tree."""

import pytest
from support import PATIENCE
from support.machines.installation import Installation

pytestmark = pytest.mark.e2e
RESTART = "!hermes gateway restart"


@pytest.fixture(autouse=True)
def _running(hermes: Installation) -> None:
    hermes.install()


def test_a_restart_typed_in_the_agents_terminal_brings_up_a_new_process(hermes: Installation) -> None:
    before = hermes.ready()
    answer = hermes.chat(RESTART)
    after = hermes.ready()
    assert "recorded, will be completed by the supervisor" in answer
    assert f"restarted: gateway is back as pid {after.identity.pid}" in answer
    assert after.identity.pid != before.identity.pid


def test_it_is_restarted_exactly_once_and_nothing_stays_pending(hermes: Installation) -> None:
    hermes.chat(RESTART)
    (settled,) = hermes.settled()
    assert settled.outcome == "restarted"
    assert settled.intent.requester.in_tree
    assert hermes.starts() == 2
    assert hermes.status()["pending"] == []


def test_the_conversation_that_asked_gets_exactly_one_outcome(hermes: Installation) -> None:
    hermes.chat(RESTART)
    hermes.chat(RESTART)  # a second start would show the first outcome again, were it not kept
    shown = hermes.chat("!sqlite3 nothing 2>/dev/null; true") + hermes.run("chat", "hello").stdout
    assert "restarted" not in shown
    outcomes = [line for line in hermes.log().splitlines() if "hermes.notices: outcome of" in line]
    assert len(outcomes) == len({line.split("outcome of ")[1].split()[0] for line in outcomes}) == 2


def test_a_caller_that_was_set_apart_and_lost_its_parent_still_counts_as_in_tree(hermes: Installation) -> None:
    hermes.chat("!setsid sh -c '(hermes gateway restart --no-wait >/dev/null 2>&1 &)'; true")
    (settled,) = hermes.settled()
    assert settled.outcome == "restarted"
    assert settled.intent.requester.in_tree
    assert hermes.starts() == 2


def test_an_in_tree_requester_whose_turn_goes_on_does_not_block_the_drain(hermes: Installation) -> None:
    before = hermes.ready()
    asking = hermes.start("chat", "!hermes gateway restart; sleep 1000")
    after = hermes.ready(other_than=before)
    out, _ = asking.communicate(timeout=PATIENCE)
    assert "recorded" in out
    assert "cut off" in out
    assert f"pid {after.identity.pid}" in out
    assert hermes.settled()[0].took < 10  # the drain may take 20 s, the grace of the asking turn is 3 s


def test_out_of_tree_the_command_waits_for_what_is_seen(hermes: Installation) -> None:
    done = hermes.run("gateway", "restart")
    after = hermes.ready()
    assert done.returncode == 0
    assert done.stdout.startswith(f"restarted: pid {after.identity.pid}, revision ")


def test_the_restart_slash_command_does_the_same(hermes: Installation) -> None:
    answer = hermes.chat("/restart")
    assert "recorded, will be completed by" in answer
    assert "restarted: gateway is back" in answer
    assert hermes.starts() == 2
