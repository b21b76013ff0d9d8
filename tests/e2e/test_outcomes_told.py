"""`[notify] command` hears of every outcome at least once, whoever is killed in between, and holds nothing up."""

import json
import os
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import SHORT_CLOCKS, Installation

from hermes_cli.intents.queue import Queue
from hermes_cli.notify.outbox import Outbox
from hermes_cli.notify.run import run
from hermes_cli.system import process

pytestmark = pytest.mark.e2e


@pytest.fixture
def hermes(make_installation: Callable[..., Installation], tmp_path: Path) -> Installation:
    """One whose every event is a line in `told`."""
    return make_installation(config=config(f"cat >>{shlex.quote(str(tmp_path / 'told'))}"))


def config(script: str, timeout: float = 20) -> str:
    return f"{SHORT_CLOCKS}\n[notify]\ncommand = {json.dumps(['/bin/sh', '-c', script])}\ntimeout = {timeout}\n"


def told(hermes: Installation) -> list[dict]:
    file = hermes.home.parent / "told"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def heard(hermes: Installation, event: str) -> dict:
    return hermes.until(lambda: next((one for one in told(hermes) if one["event"] == event), None), f"word of {event}")


def test_a_restart_a_failure_and_a_crash_are_told(hermes: Installation) -> None:
    hermes.install()
    assert hermes.run("gateway", "restart").returncode == 0
    found = heard(hermes, "restarted")
    assert found["id"] == f"{found['intent']}-restarted"
    assert (found["schema"], found["profile"], found["reason"]) == (1, "default", "manual")
    before = hermes.ready()
    process.send(before.identity, signal.SIGSEGV)
    hermes.ready(other_than=before)
    assert heard(hermes, "crashed")["pid"] == before.identity.pid
    assert hermes.run("gateway", "stop").returncode == 0
    shutil.move(hermes.paths.messages, f"{hermes.paths.messages}.away")
    Path(hermes.paths.messages, "in the way").mkdir(parents=True)
    assert hermes.run("gateway", "restart", "--force").returncode == 1  # and no gateway is there that could tell it
    heard(hermes, "failed")
    assert len({one["id"] for one in told(hermes)}) == len(told(hermes))


@pytest.mark.parametrize("step", [on_return(Queue.settle), on_call(run), on_return(run), on_return(Outbox.done)])
def test_whoever_is_killed_on_the_way_the_outcome_is_told_with_one_id(hermes: Installation, step: Place) -> None:
    hermes.install(fault=fault("kill", step, hermes.home / "struck"))
    hermes.run("gateway", "restart", "--no-wait")
    hermes.settled()
    found = heard(hermes, "restarted")
    hermes.until((hermes.home / "struck").exists, "the strike")
    hermes.until(lambda: os.path.exists(f"{hermes.paths.state}/notify/done/{found['id']}"), "the mark")
    assert {one["id"] for one in told(hermes) if one["event"] == "restarted"} == {found["id"]}


def test_a_command_that_hangs_is_ended_and_delays_no_restart(make_installation: Callable[..., Installation]) -> None:
    hermes = make_installation(config=config("sleep 600", timeout=1))
    hermes.install()
    for _ in range(2):
        assert hermes.run("gateway", "restart").returncode == 0
    done = hermes.run("gateway", "notify", "--test")
    assert done.returncode == 1
    assert "took over 1 s" in done.stdout
    hermes.until(lambda: os.listdir(f"{hermes.paths.state}/notify/tries"), "a note of the failure")


def test_without_a_command_nothing_is_kept(make_installation: Callable[..., Installation]) -> None:
    hermes = make_installation()
    hermes.install()
    assert hermes.run("gateway", "restart").returncode == 0
    assert hermes.run("gateway", "notify").returncode == 2
    assert not os.path.exists(f"{hermes.paths.state}/notify")
