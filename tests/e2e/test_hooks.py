"""`[hooks]`: a command before and after each restart, which may fail, hang and be killed: the restart goes on."""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults.places import fault, on_return
from support.machines.installation import SHORT_CLOCKS, Installation

from hermes_cli.intents.queue import Queue
from hermes_cli.notify.hooks import Hooks
from hermes_cli.notify.run import run

pytestmark = pytest.mark.e2e
Install = Callable[..., Installation]


def config(before: str | None = None, after: str | None = None, timeout: float = 20) -> str:
    lines = [SHORT_CLOCKS, "[hooks]", f"timeout = {timeout}"]
    for name, script in ("before_restart", before), ("after_restart", after):
        if script is not None:
            lines.append(f"{name} = {json.dumps(['/bin/sh', '-c', script])}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Where the hooks of a test write."""
    return tmp_path / "told"


def keeps(told: Path) -> str:
    return f"cat >>{shlex.quote(str(told))}"


def words(told: Path) -> list[dict]:
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


def heard(hermes: Installation, told: Path, event: str) -> dict:
    return hermes.until(lambda: next((one for one in words(told) if one["event"] == event), None), f"word of {event}")


def test_one_runs_while_the_old_gateway_is_ready_and_one_when_the_fresh_one_is(
    make_installation: Install, tmp_path: Path, told: Path
) -> None:
    seen = tmp_path / "seen"
    look = f'cat "$HERMES_HOME/state/gateway.json" >>{shlex.quote(str(seen))}; {keeps(told)}'
    hermes = make_installation(config=config(look, look))
    before = hermes.install()
    done = hermes.run("gateway", "restart")
    assert done.returncode == 0, done.stderr
    found = heard(hermes, told, "after-restart")
    fresh = hermes.ready(other_than=before)
    first, second = [json.loads(line) for line in seen.read_text().splitlines()]
    assert (first["pid"], first["state"]) == (before.identity.pid, "ready")
    assert (second["pid"], second["state"]) == (fresh.identity.pid, "ready")
    assert [one["event"] for one in words(told)] == ["before-restart", "after-restart"]
    (settled,) = hermes.settled()
    assert found["id"] == f"{settled.intent.id}-after-restart"
    assert (found["schema"], found["profile"], found["outcome"]) == (1, "default", "restarted")
    assert {one["intent"] for one in words(told)} == {settled.intent.id}


def test_in_tree_as_well(make_installation: Install, told: Path) -> None:
    hermes = make_installation(config=config(keeps(told), keeps(told)))
    before = hermes.install()
    assert "recorded" in hermes.chat("!hermes gateway restart")
    hermes.ready(other_than=before)
    heard(hermes, told, "after-restart")
    assert [one["event"] for one in words(told)] == ["before-restart", "after-restart"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("sleep 600", "took over 1 s"),
        ("kill -9 $$", "killed by SIGKILL"),
        ("echo no room for a backup >&2; exit 3", "no room for a backup"),
    ],
    ids=["hangs", "is killed", "fails"],
)
def test_one_that_does_not_end_well_is_named_and_hinders_nothing(
    make_installation: Install, script: str, why: str
) -> None:
    hermes = make_installation(config=config(script, script, timeout=1))
    before = hermes.install()
    done = hermes.run("gateway", "restart")
    assert done.returncode == 0, done.stderr
    assert "before_restart failed: /bin/sh" in done.stdout
    assert why in done.stdout
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    after = f"{hermes.paths.state}/hooks/done/{settled.intent.id}-after-restart"
    hermes.until(lambda: os.path.exists(after), "the mark of the hook after it")
    assert why in Path(after).read_text()


def test_one_that_cannot_be_started_is_named_and_hinders_nothing(make_installation: Install) -> None:
    hermes = make_installation(config=f'{SHORT_CLOCKS}\n[hooks]\nbefore_restart = ["/nowhere/at/all"]\n')
    before = hermes.install()
    done = hermes.run("gateway", "restart")
    assert (done.returncode, "/nowhere/at/all cannot be started" in done.stdout) == (0, True)
    hermes.ready(other_than=before)
    said = hermes.run("gateway", "doctor").stdout
    assert "hooks.before_restart: /nowhere/at/all cannot be run" in said
    assert "-before-restart failed: /nowhere/at/all cannot be started" in said


def test_whoever_is_killed_in_it_runs_it_once_more_and_goes_on(make_installation: Install, told: Path) -> None:
    hermes = make_installation(config=config(f"{keeps(told)}; kill -9 $PPID"))  # whoever runs it
    before = hermes.install()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    assert settled.outcome == "restarted"
    assert [one["id"] for one in words(told)] == [f"{settled.intent.id}-before-restart"] * 2


@pytest.mark.parametrize("step", [on_return(run), on_return(Hooks.before), on_return(Queue.settle)])
def test_a_driver_that_is_killed_between_its_steps_leaves_both_to_run(
    make_installation: Install, told: Path, step
) -> None:
    hermes = make_installation(config=config(keeps(told), keeps(told)))
    before = hermes.install(fault=fault("kill", step, hermes.home / "struck"))
    hermes.run("gateway", "restart", "--no-wait")
    hermes.ready(other_than=before)
    heard(hermes, told, "after-restart")
    hermes.until((hermes.home / "struck").exists, "the strike")
    assert {one["event"] for one in words(told)} == {"before-restart", "after-restart"}
    assert len(words(told)) <= 3


def test_without_hooks_nothing_is_kept_of_them(make_installation: Install) -> None:
    hermes = make_installation(config=f"{SHORT_CLOCKS}\n[hooks]\ntimeout = 5\n")
    hermes.install()
    assert hermes.run("gateway", "restart").returncode == 0
    assert not os.path.exists(f"{hermes.paths.state}/hooks")
