"""Commands where streams are closed or poor, and where nobody has a home: in containers, from cron, at boot."""

import os
import shlex
import subprocess
import sys

import pytest
from support import PATIENCE

import hermes_cli
from hermes_cli.paths import resolve

REPOSITORY = os.path.dirname(os.path.dirname(hermes_cli.__file__))
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
from hermes_cli.cli.line import run
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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is full")
def test_an_output_that_is_full_is_said_once(tmp_path):
    done = shell("gateway status >/dev/full", HERMES_HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, "hermes: No space left on device: mend it and repeat\n")


@pytest.mark.parametrize(
    "words",
    [
        ["config", "show"],
        ["gateway", "status"],
        ["gateway", "list"],
        ["gateway", "logs"],
        ["gateway", "logs", "-f"],
        ["gateway", "metrics"],
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_failure_and_nothing_is_said(tmp_path, words):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gateway.log").write_text("2026-11-27T04:13:35.696Z [1] INFO hermes.gateway: a line\n")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "hermes_cli", *words],
        env={**os.environ, "HERMES_HOME": str(tmp_path)},
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_relative_home_in_a_directory_that_is_gone_is_said_in_a_line(tmp_path):
    (tmp_path / "gone").mkdir()
    done = shell("gateway status", PWD="", HERMES_HOME=str(tmp_path))
    assert done.returncode == 4
    line = f'cd {shlex.quote(str(tmp_path / "gone"))}; rmdir ../gone; "$0" -P -m hermes_cli gateway status'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable],
        env={**os.environ, "HERMES_HOME": "relative", "PYTHONPATH": REPOSITORY},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "HERMES_HOME=relative is relative, and the directory that this shell is in is gone" in done.stderr


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
