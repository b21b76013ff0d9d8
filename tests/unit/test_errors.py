"""The one way from a foreseeable failure to a line and an exit code."""

import errno
import os
import subprocess
import sys

import pytest

from hermes_cli.errors import HermesError, NotRunningError, TryAgainError, UsageError, exit_code_of
from hermes_cli.services.launchd.launchctl import Launchctl
from hermes_cli.services.systemd.systemctl import Systemctl


def raises(error):
    def command():
        raise error

    return command


def test_the_exit_code_of_a_command_that_ends_well_is_its_own(capsys):
    assert exit_code_of(lambda: 3) == 3
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code"), [(HermesError, 1), (UsageError, 2), (NotRunningError, 3), (TryAgainError, 75)]
)
def test_a_foreseeable_failure_is_one_line_and_the_exit_code_of_its_kind(capsys, error, code):
    assert exit_code_of(raises(error("it is broken: mend it"))) == code
    assert capsys.readouterr() == ("", "hermes: it is broken: mend it\n")


def test_what_the_operating_system_refuses_is_one_line_with_the_path(capsys, tmp_path):
    assert exit_code_of(lambda: len((tmp_path / "none").read_text())) == 1
    assert capsys.readouterr().err == f"hermes: {tmp_path}/none: No such file or directory: mend it and repeat\n"


def test_a_reader_that_has_gone_is_not_complained_about():
    code = (
        "from hermes_cli.errors import exit_code_of\n"
        "import sys\n"
        "sys.exit(exit_code_of(lambda: [print('x' * 100, flush=True) for _ in range(100000)] and 0))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_what_is_no_foreseeable_failure_is_raised():
    with pytest.raises(ZeroDivisionError):
        exit_code_of(lambda: 1 // 0)


@pytest.mark.parametrize(
    "call",
    [lambda: Systemctl(system=False)("show"), lambda: Launchctl("launchctl")("list")],
    ids=["systemctl", "launchctl"],
)
def test_where_no_process_can_be_started_nobody_is_told_to_mend_the_path(call, monkeypatch):
    def refused(*_args, **_named):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(HermesError, match="end some of this user's processes, or raise ulimit -u"):
        call()
