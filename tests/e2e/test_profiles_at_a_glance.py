"""`hermes gateway list`: every profile, as its own `status` sees it."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from support.machines.installation import SHORT_CLOCKS, Installation

from hermes_cli import paths
from hermes_cli.intents.instance import Instance
from hermes_cli.programs import own

pytestmark = pytest.mark.e2e


def of_profile(hermes: Installation, name: str) -> paths.Paths:
    return paths.Paths(name, f"{hermes.home}/state", str(hermes.home), f"{hermes.home}/logs", str(hermes.home))


def install(hermes: Installation, name: str) -> Instance:
    done = hermes.run("-p", name, "gateway", "install")
    assert done.returncode == 0, done.stderr
    found = own.read_alive(of_profile(hermes, name))
    assert found is not None
    return found


def rows(hermes: Installation, code: int) -> dict:
    done = hermes.run("gateway", "list", "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return {row["profile"]: row for row in json.loads(done.stdout)["profiles"]}


def test_five_profiles_are_told_truly_in_one_screen(make_installation: Callable[..., Installation]) -> None:
    hermes = make_installation(config=SHORT_CLOCKS.replace("drain_timeout = 20", "drain_timeout = 600"))
    hermes.install()
    for name in ("broken", "crashed", "stopped", "unreadable"):
        install(hermes, name)
    Path(hermes.home, "profiles", "broken").mkdir(parents=True, exist_ok=True)
    Path(of_profile(hermes, "broken").config).write_text("[gateway]\ndrain_timout = 5\n")
    assert hermes.run("-p", "stopped", "gateway", "stop").returncode == 0
    crashed = of_profile(hermes, "crashed")
    supervisor = next(one for one in hermes.processes() if {"crashed", "--supervise"} <= set(one.cmdline()))
    supervisor.suspend()  # nobody brings the gateway back, and nobody says that it is down
    identity = own.read_alive(crashed).identity
    os.kill(identity.pid, signal.SIGKILL)
    hermes.until(lambda: own.read_alive(crashed) is None, "the end of the gateway")
    supervisor.kill()
    os.chmod(of_profile(hermes, "unreadable").pending, 0)
    if os.geteuid() == 0:  # whom no permission stops
        os.rmdir(of_profile(hermes, "unreadable").pending)
        os.symlink("/", of_profile(hermes, "unreadable").pending)
    finish = hermes.busy()
    assert hermes.run("gateway", "restart", "--no-wait").returncode == 0
    assert hermes.in_state("draining")
    intent = hermes.pending()[0]
    hermes.until(lambda: hermes.paths.queue.progress_of(intent.id).waiting_for.startswith("drain: "), "a driver's look")

    found = rows(hermes, 5)
    states = {name: (row["state"], row["exit_code"]) for name, row in found.items()}
    assert states == {
        "default": ("draining", 0),
        "broken": ("ready", 0),
        "crashed": ("down", 3),
        "stopped": ("stopped", 3),
        "unreadable": ("unknown", 5),
    }
    assert found["default"]["waiting_for"].startswith("drain: 1 turn, ")
    assert [one["code"] for one in found["broken"]["problems"]] == ["config"]
    assert [one["code"] for one in found["unreadable"]["problems"]] == ["unreadable"]
    shown = hermes.run("gateway", "ls").stdout
    assert "pending, waiting for drain: 1 turn" in shown
    assert len(shown.splitlines()) < 24, shown
    finish()


def test_a_default_profile_of_which_nobody_has_made_anything_has_no_row(hermes: Installation) -> None:
    install(hermes, "work")
    assert list(rows(hermes, 0)) == ["work"]


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_watched_list_leaves_nothing_behind(hermes: Installation, term: str) -> None:
    install(hermes, "work")
    environment = {**hermes.environment(), "TERM": term}
    watching = pexpect.spawn(
        hermes.python, ["-m", "hermes_cli", "gateway", "list", "--watch"], env=environment, dimensions=(24, 60)
    )
    watching.expect(r"work +(\x1b\[32m)?ready(\x1b\[0m)? +[0-9]+ s")
    watching.sendintr()
    watching.expect(pexpect.EOF)
    said = watching.before + watching.after if isinstance(watching.after, bytes) else watching.before
    watching.close()
    assert watching.exitstatus == 0
    if term == "dumb":
        assert b"\x1b" not in said
    else:
        assert said.rstrip().endswith(b"\x1b[?25h")
