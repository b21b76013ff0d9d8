"""Logs: several processes write one, it stays within its bound, no line is lost, and readers follow over rotations."""

import contextlib
import fcntl
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pexpect
import pytest
from support import PATIENCE

from hermes_cli.services.job import output
from hermes_cli.system import log_file
from hermes_cli.system.log_file import Bounds, LogFile

WRITER = """
import logging, sys
from hermes_cli.system import log
path, size, files, name = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
log.configure(path, log.Bounds(size, files), outputs="outputs" in sys.argv)
"""
LINES = (
    WRITER
    + """
file = log._file
for number in range(int(sys.argv[5])):
    file.write(f"{name} {number} {'x' * 60}\\n".encode())
"""
)


def content(path):
    return b"".join(Path(one).read_bytes() for one in log_file.files(path))


def total(path):
    return sum(os.stat(one).st_size for one in log_file.files(path))


@pytest.fixture
def log(tmp_path):
    return f"{tmp_path}/logs/gateway.log"


def test_four_processes_write_one_log_and_no_line_is_lost_or_doubled(children, log):
    writers = [children("-c", LINES, log, "4096", "1000", f"w{number}", "500") for number in range(4)]
    for writer in writers:
        assert writer.communicate(timeout=PATIENCE)[1] == ""
    lines = content(log).decode().splitlines()
    assert sorted(line.rsplit(" ", 1)[0] for line in lines) == sorted(
        f"w{writer} {number}" for writer in range(4) for number in range(500)
    )
    for number in range(4):  # each one's in its order
        assert [line for line in lines if line.startswith(f"w{number} ")] == [
            f"w{number} {one} {'x' * 60}" for one in range(500)
        ]
    assert len(log_file.files(log)) > 30
    # A writer whom a busy machine keeps from the lock for two seconds goes on without it, up to twice the size and a line.
    assert all(os.stat(one).st_size <= 2 * 4096 + 100 for one in log_file.files(log))


def test_a_log_never_grows_beyond_its_bound(log):
    file = LogFile(log, Bounds(4096, 3))
    for _ in range(1000):
        file.write(b"x" * 99 + b"\n")
        assert total(log) <= 3 * 4096
    assert sorted(os.listdir(os.path.dirname(log))) == ["gateway.log", "gateway.log.1", "gateway.log.2"]


def test_fewer_files_than_before_remove_the_others(log):
    many = LogFile(log, Bounds(4096, 9))
    for _ in range(1000):
        many.write(b"x" * 99 + b"\n")
    assert len(log_file.files(log)) == 9
    few = LogFile(log, Bounds(4096, 2))
    for _ in range(50):
        few.write(b"x" * 99 + b"\n")
    assert log_file.files(log) == [f"{log}.1", log]


def test_one_file_is_enough(log):
    file = LogFile(log, Bounds(4096, 1))
    for number in range(100):
        file.write(b"%099d\n" % number)
    assert log_file.files(log) == [log]
    assert content(log).endswith(b"%099d\n" % 99)


