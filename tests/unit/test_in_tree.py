"""In-tree or not: asked by a real process that stands in a real relation to a real gateway."""

import json
import os
import sys

import pytest

from hermes_cli.environment import MARKER, marker, scrubbed
from hermes_cli.restart.in_tree import is_in_tree
from hermes_cli.system import process_table

STATE = "/somewhere/state"
ASK = """
import sys
from hermes_cli.restart.in_tree import is_in_tree
ticks = int(sys.argv[3]) if sys.argv[3] else None
print("in" if is_in_tree(sys.argv[1], int(sys.argv[2]), ticks) else "out", flush=True)
"""
# A daemon: its own session, its parent dead, so that it descends from nobody but init.
DETACHED = f"""
import os, sys
if os.fork():
    os.wait()
    sys.stdin.read()
    sys.exit()
os.setsid()
if os.fork():
    os._exit(0)
while os.getppid() == int(sys.argv[4]):
    pass
{ASK}
"""


@pytest.fixture
def stranger(children):
    """A living process that is nobody's ancestor here."""
    child = children("-c", "import sys; print('up', flush=True); sys.stdin.read()")
    assert child.stdout.readline() == "up\n"
    return child.pid


@pytest.fixture
def ask(run_code):
    def run(pid, ticks=None, environment=None, state=STATE):
        return run_code(ASK, state, str(pid), "" if ticks is None else str(ticks), environment=environment).strip()

    return run


def ticks_of(pid):
    return process_table.start_ticks(pid)


def test_the_gateway_itself_is_in_tree():
    assert is_in_tree(STATE, os.getpid(), ticks_of(os.getpid()))


def test_a_child_of_the_gateway_is_in_tree(ask):
    assert ask(os.getpid()) == "in"


def test_a_grandchild_is_in_tree(run_code):
    code = f"import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', {ASK!r}, *sys.argv[1:]], text=True))"
    assert run_code(code, STATE, str(os.getpid()), "").strip() == "in"


def test_a_stranger_is_not_in_tree(ask, stranger):
    assert ask(stranger, ticks_of(stranger)) == "out"


def test_a_gateway_that_is_gone_has_no_tree(ask):
    assert ask(2**22 - 3) == "out"


def test_the_marker_alone_is_enough(ask, stranger):
    ticks = ticks_of(stranger)
    assert ask(stranger, ticks, {MARKER: marker(STATE, stranger, ticks)}) == "in"


@pytest.mark.parametrize(("marked", "answer"), [(True, "in"), (False, "out")])
def test_a_daemon_that_left_the_tree_is_betrayed_by_the_marker_alone(children, stranger, marked, answer):
    ticks = ticks_of(stranger)
    environment = {MARKER: marker(STATE, stranger, ticks)} if marked else {}
    child = children(
        "-c", DETACHED, STATE, str(stranger), "" if ticks is None else str(ticks), "0", environment=environment
    )
    assert child.stdout.readline().strip() == answer


def test_another_profiles_marker_says_nothing(ask, stranger):
    ticks = ticks_of(stranger)
    assert ask(stranger, ticks, {MARKER: marker("/somewhere/state/profiles/work", stranger, ticks)}) == "out"


def test_an_earlier_gateways_marker_says_nothing(ask, stranger):
    ticks = ticks_of(stranger)
    assert ask(stranger, ticks, {MARKER: marker(STATE, stranger, (ticks or 0) - 1)}) == "out"
    assert ask(stranger, ticks, {MARKER: marker(STATE, stranger - 1, ticks)}) == "out"


@pytest.mark.parametrize("malformed", ["nonsense", "", "12", "12:34", ":", "abc:def:/x", "::"])
def test_a_malformed_marker_is_unknown_and_unknown_counts_as_in(ask, stranger, malformed):
    assert ask(stranger, ticks_of(stranger), {MARKER: malformed}) == "in"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has ticks")
def test_a_marker_of_the_same_pid_counts_as_in_when_the_gateways_start_is_not_known(ask, stranger):
    assert ask(stranger, None, {MARKER: marker(STATE, stranger, ticks_of(stranger))}) == "in"


def test_a_state_directory_with_colons_is_no_obstacle(ask, stranger):
    ticks, state = ticks_of(stranger), "/odd:place/state: 1"
    assert ask(stranger, ticks, {MARKER: marker(state, stranger, ticks)}, state) == "in"
    assert ask(stranger, ticks, {MARKER: marker(state + ":2", stranger, ticks)}, state) == "out"


def test_what_a_service_manager_starts_carries_neither_marker_nor_session(monkeypatch):
    for name in (MARKER, "HERMES_SESSION_PLATFORM", "HERMES_SESSION_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("HERMES_HOME", "/kept")
    found = scrubbed()
    assert found["HERMES_HOME"] == "/kept"
    assert not [name for name in found if name == MARKER or name.startswith("HERMES_SESSION_")]
    assert json.dumps(found)
