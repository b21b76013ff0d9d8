"""kickstart, KeepAlive, the throttle, on-demand-only mode: the conformance cases 6 to 10, 13, 14 and 20."""

import os
import pwd
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_emulator import INFINITE
from launchd_jobs import Jobs, alive

pytestmark = pytest.mark.e2e
FAILS_ONCE = "test -e {here}/first || { touch {here}/first; exit 1; }; exec sleep 1000"
UNTIL_TOLD = "echo > {ready}; read go < {here}/go"


def test_kickstart_starts_an_idle_job(jobs: Jobs) -> None:  # case 6
    jobs.load()
    assert jobs.kickstart() == 0
    spawn = jobs.launchd.wait_for("spawn", "job", cause="kickstart")
    assert jobs.field("state") == "running"
    assert jobs.field("pid") == str(spawn.pid)
    assert jobs.field("runs") == "1"
    assert alive(spawn.pid)


def test_kickstart_leaves_a_running_job_alone(jobs: Jobs) -> None:  # case 6
    pid = jobs.run()
    assert jobs.kickstart() == 0
    assert jobs.launchd.pid("job") == pid
    assert len(jobs.spawns()) == 1


def test_kickstart_of_an_unknown_label_fails_with_113(jobs: Jobs) -> None:  # case 6
    done = jobs.launchd.launchctl("kickstart", jobs.target("none"))
    user = jobs.launchd.domain.partition("/")[2]
    assert done.returncode == 113
    assert done.stderr == f'Could not find service "none" in domain for user gui: {user}\n'


def test_kickstart_p_prints_the_bare_pid_into_a_pipe(jobs: Jobs) -> None:
    jobs.load()
    done = jobs.launchd.launchctl("kickstart", "-p", jobs.target())
    assert done.stdout == f"{jobs.launchd.pid('job')}\n"


