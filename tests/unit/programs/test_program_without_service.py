"""A taken-over program, as whoever runs it asks: its command line, its exit codes, what outlived its keeper."""

import os
import subprocess
import sys

import pytest

from hermes_cli.errors import ConfigError
from hermes_cli.paths import Paths
from hermes_cli.programs.program_file import parse
from hermes_cli.programs.taken_over import TakenOver
from hermes_cli.system import durable
from hermes_cli.system.process import Identity

FILE = """\
schema = 1
name = "files"
argv = ["{python}", "{state}/x", "$HOME; {port}"]
[instance]
pid = "manager"
port = { json = "{state}/port.json", field = "gateway.port", default = 8080 }
[restart]
exits = { restart = [5, -15], stopped = [0], refused = [3] }
"""


@pytest.fixture
def paths(tmp_path):
    return Paths("files", str(tmp_path), str(tmp_path), str(tmp_path))


@pytest.fixture
def program(paths):
    return TakenOver(paths, parse("files.toml", FILE))


def test_placeholders_are_filled_in_and_nothing_else_is(paths, program):
    assert program.argv == [sys.executable, f"{paths.state}/x", "$HOME; 8080"]


def test_the_port_is_read_where_the_file_says(paths):
    os.makedirs(paths.state, exist_ok=True)
    with open(f"{paths.state}/port.json", "w", encoding="ascii") as file:
        file.write('{"gateway": {"port": 18790}}')
    assert TakenOver(paths, parse("files.toml", FILE)).argv[2] == "$HOME; 18790"


@pytest.mark.parametrize(("code", "ours"), [(5, 75), (-15, 75), (0, 0), (3, 78), (1, 1), (-9, 1), (75, 1), (78, 1)])
def test_an_exit_code_means_what_the_file_says(program, code, ours):
    assert program.exit_code(code, os.getpid()) == ours


def test_without_a_probe_a_program_is_ready_when_it_has_lived_for_a_second(program):
    assert (program.ask(0.9).holds, program.ask(1.0).holds) == (False, True)


@pytest.fixture
def sleeper():
    """A process that does nothing until a signal ends it."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as found:
        yield found
        found.kill()


def test_what_outlived_its_keeper_is_ended(paths, program, sleeper):
    os.makedirs(paths.state, exist_ok=True)
    program.remember(sleeper.pid)
    program.end_leftover()
    assert sleeper.wait(timeout=30) == -15
    assert not os.path.exists(f"{paths.state}/program.json")


def test_a_process_that_only_has_the_pid_of_what_was_left_is_let_be(paths, program, sleeper):
    me = Identity.of(sleeper.pid)
    document = {**me.document(), "start_ticks": 1, "create_time": 1.0}
    durable.replace_volatile(f"{paths.state}/program.json", document)
    program.end_leftover()
    assert sleeper.poll() is None


def test_a_mistake_is_said_with_its_place():
    with pytest.raises(ConfigError, match=r"^f.toml:3:2: argw is not a key"):
        parse("f.toml", FILE.replace("argv", " argw"))
