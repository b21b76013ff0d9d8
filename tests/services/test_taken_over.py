"""A program without a service of its own, taken over: the same sentences as of our gateway, under every manager."""

import json
import os
import shlex
import signal
import socket
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.machines.worlds import World, mostly
from support.models import stand_in_openclaw

from hermes_cli.intents.instance import Instance
from hermes_cli.paths import Paths
from hermes_cli.programs import own

pytestmark = pytest.mark.e2e

FILE = """\
schema = 1
name = "files"
argv = ["{{python}}", "-m", "http.server", "{{port}}", "--bind", "127.0.0.1", "--directory", "{{state}}"]

[instance]
pid = "manager"
port = {{ default = {number} }}
ready = {{ http = "http://127.0.0.1:{{port}}/", timeout = 2.0 }}

[restart]
signal = "SIGTERM"
exit_limit = 10.0
exits = {{ stopped = [0], refused = [3] }}
"""


class Files:
    """`python -m http.server` as profile `files` of a world."""

    def __init__(self, world: World, folder: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as found:
            self.port = found.getsockname()[1]
        self.world = world
        self.file = folder / "files.toml"
        self.write(FILE)
        home = world.hermes.environment()["HERMES_HOME"]
        self.paths = Paths("files", f"{home}/state", home, f"{home}/logs")

    def write(self, text: str) -> None:
        self.file.write_text(text.format(number=self.port))

    def run(self, *arguments: str) -> Any:
        return self.world.hermes.run("-p", "files", "gateway", *arguments)

    def install(self) -> Instance:
        done = self.world.hermes.run("gateway", "install", "--program", str(self.file))
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        return self.keeper()

    def keeper(self) -> Instance:
        found = own.read_alive(self.paths)
        assert found is not None
        return found

    def program(self) -> psutil.Process:
        (child,) = psutil.Process(self.keeper().identity.pid).children()
        return child

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def log(self) -> str:
        path = Path(self.paths.gateway_log)
        return path.read_text() if path.exists() else ""


@pytest.fixture
def files(world: World, tmp_path: Path):
    found = Files(world, tmp_path)
    yield found
    found.run("uninstall")


@mostly("embedded")
def test_what_only_our_own_gateway_has_is_not_said_of_another_program(files: Files) -> None:
    said = files.world.hermes.run("gateway", "install", "--program", str(files.file)).stdout
    assert "ready, pid" in said
    assert "socket" not in said
    assert "active turns" not in files.run("status").stdout
    for refused in files.world.hermes.run("-p", "files", "chat", "hello"), files.run("release"):
        assert refused.returncode in {2, 4}, refused.stdout + refused.stderr
    assert "gateway uninstall" in files.run("release").stderr


def test_a_program_without_a_service_is_installed_restarted_and_stopped_like_our_own_gateway(files: Files) -> None:
    first = files.install()
    assert files.answers()
    done = files.run("restart")
    assert (done.returncode, "restarted: pid" in done.stdout + done.stderr) == (0, True), done.stdout + done.stderr
    second = files.keeper()
    assert not second.identity.is_same_as(first.identity)
    assert files.answers()
    program = files.program()
    done = files.run("stop")
    assert done.returncode == 0, done.stderr
    assert not program.is_running()
    assert not files.answers()
    done = files.run("start")
    assert done.returncode == 0, done.stderr
    assert files.answers()


def test_a_program_that_is_killed_comes_back(files: Files) -> None:
    before = files.install()
    files.program().kill()
    files.world.hermes.until(lambda: _other(files.paths, before), "a fresh run")
    assert files.answers()


def test_a_program_whose_keeper_is_killed_runs_once_when_it_is_back(files: Files) -> None:
    before = files.install()
    program = files.program()
    os.kill(before.identity.pid, signal.SIGKILL)
    files.world.hermes.until(lambda: _other(files.paths, before), "a fresh run")
    assert not program.is_running() or program.status() == psutil.STATUS_ZOMBIE
    assert files.answers()


def _other(paths: Paths, before: Instance) -> bool:
    found = own.read_alive(paths)
    return found is not None and found.ready and not found.identity.is_same_as(before.identity)


@mostly("embedded")
def test_its_outcomes_are_told_and_its_hooks_run(files: Files, tmp_path: Path) -> None:
    config = Path(files.paths.config)
    config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = json.dumps(["/bin/sh", "-c", f"cat >>{shlex.quote(str(tmp_path / 'told'))}"])
    hooks = f"[hooks]\nbefore_restart = {command}\nafter_restart = {command}\n"
    config.write_text(f"[notify]\ncommand = {command}\nevents = ['restarted']\n{hooks}")
    files.install()
    done = files.run("restart")
    assert done.returncode == 0, done.stderr

    def told() -> set[str]:
        lines = (tmp_path / "told").read_text().splitlines() if (tmp_path / "told").exists() else []
        return {json.loads(line)["event"] for line in lines}

    files.world.hermes.until(lambda: told() == {"before-restart", "after-restart", "restarted"}, "all three")


@mostly("embedded")
def test_a_program_that_is_gone_is_not_ended_for_a_restart(world: World, tmp_path: Path) -> None:
    script = tmp_path / "files.sh"
    script.write_text('#!/bin/sh\nexec "$@"\n')
    script.chmod(0o755)
    files = Files(world, tmp_path)
    files.write(FILE.replace("argv = [", f'argv = ["{script}", '))
    keeper = files.install()
    program = files.program()
    script.unlink()
    done = files.run("restart")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert f"the program of files is gone, {script}" in done.stderr
    os.kill(keeper.identity.pid, signal.SIGUSR1)
    world.hermes.until(lambda: "SIGUSR1: staying" in files.log(), "the keeper's word")
    assert files.keeper().identity == keeper.identity
    assert program.is_running()
    assert files.answers()


OPENCLAW = """\
schema = 1
name = "files"
argv = {argv}
[instance]
pid = "manager"
ready = {{ http = "http://127.0.0.1:{port}/readyz" }}
[restart]
signal = "SIGUSR2"
exits = {{ stopped = [0], refused = [78] }}
handoff = {{ command = {consume}, field = "status", is = "accepted" }}
"""


@mostly("embedded")
def test_openclaw_hands_its_restart_over_once_and_its_stop_is_one(files: Files, tmp_path: Path) -> None:
    home = tmp_path / "openclaw"
    home.mkdir()
    (home / "openclaw.json").write_text("{}")
    stand_in = ["/usr/bin/env", f"OPENCLAW_STATE_DIR={home}", "OPENCLAW_SUPERVISOR_MODE=external"]
    stand_in += [sys.executable, "-P", stand_in_openclaw.__file__, "gateway"]
    asks = [*stand_in, "restart-handoff", "consume", "--expected-pid", "{pid}", "--json"]
    argv, consume = json.dumps([*stand_in, "run", "--port", str(files.port)]), json.dumps(asks)
    files.file.write_text(OPENCLAW.format(argv=argv, port=files.port, consume=consume))
    before = files.install()
    files.program().send_signal(signal.SIGUSR2)  # as its own `gateway restart` does
    files.world.hermes.until(lambda: _other(files.paths, before), "a fresh run")
    assert not (home / "handoff").exists()
    after = files.keeper()
    files.program().send_signal(signal.SIGTERM)
    said = f"[{after.identity.pid}] INFO hermes.exit: exit 0"  # gateway.json is soon the next one's
    files.world.hermes.until(lambda: said in Path(files.paths.gateway_log).read_text(), "its end")
    assert not (home / stand_in_openclaw.INSPECTED).exists()