def test_a_process_that_was_suspended_with_the_lock_stops_nobody(log, monkeypatch):
    monkeypatch.setattr(log_file, "_LEAVE_ALONE", 1.0)
    file = LogFile(log, Bounds(4096, 3))
    with open(log, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        began = time.monotonic()
        for _ in range(1000):
            file.write(b"x" * 99 + b"\n")
        assert time.monotonic() - began < 10
        assert 4096 < total(log) <= 2 * 4096 + 100  # the bound comes first, then the lines
    time.sleep(1.1)  # it looks for the lock once a second
    file.write(b"last\n")
    assert Path(log).read_bytes() == b"last\n"


def test_what_a_dying_interpreter_says_is_in_the_log_after_any_rotation(children, log):
    code = (
        WRITER
        + """
import os
for number in range(200):
    logging.getLogger("x").warning("%s %s", number, "x" * 60)
os.write(2, b"raw\\n")
print("printed")
sys.stdout.write("without an end")
raise SystemError("the last word")
"""
    )
    child = children("-c", code, log, "4096", "100", "w", "outputs")
    assert child.communicate(timeout=PATIENCE) == ("", "")
    assert child.returncode == 1
    found = Path(log).read_text()
    assert "raw\nprinted\nwithout an end" in found
    assert found.rstrip().endswith("SystemError: the last word")


def test_output_past_the_logger_counts_as_well(children, log):
    code = (
        WRITER
        + """
import os
for _ in range(50):
    os.write(2, b"y" * 999 + b"\\n")
    log.tend()
"""
    )
    child = children("-c", code, log, "4096", "3", "w", "outputs")
    assert child.communicate(timeout=PATIENCE) == ("", "")
    assert total(log) <= 3 * 4096 + 1000
    assert len(log_file.files(log)) == 3


def test_a_burst_past_the_logger_does_not_stay_aside_in_its_full_length(log):
    file = LogFile(log, Bounds(4096, 3))
    with open(log, "ab") as past, open(log, "ab") as daemon:
        past.write(b"".join(b"burst %d\n" % number for number in range(100_000)))
        past.flush()
        file.write(b"a line\n")
        file.tend()
        assert total(log) <= 3 * 4096
        assert content(log).endswith(b"burst 99999\na line\n")
        assert re.match(rb"\[\d+ bytes before this were left out\]\n", content(log))
        daemon.write(b"who still has it open\n")
    assert b"burst 99999\nwho still has it open\n" in content(log)
    Path(f"{log}.1").write_bytes(b"x" * 100_000)  # as the shell of a start moves it aside
    file.tend()
    assert total(log) <= 3 * 4096


def test_a_directory_that_is_gone_is_made_again(log):
    file = LogFile(log)
    shutil.rmtree(os.path.dirname(log))
    file.write(b"line\n")
    assert content(log) == b"line\n"
    assert os.stat(os.path.dirname(log)).st_mode & 0o777 == 0o700
    assert os.stat(log).st_mode & 0o777 == 0o600


def test_without_a_free_descriptor_lines_still_come(log):
    file = LogFile(log, Bounds(4096, 3))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for number in range(60):
            file.write(b"%099d\n" % number)
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    file.write(b"last\n")
    assert [line.lstrip(b"0") for line in content(log).splitlines()][-3:] == [b"58", b"59", b"last"]
    assert len(content(log).splitlines()) == 61


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
def test_what_is_no_file_is_not_written_to(tmp_path, kind):
    path = f"{tmp_path}/gateway.log"
    if kind == "link":
        (tmp_path / "victim").write_text("")
        os.symlink(f"{tmp_path}/victim", path)
    elif kind == "directory":
        os.mkdir(path)
    else:
        os.mkfifo(path)
    with pytest.raises(OSError, match=r"gateway\.log"):
        LogFile(path)


def test_a_place_that_logs_without_end_is_bounded_and_counted(run_code, log):
    code = (
        WRITER
        + """
def say(): logging.getLogger("x").info("again")
for _ in range(1000): say()
logging.getLogger("x").info("elsewhere")
import time; real = time.monotonic; time.monotonic = lambda: real() + 11
say()
"""
    )
    run_code(code, log, "1000000", "3", "w")
    lines = content(log).decode().splitlines()
    assert len(lines) == 502
    assert lines[-1].endswith("INFO x: again [500 such lines left out before]")


def test_a_long_event_is_cut(run_code, log):
    run_code(WRITER + "logging.getLogger('x').info('y' * 100000)", log, "1000000", "3", "w")
    assert len(content(log)) < 17000
    assert re.search(rb"\[cut, \d+ more\]\n$", content(log))


def shelled(log, command, *, limit=None):
    """Run a command as a job of launchd or systemd does."""
    argv = output.into(log, ["/bin/sh", "-c", command], Bounds())
    if limit is not None:
        argv[2] = argv[2].replace(str(output.limit(Bounds())), str(limit))
    return subprocess.run(argv, capture_output=True, text=True, check=False, umask=0o022, timeout=20)


def test_a_job_makes_its_directory_and_logs_what_is_said_before_there_is_a_logger(log):
    shelled(log, "echo out; echo err >&2; umask")
    assert Path(log).read_text() == "out\nerr\n0022\n"  # private, and the job's own mask is what it was
    assert os.stat(log).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(log)).st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["a b", "höme", "$HOME", "it's", '"q"', "-n"])
def test_a_job_logs_below_any_path(tmp_path, name):
    log = f"{tmp_path}/{name}/x.log"
    shelled(log, "echo line")
    assert Path(log).read_text() == "line\n"


def test_a_job_whose_log_cannot_be_opened_runs_without(tmp_path):
    os.mkdir(f"{tmp_path}/x.log")
    assert shelled(f"{tmp_path}/x.log", "echo line").stdout == "line\n"
    (tmp_path / "file").write_text("")
    assert shelled(f"{tmp_path}/file/x.log", "echo line").stdout == "line\n"


def test_where_no_python_starts_a_log_is_moved_aside_once_it_is_long(log):
    for number in range(100):
        shelled(log, f"echo {number:0999}", limit=10000)
    assert log_file.files(log) == [f"{log}.1", log]
    assert total(log) <= 2 * 11000
    assert content(log).endswith(b"99\n")


# Reading.


def follower(children, home, *options):
    return children("-P", "-m", "hermes_cli", "gateway", "logs", *options, environment={"HERMES_HOME": str(home)})


