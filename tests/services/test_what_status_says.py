"""What status and its neighbours say of a gateway that crashed, was stopped, drains or cannot start, under each manager."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE
from support.machines.worlds import World, mostly

from hermes_cli.programs import starts
from hermes_cli.system import process

pytestmark = pytest.mark.e2e


def codes(world: World) -> list[str]:
    return [one["code"] for one in world.hermes.status()["problems"]]


def unopenable(world: World) -> None:
    """Put something in the way that every start of a gateway fails on."""
    os.makedirs(f"{world.hermes.paths.messages}/in the way")


def test_a_crash_is_told_by_the_gateway_that_follows(world: World) -> None:
    before = world.hermes.install()
    process.send(before.identity, signal.SIGSEGV)
    second = world.hermes.ready(other_than=before)

    def told() -> dict | None:  # launchd is only asked when the next gateway is ready
        found = world.hermes.status()
        return found if found["last_exit"]["signal"] else None

    found = world.hermes.until(told, "the signal")
    last = found["last_exit"]
    assert (last["pid"], last["crashed"], last["crashes_in_a_row"]) == (before.identity.pid, True, 1)
    assert (last["signal"], found["restarts"], found["starts"]["why"]) == ("SIGSEGV", 1, "crash")
    said = world.hermes.run("gateway", "status").stdout
    assert "(2nd start since " in said
    assert "; last exit: killed by SIGSEGV, " in said
    if world.manager is not None:
        assert world.manager.show(world.hermes.units.service, "NRestarts") == str(found["restarts"])
    assert world.hermes.run("gateway", "restart").returncode == 0
    world.hermes.ready(other_than=second)
    found = world.hermes.status()
    assert (found["restarts"], found["last_exit"]["exit_code"], found["starts"]["why"]) == (2, 75, "asked")
    rows = json.loads(world.hermes.run("gateway", "starts", "--json").stdout)["starts"]
    assert [row["why"] for row in rows] == ["asked", "crash", "first"]
    assert rows[-1]["signal"] == "SIGSEGV"
    assert set(rows[1]["phases"]) == {"ready", "signalled", "draining", "exited"}


def test_a_restart_that_was_asked_for_is_no_crash(world: World) -> None:
    before = world.hermes.install()
    assert world.hermes.run("gateway", "restart").returncode == 0
    assert "last exit: a restart, " in world.hermes.run("gateway", "status").stdout
    last = world.hermes.status()["last_exit"]
    assert (last["pid"], last["exit_code"], last["crashed"]) == (before.identity.pid, 75, False)


def test_a_gateway_that_crashed_twice_is_a_problem_also_while_it_is_ready_again(world: World) -> None:
    before = world.hermes.install()
    process.send(before.identity, signal.SIGSEGV)
    second = world.hermes.ready(other_than=before)
    assert codes(world) == []  # once is an accident
    process.send(second.identity, signal.SIGSEGV)
    third = world.hermes.ready(other_than=second)
    done = world.hermes.run("gateway", "status", "--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["code"], done.returncode) == ("crash-loop", 0)
    assert "2 times in a row" in problem["text"]
    assert world.hermes.run("gateway", "restart").returncode == 0
    world.hermes.ready(other_than=third)
    assert codes(world) == []  # somebody has looked after it


def test_a_drain_soon_after_a_start_that_failed_is_no_crash_loop(world: World) -> None:
    world.hermes.install()
    assert world.hermes.run("gateway", "stop").returncode == 0
    config = world.hermes.home / "config.toml"
    text = config.read_text()
    config.write_text(f"{text}nonsense")
    assert world.hermes.run("gateway", "start").returncode == 78
    config.write_text(text)
    assert world.hermes.run("gateway", "start").returncode == 0
    finish = world.hermes.busy()
    assert world.hermes.run("gateway", "restart", "--no-wait").returncode == 0
    world.hermes.in_state("draining")
    done = world.hermes.run("gateway", "status", "--json")
    found = json.loads(done.stdout)
    assert (found["instance"]["state"], found["problems"], done.returncode) == ("draining", [], 0)
    finish()


@mostly("embedded")
def test_a_gateway_that_was_killed_with_its_supervisor_is_down_and_in_no_loop(world: World) -> None:
    running = world.hermes.install()
    supervisor = world.hermes.supervisor()
    assert supervisor is not None
    for number in (signal.SIGSTOP, signal.SIGKILL):  # at once: who is left starts the other one again
        for one in (supervisor, running.identity):
            process.send(one, number)
    for one in (supervisor, running.identity):
        world.hermes.gone(one)
    assert codes(world) == ["down", "restarter-missing"]


def test_a_crash_loop_is_a_problem_at_every_look(world: World) -> None:
    unopenable(world)
    failed = world.hermes.run("gateway", "install")
    assert failed.returncode == 1
    world.hermes.until(lambda: starts.last_crash(starts.read(world.hermes.paths)), "a start that failed")
    for _ in range(12):
        done = world.hermes.run("gateway", "status", "--json")
        found = json.loads(done.stdout)
        assert found["problems"], done.stdout
        assert done.returncode == 3, done.stdout
    shown = world.hermes.run("gateway", "status").stdout
    assert re.search(r"(starting, [0-9]+(nd|rd|st|th) try, last: exited 1|not running, .*exited 1)", shown), shown
    assert "           " in shown
    assert "the gateway cannot start" in shown


@pytest.mark.nightly
def test_of_a_hundred_looks_at_a_crash_loop_each_finds_a_problem(world: World) -> None:
    unopenable(world)
    assert world.hermes.run("gateway", "install").returncode == 1
    world.hermes.until(lambda: starts.last_crash(starts.read(world.hermes.paths)), "a start that failed")
    for _ in range(100):
        done = world.hermes.run("gateway", "status", "--json")
        assert json.loads(done.stdout)["problems"], done.stdout
        assert done.returncode == 3, done.stdout


def test_a_start_that_fails_shows_what_the_gateway_said(world: World) -> None:
    unopenable(world)
    failed = world.hermes.run("gateway", "install")
    assert failed.returncode == 1
    first, *log = failed.stderr.rstrip("\n").split("\n")
    log = [line for line in log if line.startswith("  ")]
    assert first.startswith("hermes: "), failed.stderr
    assert any("the gateway cannot start" in line for line in log), failed.stderr


def test_a_failed_restart_is_history_once_a_later_gateway_is_ready(world: World) -> None:
    before = world.hermes.install()
    world.hermes.run("gateway", "stop")
    shutil.move(world.hermes.paths.messages, f"{world.hermes.paths.messages}.away")
    unopenable(world)
    assert world.hermes.run("gateway", "restart", "--force").returncode == 1
    found = codes(world)
    assert "last-restart-failed" in found
    assert found[0] == "unusable"  # whose mend ends what it is the cause of
    world.hermes.run("gateway", "stop")
    assert "last-restart-failed" not in codes(world)  # nobody wants it any more, and a retry would be cancelled
    shutil.rmtree(world.hermes.paths.messages)
    shutil.move(f"{world.hermes.paths.messages}.away", world.hermes.paths.messages)
    assert world.hermes.run("gateway", "start").returncode == 0
    world.hermes.ready(other_than=before)
    assert codes(world) == []


def test_start_waits_for_a_drain_that_takes_longer_than_a_start_may(world: World) -> None:
    world.hermes.install()
    config = world.hermes.home / "config.toml"
    config.write_text(config.read_text().replace("start_timeout = 15", "start_timeout = 8"))
    let_go = world.hermes.busy()
    assert world.hermes.run("gateway", "restart", "--no-wait", "--timeout", "60").returncode == 0
    world.hermes.in_state("draining")
    with world.hermes.start("gateway", "start") as start:
        assert start.stderr is not None
        assert any("starting: waiting for drain" in line for line in start.stderr), start.wait(PATIENCE)
        with pytest.raises(
            subprocess.TimeoutExpired
        ):  # from when it has seen the drain, however long its own start took
            start.wait(9)
        let_go()
        _, said = start.communicate(timeout=PATIENCE)
    assert start.returncode == 0, said


def test_what_a_drain_waits_for_moves_between_two_looks(world: World) -> None:
    world.hermes.install()
    let_go = world.hermes.busy()
    assert world.hermes.run("gateway", "restart", "--no-wait", "--timeout", "60").returncode == 0
    world.hermes.in_state("draining")
    world.hermes.until(lambda: (world.hermes.status()["pending"] or [{}])[0].get("drain"), "a look by a driver")
    first = world.hermes.status()["pending"][0]["drain"]
    second = world.hermes.until(
        lambda: next(
            (one["drain"] for one in world.hermes.status()["pending"] if one["drain"]["elapsed"] > first["elapsed"]),
            None,
        ),
        "a later look",
    )
    assert (second["turns"], second["limit"]) == (1, first["limit"])
    let_go()
    world.hermes.settled()


@pytest.mark.parametrize("world", ["systemd"], indirect=True)
def test_a_gateway_that_only_its_manager_started_again_is_shown_and_its_restart_refused(world: World) -> None:
    world.hermes.install()
    world.hermes.run("gateway", "stop")
    subprocess.run(
        ["systemctl", "--user", "start", world.definitions()[0].name],
        env=world.hermes.environment(),
        check=True,
        timeout=PATIENCE,
    )
    world.hermes.ready()
    assert "desired-stopped" in codes(world)
    answer = world.hermes.chat("!hermes gateway restart", code=1)
    assert "started without hermes" in answer
    assert world.hermes.pending() == []
    assert world.hermes.run("gateway", "start").returncode == 0
    assert codes(world) == []


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="makes a process namespace, which takes root")
@pytest.mark.parametrize("world", ["embedded"], indirect=True)
def test_a_supervisor_that_nothing_starts_at_boot_is_a_problem_where_machines_boot(world: World, tmp_path) -> None:
    init = tmp_path / "init"
    shutil.copy("/bin/sh", init)
    script = 'hermes() { "$PYTHON" -m hermes_cli "$@"; }; hermes gateway install >&2; hermes gateway status --json; hermes gateway uninstall >&2'
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", str(init), "-c", script],
        env={**world.hermes.environment(), "PYTHON": world.hermes.python},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout, done.stderr
    problems = json.loads(done.stdout)["problems"]
    assert [one["code"] for one in problems] == ["no-boot"]
    assert "hermes gateway run --supervise" in problems[0]["mend"]
    assert "problem: nothing starts this gateway when the machine boots" in done.stderr


@mostly("launchd")
def test_a_gateway_whose_description_was_removed_is_shown_as_running_and_can_be_stopped(world: World) -> None:
    config = Path(world.hermes.paths.config)
    config.write_text(config.read_text().replace("[gateway]\n", "[gateway]\nheartbeat_interval = 0\n", 1))
    before = world.hermes.install()
    os.unlink(world.hermes.paths.instance)
    done = world.hermes.run("gateway", "status")
    assert done.returncode == 0, done.stdout
    assert f"running, pid {before.identity.pid}, and gateway.json, which describes it, is missing" in done.stdout
    assert "undescribed" in [one["code"] for one in world.hermes.status()["problems"]]
    assert world.hermes.run("gateway", "stop").stdout.startswith("stopped")
    world.hermes.gone(before.identity)
