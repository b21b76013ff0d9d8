"""`hermes gateway restart --when-idle` and `--at`."""

import time
from pathlib import Path

import pytest
from support.machines.installation import Installation

from hermes_cli.cli.restart_later import moment
from hermes_cli.errors import UsageError

pytestmark = pytest.mark.e2e


def test_a_restart_waits_for_an_idle_gateway_which_serves_meanwhile(hermes: Installation) -> None:
    before = hermes.install()
    finish = hermes.busy()
    done = hermes.run("gateway", "restart", "--when-idle")
    assert done.returncode == 0, done.stderr
    assert "when no turn runs" in done.stdout
    hermes.until(
        lambda: [one["waiting_for"] for one in hermes.status()["pending"]] == ["the gateway to be idle: 1 turn"],
        "what it waits for",
    )
    assert "echo" in hermes.chat("!echo echo", session="another")
    assert hermes.ready().identity == before.identity
    finish()
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    assert settled.outcome == "restarted"


def test_a_restart_waits_for_its_time_and_can_be_taken_back(hermes: Installation) -> None:
    assert hermes.run("gateway", "restart", "--at", "04:00").returncode == 3  # nothing runs
    before = hermes.install()
    done = hermes.run("gateway", "restart", "--at", time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() + 7200)))
    assert done.returncode == 0, done.stderr
    hermes.until(lambda: [one["rule"] for one in hermes.status()["pending"]] == ["not_yet"], "what it waits for")
    Path(hermes.paths.queue.rejected).mkdir(mode=0o700, exist_ok=True)
    Path(hermes.paths.queue.rejected, "zzz").touch()  # a name that comes after every id
    assert hermes.run("gateway", "intents", "cancel", "last").returncode == 0
    assert [one.outcome for one in hermes.settled()] == ["cancelled"]
    soon = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(time.time() + 3))
    assert hermes.run("gateway", "restart", "--at", soon).returncode in {0, 2}  # 2: this machine was too busy
    if hermes.pending() or len(hermes.ever_settled()) > 1:
        hermes.ready(other_than=before)
        assert hermes.settled(2)[0].settled_at >= time.mktime(time.strptime(soon[:19], "%Y-%m-%dT%H:%M:%S"))


@pytest.mark.parametrize("words", ["soon", "25:00", "04", "2020-01-01T00:00", "9999-01-01T00:00"])
def test_what_is_no_time_to_come_is_refused(words: str) -> None:
    with pytest.raises(UsageError):
        moment(words, time.time())


def test_a_time_of_day_is_the_next_one() -> None:
    now = time.mktime((2026, 11, 26, 21, 15, 0, 0, 0, -1))
    assert time.strftime("%d %H:%M", time.localtime(moment("04:00", now))) == "27 04:00"
    assert time.strftime("%d %H:%M", time.localtime(moment("21:16", now))) == "26 21:16"