def test_a_follower_loses_no_line_over_a_hundred_rotations(children, tmp_path):
    log = f"{tmp_path}/logs/gateway.log"
    file = LogFile(log, Bounds(4096, 3))
    file.write(b"first\n")
    reading = follower(children, tmp_path, "-f")
    assert reading.stdout.readline() == "first\n"
    code = (
        WRITER
        + """
file = log._file
number = 0
for line in sys.stdin:
    for _ in range(80):  # two rotations: what nobody has read is not removed yet
        file.write(f"{number:099}\\n".encode())
        number += 1
    print(number, flush=True)
"""
    )
    writer = children("-c", code, log, "4096", "3", "w")
    seen = 0
    for _ in range(60):
        writer.stdin.write("\n")
        writer.stdin.flush()
        written = int(writer.stdout.readline())
        while seen < written:
            assert int(reading.stdout.readline()) == seen
            seen += 1
    assert seen == 4800  # 4,800 lines of 100 bytes in files of 40 lines: 120 rotations
    assert total(log) <= 3 * 4096


def test_a_follower_reads_on_when_the_directory_was_removed(children, tmp_path):
    log = f"{tmp_path}/logs/gateway.log"
    file = LogFile(log)
    file.write(b"first\n")
    reading = follower(children, tmp_path, "-f")
    assert reading.stdout.readline() == "first\n"
    shutil.rmtree(f"{tmp_path}/logs")
    file.write(b"second\n")
    assert reading.stdout.readline() == "second\n"


def stamped(text, *, ago=timedelta(), level="INFO"):
    at = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23]
    return f"{at}Z [42] {level} hermes.x: {text}\n"


@pytest.fixture
def logs(hermes, home):
    """Write logs of three files, and read them by the command."""
    os.makedirs(f"{home}/logs")

    def write(name, text):
        with open(f"{home}/logs/{name}", "w") as file:
            file.write(text)

    write("gateway.log.2", stamped("a", ago=timedelta(hours=3)) + stamped("b" * 100000, ago=timedelta(hours=2)))
    write("gateway.log.1", stamped("c", ago=timedelta(hours=1), level="ERROR") + "Traceback\n  more\n")
    write("gateway.log", stamped("d") + stamped("e", level="WARNING") + "half")
    write("restarter.log", stamped("r", ago=timedelta(minutes=90)))
    write("update.log", re.sub(r" \[.*?: ", " 42 ", stamped("u", ago=timedelta(minutes=30))))

    def read(*options):
        done = hermes("gateway", "logs", *options)
        assert done.returncode == 0, done.stderr
        return [re.sub(r"^20\S* (\[42\] [A-Z]+ hermes.x: |42 )", "", line) for line in done.stdout.splitlines()]

    return read


def test_the_last_lines_are_read_over_all_files_however_long_they_are(logs):
    assert logs("-n", "2") == ["e", "half"]
    assert logs("-n", "7")[0] == "b" * 100000
    assert logs() == ["a", "b" * 100000, "c", "Traceback", "  more", "d", "e", "half"]
    assert logs("-n", "0") == []


def test_lines_are_chosen_by_time_and_level_with_what_belongs_to_them(logs):
    assert logs("--since", "90m") == ["c", "Traceback", "  more", "d", "e", "half"]
    assert logs("--level", "error") == ["c", "Traceback", "  more"]
    assert logs("--level", "warning", "--since", "30m") == ["e", "half"]
    assert logs("--since", "2099-01-01") == []


def test_the_other_logs_are_read_as_well_and_in_the_order_of_their_time(logs, home):
    assert logs("--log", "restarter") == ["r"]
    assert logs("--log", "all") == ["a", "b" * 100000, "r", "c", "Traceback", "  more", "u", "d", "e", "half"]
    assert logs("--path") == [f"{home}/logs/gateway.log{end}" for end in (".2", ".1", "")]


def test_a_script_gets_each_line_as_an_object_that_names_its_log(hermes, logs):
    assert logs("--json")
    done = hermes("gateway", "logs", "--log", "all", "--json", "-n", "4")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["log"], one["level"], one["message"][-4:]) for one in found] == [
        ("update", None, "42 u"),
        ("gateway", "INFO", "d"),
        ("gateway", "WARNING", "e"),
        ("gateway", None, "half"),
    ]


def test_on_a_terminal_times_are_local(logs, home):
    pipe = logs("-n", "2")
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "hermes_cli", "gateway", "logs", "-n", "2"],
        env={**os.environ, "HERMES_HOME": home, "TZ": "UTC-05:30"},
        timeout=PATIENCE,
    )
    terminal.expect(pexpect.EOF)
    shown = datetime.strptime(terminal.before.decode()[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(shown - datetime.now(UTC) - timedelta(hours=5, minutes=30)) < timedelta(minutes=10)
    assert pipe == ["e", "half"]


@pytest.mark.parametrize("since", ["yesterday", "10 m", "-5m", ""])
def test_a_time_that_is_none_is_refused_in_one_line(hermes, since):
    done = hermes("gateway", "logs", "--since", since)
    assert done.returncode == 2
    assert "is no time" in done.stderr


def test_a_log_that_is_not_there_is_said(hermes, home):
    done = hermes("gateway", "logs", "--log", "update")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"hermes: {home}/logs/update.log cannot be read")
