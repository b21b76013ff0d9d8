"""stop, kill, bootout, logout, and who goes down with a job: the conformance cases 11, 12, 15, 16 and 22."""

from collections.abc import Callable

import pytest
from launchd_jobs import SETSID, STUBBORN, SUBREAPER, Jobs, alive

pytestmark = pytest.mark.e2e
CHILD = "sleep 1000 & echo $! > {ready}; exec sleep 1000"
SETSID_CHILD = f"{SETSID} sh -c 'echo $$ > {{ready}}; exec sleep 1000' & exec sleep 1000"


def run_with_child(jobs: Jobs, script: str, **keys) -> int:
    """Start it, and learn its child's pid."""
    jobs.load(script, **keys)
    jobs.kickstart()
    return int(jobs.ready.wait())


def end(jobs: Jobs, sign: str = "KILL") -> None:
    """Have the main process end by itself, as far as launchd knows."""
    jobs.launchd.launchctl("kill", sign, jobs.target(), check=True)
    jobs.launchd.wait_for("exit", "job")
    jobs.launchd.pid("job")  # answered when launchd has done all that follows from an exit


def test_a_stubborn_job_is_shown_while_it_is_stopped_and_killed_after_5_seconds(still: Jobs) -> None:
    pid = still.run(STUBBORN)  # case 11
    assert still.bootout() == 0
    still.launchd.advance(4.9)
    assert still.launchd.events("exit") == []
    assert (still.field("state"), still.field("pid")) == ("SIGTERMed", str(pid))
    assert len(still.launchd.events("signal", "job", signal="SIGTERM", cause="bootout")) == 1
    still.launchd.advance(0.1)
    still.launchd.wait_for("signal", "job", signal="SIGKILL", cause="exit-timeout")
    still.launchd.wait_for("removed", "job")
    assert still.shown().returncode == 113
    assert not alive(pid)


def test_a_label_is_reserved_until_its_process_has_ended(jobs: Jobs) -> None:  # case 12
    go = jobs.pipe("go")
    path = jobs.plist("trap 'read go < {here}/go; exit 0' TERM; echo > {ready}; sleep 1000 & wait", ExitTimeOut=0)
    jobs.bootstrap(path)
    jobs.kickstart()
    jobs.ready.wait()
    pid = jobs.launchd.pid("job")
    assert jobs.bootout() == 0
    assert jobs.bootstrap(path) == 5
    kicked = jobs.launchd.launchctl("kickstart", jobs.target())
    assert (kicked.returncode, kicked.stderr) == (37, "")
    listed = jobs.launchd.launchctl("list", "job")
    assert listed.returncode == 0
    assert f'"PID" = {pid};' in listed.stdout
    go.write_text("\n")
    jobs.launchd.wait_for("removed", "job")
    assert jobs.shown().returncode == 113
    assert jobs.bootstrap(path) == 0


def test_keepalive_does_not_revive_a_job_that_is_being_removed(jobs: Jobs) -> None:
    jobs.run(KeepAlive=True, ThrottleInterval=0)
    jobs.bootout()
    jobs.launchd.wait_for("removed", "job")
    assert len(jobs.spawns()) == 1


def test_bootout_of_an_unloaded_label_fails_with_3(jobs: Jobs) -> None:
    done = jobs.launchd.launchctl("bootout", jobs.target("none"))
    assert (done.returncode, done.stderr) == (3, "Boot-out failed: 3: No such process\n")


def test_bootout_of_the_gui_domain_is_a_logout(jobs: Jobs) -> None:
    jobs.run()
    assert jobs.launchd.launchctl("bootout", jobs.launchd.domain).returncode == 0
    jobs.launchd.wait_for("domain-gone")
    assert jobs.shown().returncode == 112


def test_bootout_wait_is_a_usage_error_and_stops_nothing(jobs: Jobs) -> None:
    pid = jobs.run()
    assert jobs.launchd.launchctl("bootout", "--wait", jobs.target()).returncode == 64
    assert jobs.launchd.pid("job") == pid


def test_stop_leaves_the_job_loaded_and_keepalive_brings_it_back(jobs: Jobs) -> None:
    jobs.run(KeepAlive=True)
    assert jobs.launchd.launchctl("stop", "job").returncode == 0
    assert jobs.launchd.wait_for("exit", "job").cause == "stop"
    jobs.launchd.wait_for("spawn", "job", count=2)


def test_a_second_stop_does_not_extend_the_deadline(still: Jobs) -> None:
    still.run(STUBBORN, ExitTimeOut=10)
    still.launchd.launchctl("stop", "job")
    still.launchd.advance(9)
    still.launchd.launchctl("stop", "job")
    still.launchd.advance(1)
    assert [(one.signal, one.clock) for one in still.launchd.events("signal", "job")] == [
        ("SIGTERM", 0),
        ("SIGKILL", 10),
    ]


def test_an_exit_timeout_of_0_waits_for_ever_and_120_is_60(still: Jobs) -> None:
    go = still.pipe("go")
    still.run("trap '' TERM; echo > {ready}; read go < {here}/go; exit 3", ExitTimeOut=0)
    still.launchd.launchctl("stop", "job")
    still.launchd.advance(1000)
    go.write_text("\n")
    assert still.launchd.wait_for("exit", "job").status == 3
    still.load(label="long", ExitTimeOut=120)
    assert still.field("exit timeout", "long") == "60"


def test_kill_signals_the_main_process_and_nothing_follows(jobs: Jobs) -> None:
    pid = run_with_child(
        jobs, "trap 'echo got it > {ready}' USR1; sleep 1000 & echo $! > {ready}; while :; do wait; done"
    )
    assert jobs.launchd.launchctl("kill", "SIGUSR1", jobs.target()).returncode == 0
    assert jobs.ready.wait() == "got it"
    assert alive(pid)