def test_a_jobs_environment_is_launchds_and_its_plists_and_nothing_else(
    make_jobs: Callable[..., Jobs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_SHELL", "1")  # case 7
    jobs = make_jobs(home=tmp_path)
    found = tmp_path / "environment"
    jobs.load(
        ProgramArguments=["/usr/bin/env"],
        StandardOutPath=str(found),
        EnvironmentVariables={"MINE": "a b", "NUMBER": 3, "PATH": "/opt/bin:/usr/bin:/bin"},
    )
    jobs.kickstart()
    jobs.launchd.wait_for("exit", "job", status=0)
    environment = dict(line.split("=", 1) for line in found.read_text().splitlines())
    user = pwd.getpwuid(os.getuid())
    assert environment.pop("TMPDIR").endswith("/T/")
    assert environment == {
        "PATH": "/opt/bin:/usr/bin:/bin",
        "XPC_SERVICE_NAME": "job",
        "HOME": str(tmp_path),
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": user.pw_shell,
        "MINE": "a b",
    }


def test_keepalive_starts_again_after_every_exit_ten_seconds_apart(still: Jobs) -> None:  # case 8
    still.load("exit 0", KeepAlive=True)
    for count in (1, 2):
        assert still.launchd.wait_for("throttled", "job", count=count).seconds == 10
        still.launchd.advance(9.9)
        assert len(still.spawns()) == count
        still.launchd.advance(0.1)
    assert still.spawns() == [0, 10, 20]
    assert [one.cause for one in still.launchd.events("spawn")] == ["keepalive", *["throttle-expired"] * 2]


def test_while_the_throttle_waits_print_shows_spawn_scheduled_and_no_pid(still: Jobs) -> None:
    still.load("exit 0", KeepAlive=True, ThrottleInterval=40)
    throttled = still.launchd.wait_for("throttled", "job")
    assert throttled.message == "Service only ran for 0 seconds. Pushing respawn out by 40 seconds."
    assert still.field("state") == "spawn scheduled"
    assert still.field("minimum runtime") == "40"
    assert still.field("pid") is None


def test_a_run_longer_than_the_throttle_is_followed_at_once(still: Jobs) -> None:  # case 8
    go = still.pipe("go")
    still.run(UNTIL_TOLD, KeepAlive=True, ThrottleInterval=3)
    still.launchd.advance(3)
    go.write_text("\n")
    still.launchd.wait_for("spawn", "job", count=2)
    assert still.launchd.events("throttled") == []


def test_of_a_shorter_run_whole_seconds_count(still: Jobs) -> None:
    go = still.pipe("go")
    still.run(UNTIL_TOLD, KeepAlive=True, ThrottleInterval=3)
    still.launchd.advance(1.9)
    go.write_text("\n")
    assert still.launchd.wait_for("throttled", "job").seconds == 2


def test_a_throttle_of_0_is_none(jobs: Jobs) -> None:
    jobs.load("exit 0", KeepAlive=True, ThrottleInterval=0)
    jobs.launchd.wait_for("spawn", "job", count=10)
    assert jobs.launchd.events("throttled") == []


def test_a_bootout_forgets_the_throttle(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(time_scale=1)
    path = jobs.load("exit 0", RunAtLoad=True, ThrottleInterval=1000)
    jobs.launchd.wait_for("exit", "job")
    jobs.bootout()
    jobs.bootstrap(path)
    jobs.launchd.wait_for("spawn", "job", count=2)


def test_successful_exit_false_leaves_a_job_dead_after_exit_0(jobs: Jobs) -> None:  # case 9
    jobs.load("exit 0", KeepAlive={"SuccessfulExit": False}, ThrottleInterval=0)
    jobs.launchd.wait_for("exit", "job", status=0)
    assert jobs.field("state") == "not running"
    assert len(jobs.spawns()) == 1


@pytest.mark.parametrize(("end", "status"), [("exit 75", 75), ("kill -KILL $$", -9), ("kill -TERM $$", -15)])
def test_successful_exit_false_starts_again_after_any_other_end(jobs: Jobs, end: str, status: int) -> None:  # case 9
    jobs.load(end, KeepAlive={"SuccessfulExit": False}, ThrottleInterval=1)
    jobs.launchd.wait_for("spawn", "job", count=2)
    assert jobs.launchd.events("exit", "job")[0].status == status


def test_keepalive_by_a_path_lasts_as_long_as_the_path(make_jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    jobs = make_jobs(fs_latency_ms=10)
    wanted = tmp_path / "wanted"
    jobs.load(
        f"test -e {wanted}.once && rm {wanted}; exit 0",
        KeepAlive={"PathState": {str(wanted): True}},
        ThrottleInterval=1,
    )
    assert jobs.spawns() == []
    wanted.touch()
    jobs.launchd.wait_for("spawn", "job", count=2)
    (tmp_path / "wanted.once").touch()
    ends = 0
    while wanted.exists():
        ends += 1
        jobs.launchd.wait_for("exit", "job", count=ends)
    jobs.launchd.wait_for("exit", "job", count=len(jobs.spawns()))
    assert jobs.field("state") == "not running"


def test_a_bootout_while_a_spawn_is_scheduled_cancels_it(still: Jobs) -> None:  # case 10
    still.load("exit 0", KeepAlive=True, ThrottleInterval=8)
    still.launchd.wait_for("throttled", "job")
    assert still.bootout() == 0
    assert still.shown().returncode == 113
    still.launchd.advance(100)
    assert len(still.spawns()) == 1


@pytest.mark.parametrize(
    ("knob", "code", "cause"),
    [("block", 0, "throttle-expired"), ("bypass", 0, "kickstart"), ("fail", 37, "throttle-expired")],
)
def test_a_kickstart_while_a_spawn_is_scheduled_leads_to_one_spawn(  # case 10
    make_jobs: Callable[..., Jobs], knob: str, code: int, cause: str
) -> None:
    jobs = make_jobs(kickstart_throttle=knob, clock="held")
    jobs.load(FAILS_ONCE, KeepAlive=True, ThrottleInterval=10)
    jobs.launchd.wait_for("throttled", "job")
    assert jobs.kickstart() == code
    jobs.launchd.advance(100)
    assert jobs.launchd.wait_for("spawn", "job", count=2).cause == cause
    assert jobs.spawns() == [0, 0 if knob == "bypass" else 10]


def test_a_kickstart_of_an_idle_job_within_its_throttle_is_scheduled(still: Jobs) -> None:
    still.load("exit 0", RunAtLoad=True)
    still.launchd.wait_for("exit", "job")
    assert still.kickstart() == 0
    still.launchd.advance(10)
    still.launchd.wait_for("spawn", "job", cause="throttle-expired", demand="kickstart")
    assert still.spawns() == [0, 10]


def test_kickstart_k_gives_a_new_process_and_the_label_never_goes_away(jobs: Jobs) -> None:  # case 13
    go = jobs.pipe("go")
    old = jobs.run(
        "trap 'read go < {here}/go; exit 0' TERM; echo > {ready}; sleep 1000 & wait", ThrottleInterval=0, ExitTimeOut=0
    )
    with subprocess.Popen([jobs.launchd.bin / "launchctl", "kickstart", "-k", jobs.target()]) as kicking:
        jobs.launchd.wait_for("signal", "job")
        seen = [jobs.shown().returncode]
        go.write_text("\n")
        while kicking.poll() is None:
            seen.append(jobs.shown().returncode)
    assert set(seen) == {0}
    assert kicking.returncode == 0
    new = jobs.launchd.pid("job")
    assert new not in {None, old}
    assert jobs.field("runs") == "2"
    assert jobs.field("last exit code") == "0"


def test_kickstart_k_of_a_keepalive_job_leads_to_one_new_process(still: Jobs) -> None:  # case 14
    still.run(KeepAlive=True, ThrottleInterval=2)
    still.launchd.advance(2)
    assert still.kickstart("job", "-k") == 0
    still.launchd.advance(100)
    assert still.spawns() == [0, 2]
    assert still.launchd.pid("job") == still.launchd.events("spawn", "job")[1].pid


def test_kickstart_k_of_an_idle_job_is_a_kickstart(jobs: Jobs) -> None:
    jobs.load()
    assert jobs.kickstart("job", "-k") == 0
    assert jobs.launchd.pid("job") is not None


def held(make_jobs: Callable[..., Jobs], **knobs) -> Jobs:
    """A job that starts at load, in a domain that starts nothing by itself."""
    jobs = make_jobs(on_demand_only=True, **knobs)
    jobs.load(RunAtLoad=True, KeepAlive=True, ThrottleInterval=0)
    return jobs


def test_on_demand_only_pends_the_start_at_load(make_jobs: Callable[..., Jobs]) -> None:  # case 20
    jobs = held(make_jobs)
    assert jobs.field("state") == "not running"
    assert jobs.field("pended nondemand spawn") == "speculative"
    pended = jobs.launchd.wait_for("pended", "job")
    assert pended.message == "pending spawn, domain in on-demand-only mode: job"
    assert jobs.spawns() == []


def test_on_demand_only_lets_a_kickstart_through_and_pends_what_follows(make_jobs: Callable[..., Jobs]) -> None:
    jobs = held(make_jobs)  # case 20
    assert jobs.kickstart() == 0
    spawn = jobs.launchd.wait_for("spawn", "job")
    assert jobs.field("state") == "running"
    assert jobs.field("pended nondemand spawn") is None
    os.kill(spawn.pid, signal.SIGKILL)
    jobs.launchd.wait_for("pended", "job", cause="keepalive")
    assert jobs.field("state") == "not running"
    assert jobs.field("pended nondemand spawn") == "inefficient"
    assert jobs.kickstart() == 0
    assert jobs.field("state") == "running"
    assert len(jobs.spawns()) == 2


def test_the_end_of_on_demand_only_lets_pended_jobs_go(make_jobs: Callable[..., Jobs]) -> None:  # case 20
    jobs = held(make_jobs, clock="held")  # so that it is at once
    jobs.launchd.knob(on_demand_only=False)
    jobs.launchd.wait_for("unpended", "job")
    jobs.launchd.wait_for("spawn", "job", cause="run-at-load")


def test_a_keepalive_dictionary_is_pended_as_a_semaphore(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(on_demand_only=True)
    jobs.load(KeepAlive={"SuccessfulExit": False})
    assert jobs.field("pended nondemand spawn") == "semaphore"


def test_on_demand_only_can_end_by_itself(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(on_demand_only=5, clock="held")
    jobs.load(RunAtLoad=True)
    jobs.launchd.wait_for("pended", "job")
    jobs.launchd.advance(4.9)
    assert jobs.spawns() == []
    jobs.launchd.advance(0.1)
    jobs.launchd.wait_for("spawn", "job")


@pytest.mark.parametrize("holds", ["all", "keepalive+load"])
def test_on_demand_only_holds_intervals_or_not(make_jobs: Callable[..., Jobs], holds: str) -> None:
    jobs = make_jobs(on_demand_only=True, on_demand_holds=holds)
    jobs.load("exit 0", StartInterval=1)
    event = jobs.launchd.wait_for("pended" if holds == "all" else "spawn", "job")
    assert event.cause == "interval"
    assert (jobs.spawns() == []) is (holds == "all")


@pytest.mark.parametrize("seconds", [5, INFINITE])
def test_a_keepalive_start_can_be_deferred(make_jobs: Callable[..., Jobs], seconds: float) -> None:
    jobs = make_jobs(keepalive_deferral_s=seconds, clock="held")
    pid = jobs.run(KeepAlive={"SuccessfulExit": False}, ThrottleInterval=0, RunAtLoad=True)
    os.kill(pid, signal.SIGKILL)
    jobs.launchd.wait_for("pended", "job", reason="inefficient")
    jobs.launchd.advance(4.9)
    assert jobs.field("pended nondemand spawn") == "inefficient"
    assert len(jobs.spawns()) == 1
    if seconds == INFINITE:
        jobs.launchd.knob(keepalive_deferral_s=0)
    else:
        jobs.launchd.advance(0.1)
    jobs.launchd.wait_for("spawn", "job", count=2)


def test_an_interval_counts_from_load_and_skips_what_falls_into_a_run(still: Jobs) -> None:
    go = still.pipe("go")
    still.load(UNTIL_TOLD, StartInterval=4, ThrottleInterval=0)
    still.launchd.advance(4)
    still.ready.wait()
    still.launchd.advance(4)  # it falls into the run
    go.write_text("\n")
    still.launchd.wait_for("exit", "job")
    still.launchd.advance(4)
    assert still.spawns() == [4, 12]


def test_a_calendar_entry_starts_a_job_when_its_minute_comes(still: Jobs) -> None:
    still.load("exit 0", StartCalendarInterval={"Second": 0})
    for count in (1, 2):
        still.launchd.advance(60)
        still.launchd.wait_for("spawn", "job", demand="calendar", count=count)
        still.launchd.wait_for("exit", "job", count=count)


def test_launch_only_once_leaves_the_domain_after_its_run(jobs: Jobs) -> None:
    jobs.load("exit 0", RunAtLoad=True, LaunchOnlyOnce=True)
    jobs.launchd.wait_for("removed", "job")
    assert jobs.shown().returncode == 113


def test_a_program_that_does_not_exist_ends_with_78(jobs: Jobs) -> None:
    jobs.load(RunAtLoad=True, Program="/no/such/program")
    jobs.launchd.wait_for("exit", "job", status=78)
    assert jobs.field("last exit code") == "78: EX_CONFIG"
