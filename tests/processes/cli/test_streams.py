"""Commands where streams are closed or poor, and where nobody has a home: in containers, from cron, at boot."""

import os
import subprocess
import sys

import pytest
from support import PATIENCE

from hermes_cli.paths import resolve

SHOWS = """
import sys
from hermes_cli.cli import streams
streams.mend()
print("old → new")
"""
NOBODY = """
import os, pwd, sys
os.environ.pop("HERMES_HOME"), os.environ.pop("HOME", None)
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
from hermes_cli.cli.main import run
sys.exit(run(["gateway", "status"]))
"""


def shell(words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'"$0" -m hermes_cli {words}', sys.executable],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("words", ["chat <&-", "chat hello <&-", "gateway status >&-", "gateway status 2>&-"])
def test_a_stream_that_is_closed_is_no_traceback(tmp_path, words):
    done = shell(words, HERMES_HOME=str(tmp_path))
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode in {3, 4}  # nothing runs


def test_what_an_encoding_cannot_show_is_replaced_and_the_line_is_there():
    done = python(SHOWS, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stdout) == (0, "old ? new\n")


def test_a_user_whom_nobody_knows_is_told_in_one_line_to_name_a_home(tmp_path):
    done = python(NOBODY, HERMES_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "set HERMES_HOME" in done.stderr


def test_a_user_whom_nobody_knows_works_in_the_home_that_is_named(tmp_path, monkeypatch):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("HOME")
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    assert resolve().state == f"{tmp_path}/state"
