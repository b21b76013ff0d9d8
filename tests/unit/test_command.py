"""External commands: bounded, and nothing of them is left behind."""

import os
import signal
import sys
import threading
import time
import traceback

import pytest
from support import PATIENCE

from hermes_cli.system import complaint, locks
from hermes_cli.system.command import Running, printable, run

SHELL = {"PATH": os.environ["PATH"]}
DEAF = "trap '' TERM; echo up; while :; do sleep 1; done"


def sh(text, timeout=PATIENCE, **more):
    return run(["/bin/sh", "-c", text], timeout, environment=SHELL, **more)


def descendants_of(mark):
    """Pids of the processes that have `mark` in their environment."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"MARK={mark}".encode() in file.read():
                    found.append(int(pid))
        except OSError:
            continue
    return found


def test_what_it_printed_and_how_it_ended_are_kept():
    ended = sh("echo out; echo err >&2; exit 3")
    assert (ended.code, ended.out, ended.err, ended.ok) == (3, "out\n", "err\n", False)
    assert sh("true").ok


def test_it_has_the_environment_that_it_was_given_and_no_other(monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    ended = run(["/usr/bin/env"], PATIENCE, environment={"GIVEN": "yes"})
    assert ended.out == "GIVEN=yes\n"


@pytest.mark.parametrize(
    ("text", "why", "last_word"),
    [
        ("echo out; echo one >&2; echo two >&2; echo >&2; exit 1", "two", "two"),
        ("echo out; exit 1", "exited 1", "out"),
        ("exit 1", "exited 1", "exited 1"),
        ("kill -KILL $$", "killed by SIGKILL", "killed by SIGKILL"),
        ("printf 'a\\033[2Jb https://me:secret@host/x' >&2; exit 1", "a?[2Jb https://host/x", "a?[2Jb https://host/x"),
    ],
)
def test_why_is_its_last_line_or_how_it_ended(text, why, last_word):
    ended = sh(text)
    assert (ended.why, ended.last_word) == (why, last_word)


def test_what_takes_too_long_is_unknown():
    ended = sh("echo out; exec sleep 600", timeout=0.2)
    assert (ended.code, ended.ok, ended.out) == (None, False, "")
    assert (ended.why, ended.last_word) == ("it took over 0 s", "no answer in time")


def test_a_program_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError):
        run(["/nonexistent/program"], PATIENCE, environment={})


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("text", [DEAF, f"({DEAF}) & wait", "exec sleep 600"], ids=["deaf", "deaf child", "plain"])
def test_nothing_of_it_is_left_after_a_timeout(text, tmp_path):
    environment = {**SHELL, "MARK": str(tmp_path)}
    ended = run(["/bin/sh", "-c", text], 0.5, environment=environment, grace=0.2)
    assert ended.code is None
    deadline = time.monotonic() + PATIENCE
    while descendants_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)  # orphans are reaped by somebody else
    assert not descendants_of(tmp_path)


def test_sigterm_comes_first_so_that_it_can_clean_up(tmp_path):
    text = f"trap 'echo cleaned >{tmp_path}/cleaned; exit' TERM; >{tmp_path}/up; while :; do sleep 0.05; done"
    command = Running(["/bin/sh", "-c", text], SHELL)
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "up").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert command.collect(0.0, grace=PATIENCE).code is None
    assert (tmp_path / "cleaned").read_text() == "cleaned\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_an_interrupted_caller_leaves_nothing(tmp_path):
    command = Running(["/bin/sh", "-c", "exec sleep 600"], {**SHELL, "MARK": str(tmp_path)})
    main = threading.get_ident()

    def interrupt_once_it_waits():
        while not any(
            frame.f_code is Running._read.__code__ for frame, _ in traceback.walk_stack(sys._current_frames()[main])
        ):
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt_once_it_waits, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        command.collect(PATIENCE)
    assert not descendants_of(tmp_path)


def test_two_run_at_the_same_time_and_are_collected_later():
    one, two = Running(["/bin/sh", "-c", "read x"], SHELL), Running(["/bin/echo", "two"], SHELL)
    assert two.collect(PATIENCE).out == "two\n"
    assert one.collect(PATIENCE).code == 1  # its input is empty


def test_a_lock_that_it_shares_is_held_until_it_has_ended(tmp_path):
    path = f"{tmp_path}/lock"
    lock = locks.take(path)
    reading, writing = os.pipe()
    wait = [sys.executable, "-c", f"import os; os.read({reading}, 1)"]
    command = Running(wait, SHELL, (lock.descriptor, reading))
    os.close(reading)
    os.close(lock.descriptor)  # as if this process had died
    assert locks.is_held(path)
    os.close(writing)
    assert command.collect(PATIENCE).ok
    assert not locks.is_held(path)


def test_what_is_printed_can_neither_move_a_cursor_nor_tell_a_password():
    assert printable("a\x1b[1mb\r") == "a?[1mb?"
    assert printable("https://me:secret@host") == "https://host"
    assert len(printable("x" * 1000)) == 300


GIT_SSH = """ssh: connect to host example.org port 22: Connection refused
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""
GIT_FILTER = "error: external filter 'lfs' failed 127\nerror: external filter 'lfs' failed\nfatal: a.bin: smudge filter lfs failed\n"
PIP_INDEX = """WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'NewConnectionError("no route to host")': /simple/x/
ERROR: Could not find a version that satisfies the requirement x (from versions: none)
ERROR: No matching distribution found for x
"""
PIP_BUILD = """  error: subprocess-exited-with-error

  \u00d7 Getting requirements to build editable did not run successfully.
  │ exit code: 1
  ╰─> [2 lines of output]
      Traceback (most recent call last):
      ModuleNotFoundError: No module named 'hatchling'
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
"""
UV_CAUSE = (
    "error: Failed to fetch: `https://x/`\n  Caused by: request failed\n  Caused by: dns error\nhint: try again\n"
)
UV_PLAN = "  \u00d7 No solution found when resolving dependencies:\n  ╰─▶ Because x is not there\n      we can conclude nothing.\n"
PROOF = "error: a log\nTraceback (most recent call last):\n  File x\nImportError: a bad day\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GIT_SSH, "ssh: connect to host example.org port 22: Connection refused"),
        ("fatal: 'x' is no repository\n" + GIT_SSH.partition("\n")[2], "fatal: 'x' is no repository"),
        (GIT_SSH.partition("\n")[2], "fatal: Could not read from remote repository."),
        (GIT_FILTER, "error: external filter 'lfs' failed 127"),
        (PIP_INDEX, 'NewConnectionError("no route to host")'),
        (
            PIP_INDEX.partition("\n")[2],
            "ERROR: Could not find a version that satisfies the requirement x (from versions: none)",
        ),
        (PIP_BUILD, "ModuleNotFoundError: No module named 'hatchling'"),
        (UV_CAUSE, "error: Failed to fetch: `https://x/`; Caused by: dns error"),
        (
            UV_PLAN,
            "\u00d7 No solution found when resolving dependencies: ╰─▶ Because x is not there we can conclude nothing.",
        ),
        (PROOF, "ImportError: a bad day"),
        ("", None),
    ],
)
def test_the_line_that_says_why_is_found(text, why):
    assert complaint.reason(text) == why
