"""Random participants killed at random moments, while restarts are asked for and messages are sent."""

import os
import random
import signal
import threading

import psutil
import pytest
from support.machines.installation import PATIENCE, Installation

pytestmark = pytest.mark.e2e
ROUNDS = int(os.environ.get("HERMES_CHAOS_ROUNDS", "12"))


@pytest.mark.timeout(900 + 30 * ROUNDS)
def test_whoever_is_killed_whenever_the_gateway_comes_back_and_the_queue_is_empty(hermes: Installation) -> None:
    seed = int(os.environ.get("HERMES_CHAOS_SEED", "0")) or random.SystemRandom().randrange(10**6)
    print(f"HERMES_CHAOS_SEED={seed}")  # shown when the test fails
    chance = random.Random(seed)
    hermes.install()
    acknowledged = 0
    for number in range(ROUNDS):
        before = hermes.ready()
        in_tree = chance.random() < 0.5
        arguments = ("chat", "!hermes gateway restart") if in_tree else ("gateway", "restart", "--no-wait")
        asking = hermes.start(*arguments)
        pause = threading.Event()
        pause.wait(chance.random() * 0.6)  # the moment of the blow, not a synchronisation
        victims = [one for one in hermes.processes() if one.is_running()]
        if victims:
            victim = chance.choice(victims)
            try:
                print(f"round {number}: {' '.join(victim.cmdline()[3:])}")
                victim.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:  # a zombie, too
                print(f"round {number}: had ended")
        out, _ = asking.communicate(timeout=PATIENCE)
        acknowledged += "recorded" in out
        hermes.run("gateway", "status")  # the next invocation, whoever makes it
        hermes.until(lambda: not os.listdir(hermes.paths.pending), f"round {number}: an empty queue")
        after = hermes.ready()
        if "recorded" in out:
            assert not after.identity.is_same_as(before.identity), f"round {number}: {out}"
        assert hermes.run("gateway", "status").returncode == 0
        assert hermes.chat("!echo alive", session=f"round-{number}") == "alive\n"
    assert acknowledged > 0
    assert {one.outcome for one in hermes.settled(acknowledged)} <= {"restarted", "already-satisfied"}