def test_kill_without_a_process_fails_with_3(jobs: Jobs) -> None:
    jobs.load()
    done = jobs.launchd.launchctl("kill", "TERM", jobs.target())
    assert (done.returncode, done.stderr) == (3, "No process to signal.\n")


@pytest.mark.parametrize("abandoned", [False, True])
def test_a_child_in_the_jobs_group_is_signalled_unless_it_is_abandoned(jobs: Jobs, abandoned: bool) -> None:  # case 15
    child = run_with_child(jobs, CHILD, AbandonProcessGroup=abandoned)
    end(jobs)
    if abandoned:
        assert jobs.launchd.events("group-kill") == []
        assert alive(child)
    else:
        assert jobs.launchd.wait_for("group-kill", "job").members == [child]
        jobs.launchd.wait_for("run-gone", "job")
        assert not alive(child)


def test_a_child_in_a_session_of_its_own_survives_the_main_process(jobs: Jobs) -> None:  # case 15
    child = run_with_child(jobs, SETSID_CHILD)
    end(jobs)
    assert jobs.launchd.events("group-kill") == []
    assert alive(child)


COALITION = [
    ("off", "bootout", True),
    ("bootout", "bootout", False),
    ("bootout+kickstart", "bootout", False),
    ("off", "kickstart", True),
    ("bootout", "kickstart", True),
    ("bootout+kickstart", "kickstart", False),
    ("bootout+kickstart", "exit", True),
]


@SUBREAPER
@pytest.mark.parametrize(("knob", "deed", "survives"), COALITION)
def test_a_child_in_a_session_of_its_own_dies_with_the_coalition_or_not(  # case 15
    make_jobs: Callable[..., Jobs], knob: str, deed: str, survives: bool
) -> None:
    jobs = make_jobs(coalition_kill=knob)
    child = run_with_child(jobs, SETSID_CHILD, ThrottleInterval=0)
    if deed == "bootout":
        jobs.bootout()
        jobs.launchd.wait_for("removed", "job")
    elif deed == "kickstart":
        jobs.kickstart("job", "-k")
    else:
        end(jobs)
    if survives:
        assert jobs.launchd.events("coalition-kill") == []
        assert alive(child)
    else:
        assert not alive(child)  # it went before the label, or the next run's start
        assert child in jobs.launchd.events("coalition-kill", "job")[0].members


@SUBREAPER
def test_the_coalition_remembers_what_earlier_runs_left_behind(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(coalition_kill="bootout")
    first = run_with_child(jobs, SETSID_CHILD, ThrottleInterval=0)
    jobs.kickstart("job", "-k")
    second = int(jobs.ready.wait())
    assert alive(first)
    jobs.bootout()
    jobs.launchd.wait_for("removed", "job")
    assert not alive(first)
    assert not alive(second)


def test_a_separate_job_is_outside_the_coalition(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(coalition_kill="bootout+kickstart")
    other = jobs.run(label="other")
    jobs.run("{launchctl} submit -l child -- /bin/sleep 1000; echo > {ready}; exec sleep 1000")
    jobs.bootout()
    jobs.launchd.wait_for("removed", "job")
    assert jobs.launchd.pid("other") == other
    assert jobs.launchd.wait_for("spawn", "child").pid == jobs.launchd.pid("child")


def test_a_submitted_job_is_started_again_until_it_is_removed(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(time_scale=0.01)
    assert jobs.launchd.launchctl("submit", "-l", "once", "--", "/bin/true").returncode == 0
    jobs.launchd.wait_for("spawn", "once", count=3)
    assert jobs.launchd.launchctl("remove", "once").returncode == 0
    jobs.launchd.wait_for("removed", "once")
    assert jobs.launchd.launchctl("list", "once").returncode == 113


def test_a_child_that_boots_its_own_job_out_never_gets_to_bootstrap_it(jobs: Jobs) -> None:  # case 16
    jobs.load("sh -c '{launchctl} bootout {target}; {launchctl} bootstrap {here}/job.plist' & wait")
    jobs.kickstart()
    jobs.launchd.wait_for("removed", "job")
    assert jobs.shown().returncode == 113
    assert len(jobs.launchd.events("bootstrap", "job")) == 1


def test_a_child_that_kickstarts_its_own_job_dies_and_the_job_is_back(jobs: Jobs) -> None:  # case 16
    jobs.load(
        "test -e {here}/first && exec sleep 1000; touch {here}/first; sh -c '{launchctl} kickstart -k {target}' & wait",
        ThrottleInterval=1,
    )
    jobs.kickstart()
    spawn = jobs.launchd.wait_for("spawn", "job", count=2)
    assert jobs.launchd.pid("job") == spawn.pid
    assert jobs.launchd.wait_for("launchctl", argv=["kickstart", "-k", jobs.target()]).heard is False


def test_a_logout_stops_every_job_and_refuses_requests_meanwhile(still: Jobs) -> None:  # case 22
    pid = still.run(STUBBORN)
    path = still.plist(label="other")
    still.launchd.logout()
    assert still.bootstrap(path) == 124
    assert still.kickstart() == 124
    assert still.bootout() == 124
    still.launchd.advance(5)
    still.launchd.wait_for("domain-gone")
    signals = [(one.signal, one.cause, one.clock) for one in still.launchd.events("signal", "job")]
    assert signals == [("SIGTERM", "logout", 0), ("SIGKILL", "exit-timeout", 5)]
    assert not alive(pid)
    assert still.bootstrap(path) == 125
    still.launchd.login()
    assert still.bootstrap(path) == 0
