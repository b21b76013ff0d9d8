"""Jobs are real processes and launchd's own: what they are born with, and that none outlives it."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_emulator import Launchd
from launchd_jobs import LINUX_ONLY, PATIENCE, SETSID, SUBREAPER, Jobs, alive, parent

pytestmark = pytest.mark.e2e
ABOUT = """\
import json, os, signal, sys
def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
json.dump({
    "directory": os.getcwd(),
    "session": os.getsid(0) == os.getpid(),
    "group": os.getpgrp() == os.getpid(),
    "descriptors": [one for one in range(256) if is_open(one)],
    "stdin": os.fstat(0).st_rdev == os.stat("/dev/null").st_rdev,
    "umask": os.umask(0),
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "ignored": sorted(one for one in signal.valid_signals() if signal.getsignal(one) == signal.SIG_IGN),
}, open(sys.argv[1], "w"))
"""


def about(jobs: Jobs, **keys) -> dict:
    """What a job sees of itself."""
    found = jobs.folder / "about.json"
    (jobs.folder / "about.py").write_text(ABOUT)
    jobs.load("{python} -I -S {here}/about.py {here}/about.json".replace("{python}", f"exec {sys.executable}"), **keys)
    jobs.kickstart()
    jobs.launchd.wait_for("exit", "job", status=0)
    return json.loads(found.read_text())


def test_a_job_is_born_bare(jobs: Jobs) -> None:
    found = about(jobs)
    assert found["directory"] == "/"
    assert found["session"]
    assert found["group"]
    assert found["stdin"]
    assert found["descriptors"] == [0, 1, 2]
    assert found["umask"] == 0o022
    assert found["blocked"] == []
    assert set(found["ignored"]) <= {signal.SIGPIPE, signal.SIGXFSZ}  # Python ignores these by itself


@LINUX_ONLY
def test_a_shell_of_a_job_ignores_no_signal(jobs: Jobs) -> None:
    jobs.load("grep SigIgn /proc/self/status > {here}/ignored")
    jobs.kickstart()
    jobs.launchd.wait_for("exit", "job", status=0)
    assert int((jobs.folder / "ignored").read_text().split()[1], 16) == 0


def test_a_working_directory_is_entered_if_it_exists(jobs: Jobs, tmp_path: Path) -> None:
    assert about(jobs, WorkingDirectory=str(tmp_path))["directory"] == str(tmp_path)


def test_a_missing_working_directory_is_not_fatal(jobs: Jobs, tmp_path: Path) -> None:
    assert about(jobs, WorkingDirectory=str(tmp_path / "none"))["directory"] == "/"


def test_output_is_appended_to_the_plists_files(jobs: Jobs, tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    out.write_text("before\n")
    jobs.load("echo out; echo err >&2", StandardOutPath=str(out), StandardErrorPath=str(err), ThrottleInterval=0)
    for count in (1, 2):
        jobs.kickstart()
        jobs.launchd.wait_for("exit", "job", count=count)
    assert out.read_text() == "before\nout\nout\n"
    assert err.read_text() == "err\nerr\n"


def test_a_log_file_that_cannot_be_opened_ends_the_job_with_78(jobs: Jobs, tmp_path: Path) -> None:
    jobs.load(StandardOutPath=str(tmp_path / "none" / "out"), RunAtLoad=True)
    assert "none" in jobs.launchd.wait_for("exit", "job", status=78).error


def everything(jobs: Jobs) -> list[int]:
    """A job, a child of its group, a child that left it, and a stubborn one."""
    jobs.load(
        "sleep 1000 & echo $! > {ready}; "
        f"{SETSID} sh -c 'trap \"\" TERM HUP; echo $$ > {{ready}}; while :; do sleep 1000; done' & "
        "trap '' TERM; while :; do sleep 1000; done",
        AbandonProcessGroup=True,
    )
    jobs.kickstart()
    return [int(jobs.ready.wait()), int(jobs.ready.wait()), jobs.launchd.pid("job")]


def test_close_ends_everything_that_a_job_ever_started(jobs: Jobs) -> None:
    pids = everything(jobs)
    assert all(alive(pid) for pid in pids)
    jobs.launchd.close()
    assert not any(alive(pid) for pid in pids)


def test_a_killed_daemon_takes_its_jobs_with_it_and_comes_back_without_them(jobs: Jobs) -> None:
    pids = everything(jobs)
    jobs.launchd.kill()
    assert not any(alive(pid) for pid in pids)
    jobs.launchd.restart()
    assert jobs.shown().returncode == 113


@SUBREAPER
def test_what_a_removed_job_left_behind_ends_with_launchd(jobs: Jobs) -> None:
    jobs.load(f"{SETSID} sh -c 'echo $$ > {{ready}}; exec sleep 1000' & wait", ThrottleInterval=0)
    jobs.kickstart()
    pid = int(jobs.ready.wait())
    jobs.bootout()
    jobs.launchd.wait_for("removed", "job")
    assert alive(pid)
    jobs.launchd.close()
    assert not alive(pid)


@SUBREAPER
def test_a_restart_stops_jobs_kills_what_is_left_and_loads_the_agents(
    make_jobs: Callable[..., Jobs], tmp_path: Path
) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    jobs = make_jobs(agents_dir=agents)
    pids = everything(jobs)
    jobs.plist(label="agent", RunAtLoad=True).rename(agents / "agent.plist")
    jobs.launchd.restart()
    assert not any(alive(pid) for pid in pids)
    asked_to = jobs.launchd.events("signal", "job")
    assert [one.signal for one in asked_to] == ["SIGTERM", "SIGKILL"]
    jobs.launchd.wait_for("spawn", "agent")
    assert jobs.shown().returncode == 113


@LINUX_ONLY
def test_the_daemon_ends_with_the_process_that_made_it(tmp_path: Path) -> None:
    script = f"""\
import os, signal
from pathlib import Path
from launchd_emulator import Launchd
one = Launchd(Path({str(tmp_path)!r}) / "launchd")
print(one._daemon.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    package = Path(sys.modules["launchd_emulator"].__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(package)},
        check=False,
    )
    daemon = int(done.stdout)
    try:
        descriptor = os.pidfd_open(daemon)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], PATIENCE)
    os.close(descriptor)
    assert ended


@SUBREAPER
def test_a_job_ends_as_a_whole_when_somebody_kills_its_shim(jobs: Jobs) -> None:
    jobs.load(f"trap '' TERM; {SETSID} sh -c 'echo $$ > {{ready}}; exec sleep 1000' & while :; do sleep 1000; done")
    jobs.kickstart()
    child = int(jobs.ready.wait())
    pid = jobs.launchd.pid("job")
    os.kill(parent(pid), signal.SIGKILL)
    jobs.launchd.wait_for("run-gone", "job", pid=pid)
    assert jobs.launchd.events("exit", "job")[0].status == -9
    assert not alive(pid)
    assert not alive(child)


def test_the_trace_survives_and_is_continued(jobs: Jobs) -> None:
    jobs.load()
    jobs.launchd.restart()
    assert [one.event for one in jobs.launchd.events() if one.event.startswith(("daemon", "bootstrap"))] == [
        "daemon-start",
        "bootstrap",
        "daemon-stop",
        "daemon-start",
    ]


def test_wait_for_says_what_there_was_instead(launchd: Launchd) -> None:
    launchd.launchctl("version")
    with pytest.raises(AssertionError, match=r"(?s)spawn job .*: 0 of 2 within 0\.05 s\n.*daemon-start"):
        launchd.wait_for("spawn", "job", count=2, timeout=0.05)


def test_several_launchds_know_nothing_of_each_other(make_jobs: Callable[..., Jobs]) -> None:
    one, other = make_jobs(), make_jobs()
    one.load()
    assert other.shown().returncode == 113
    other.load()
    one.bootout()
    assert other.shown().returncode == 0


def test_a_bug_in_the_daemon_is_reported_when_it_is_closed(launchd: Launchd) -> None:
    launchd._daemon.kill()
    launchd._daemon.wait()
    with pytest.raises(AssertionError, match="ended by itself"):
        launchd.close()
