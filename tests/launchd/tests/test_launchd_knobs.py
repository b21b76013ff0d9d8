"""Every knob that is not turned in the tests of what it is about: bootout, bootstrap, kickstart, ends, the domain."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_emulator import INFINITE, Event, Knobs, Launchd
from launchd_jobs import FAST, Jobs, alive

pytestmark = pytest.mark.e2e
SLOW = "trap 'read go < {here}/go; exit 0' TERM; echo > {ready}; sleep 1000 & wait"  # stops when it is let go


def slow(jobs: Jobs) -> Path:
    """A running job that ends when a line is written into the returned FIFO."""
    go = jobs.pipe("go")
    jobs.run(SLOW, ExitTimeOut=0)
    return go


def asking(jobs: Jobs, *arguments: object) -> subprocess.Popen[str]:
    """A launchctl that may block."""
    command = [jobs.launchd.bin / "launchctl", *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def answered(jobs: Jobs, subcommand: str) -> Event:
    """The end of the last call of a subcommand."""
    return next(one for one in reversed(jobs.launchd.events("launchctl")) if one.argv[0] == subcommand)


def test_time_scale_multiplies_every_duration(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(time_scale=0.01)
    jobs.load("exit 0", KeepAlive=True, ThrottleInterval=200)
    second = jobs.launchd.wait_for("spawn", "job", count=2)  # within a tenth of 200 seconds
    first = jobs.launchd.events("spawn", "job")[0]
    assert second.t - first.t >= 2
    assert second.clock - first.clock >= 200


# --- bootout


@pytest.mark.parametrize("knob", ["path", "label", "both", "neither"])
@pytest.mark.parametrize("form", ["path", "label"])
def test_the_client_of_a_bootout_waits_for_the_process_or_not(
    make_jobs: Callable[..., Jobs], knob: str, form: str
) -> None:
    jobs = make_jobs(bootout_client_blocks=knob)
    go = slow(jobs)
    target = [jobs.target()] if form == "label" else [jobs.launchd.domain, jobs.folder / "job.plist"]
    with asking(jobs, "bootout", *target) as client:
        jobs.launchd.wait_for("bootout", "job", form=form)
        blocks = knob in {form, "both"}
        if not blocks:
            jobs.launchd.wait_for("launchctl", argv=["bootout", *map(str, target)])
        go.write_text("\n")
    assert client.returncode == 0
    removed = jobs.launchd.wait_for("removed", "job")
    assert (answered(jobs, "bootout").t > removed.t) is blocks


@pytest.mark.parametrize(("code", "text"), [(0, ""), (36, "now"), (37, "already"), (5, "Input/output error")])
def test_a_bootout_that_has_to_wait_may_answer_with_an_error(
    make_jobs: Callable[..., Jobs], code: int, text: str
) -> None:
    jobs = make_jobs(bootout_rc=code)
    go = slow(jobs)
    done = jobs.launchd.launchctl("bootout", jobs.target())
    assert done.returncode == code
    assert text in done.stderr
    go.write_text("\n")
    jobs.launchd.wait_for("removed", "job")  # all the same


@pytest.mark.parametrize("code", [36, 5, 37, 0])
def test_a_second_bootout_in_mid_teardown_has_a_code_of_its_own(make_jobs: Callable[..., Jobs], code: int) -> None:
    jobs = make_jobs(second_bootout_rc=code)
    go = slow(jobs)
    assert jobs.bootout() == 0
    assert jobs.bootout() == code
    go.write_text("\n")
    jobs.launchd.wait_for("removed", "job")
    assert len(jobs.launchd.events("bootout")) == 1


def test_a_row_may_outlive_its_process(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(bootout_extra_delay_s=8, clock="held")
    jobs.run()
    jobs.bootout()
    jobs.launchd.wait_for("exit", "job")
    assert jobs.shown().returncode == 0
    assert jobs.bootstrap(jobs.folder / "job.plist") == 5
    jobs.launchd.advance(8)
    assert jobs.launchd.wait_for("removed", "job").clock == 8


# --- bootstrap


def test_the_next_bootstraps_may_fail_with_5(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(bootstrap_eio=2)
    path = jobs.plist(RunAtLoad=True)
    assert [jobs.bootstrap(path) for _ in range(3)] == [5, 5, 0]
    jobs.launchd.wait_for("spawn", "job")
    assert len(jobs.launchd.events("bootstrap")) == 1


def test_every_bootstrap_of_a_label_may_fail_with_5(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(bootstrap_eio="always", fault_label="job")
    path = jobs.plist()
    assert [jobs.bootstrap(path) for _ in range(3)] == [5, 5, 5]
    assert jobs.bootstrap(jobs.plist(label="other")) == 0


def test_a_bootstrap_may_succeed_and_start_nothing(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(bootstrap_no_spawn=1)
    jobs.load(RunAtLoad=True, KeepAlive=True)
    jobs.load(label="other", RunAtLoad=True)
    jobs.launchd.wait_for("spawn", "other")
    assert jobs.field("state") == "not running"
    assert jobs.field("pended nondemand spawn") is None
    assert jobs.kickstart() == 0


# --- kickstart


@pytest.mark.parametrize("effect", ["done-late", "never"])
def test_a_kickstart_may_hang_and_be_done_late_or_never(make_jobs: Callable[..., Jobs], effect: str) -> None:
    jobs = make_jobs(kickstart_hang_s=5, kickstart_hang_effect=effect)
    jobs.load()
    assert jobs.kickstart() == 0
    accepted = jobs.launchd.wait_for("hang", "job").t
    assert answered(jobs, "kickstart").t - accepted >= 5 * FAST
    assert (jobs.launchd.pid("job") is not None) is (effect == "done-late")


def test_a_client_that_is_killed_while_its_kickstart_hangs_changes_nothing(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(kickstart_hang_s={"job": 5}, clock="held")
    jobs.load()
    with asking(jobs, "kickstart", jobs.target()) as client:
        jobs.launchd.wait_for("hang", "job")
        client.kill()
    jobs.launchd.advance(5)
    assert jobs.launchd.wait_for("spawn", "job", cause="kickstart").clock == 5
    assert jobs.launchd.wait_for("launchctl", argv=["kickstart", jobs.target()]).heard is False


def test_a_kickstart_may_hang_for_ever_for_one_label_only(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(kickstart_hang_s={"job": INFINITE})
    jobs.load()
    jobs.load(label="other")
    with asking(jobs, "kickstart", jobs.target()) as client:
        jobs.launchd.wait_for("hang", "job")
        assert jobs.kickstart("other") == 0
        assert client.poll() is None
        client.kill()
    assert jobs.spawns() == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (5, 'Could not kickstart service "job": 5: Input/output error\nTry re-running'),
        (37, ""),
        (113, 'Could not find service "job" in domain for user gui: '),
        (125, 'Could not kickstart service "job": 125: Domain does not support specified action'),
    ],
)
def test_the_next_kickstart_may_fail_without_effect(make_jobs: Callable[..., Jobs], code: int, text: str) -> None:
    jobs = make_jobs(kickstart_rc_once=code)
    jobs.load()
    done = jobs.launchd.launchctl("kickstart", jobs.target())
    assert done.returncode == code
    assert done.stderr.startswith(text)
    assert bool(done.stderr) is bool(text)
    assert jobs.spawns() == []
    assert jobs.kickstart() == 0
    assert len(jobs.spawns()) == 1


# --- ends and failures of a process


@pytest.mark.parametrize("knob", ["TERM", "KILL", "none"])
def test_what_is_left_in_a_jobs_group_is_signalled_as_told(make_jobs: Callable[..., Jobs], knob: str) -> None:
    jobs = make_jobs(group_kill_signal=knob)
    jobs.load(
        "sh -c 'trap \"echo termed > {ready}\" TERM; echo $$ > {ready}; while :; do sleep 1000 & wait; done' & wait"
    )
    jobs.kickstart()
    child = int(jobs.ready.wait())
    os.kill(jobs.launchd.pid("job"), signal.SIGKILL)
    jobs.launchd.wait_for("exit", "job")
    jobs.launchd.pid("job")  # answered when launchd has done all that follows from an exit
    if knob == "TERM":
        assert jobs.ready.wait() == "termed"
        assert alive(child)
    elif knob == "KILL":
        jobs.launchd.wait_for("run-gone", "job")
        assert not alive(child)
    else:
        assert jobs.launchd.events("group-kill") == []
        assert alive(child)


def test_the_next_spawns_may_fail_with_78(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(spawn_fail=2)
    jobs.load("echo > {ready}; exec sleep 1000", KeepAlive=True, ThrottleInterval=1)
    jobs.ready.wait()
    assert [one.status for one in jobs.launchd.events("exit", "job")] == [78, 78]
    assert len(jobs.spawns()) == 3
    assert jobs.field("last exit code") == "78: EX_CONFIG"


def test_a_spawn_that_fails_may_take_the_job_with_it(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(spawn_fail="remove")
    path = jobs.load(KeepAlive=True)
    jobs.launchd.wait_for("removed", "job", cause="spawn-failed")
    assert jobs.shown().returncode == 113
    jobs.bootstrap(path)
    jobs.launchd.wait_for("spawn", "job", count=2)
    assert jobs.field("state") == "running"


# --- the domain and its answers


def test_a_domain_that_is_tearing_down_refuses_every_request(jobs: Jobs) -> None:
    jobs.run()
    jobs.launchd.knob(gui_domain="tearing_down")
    jobs.launchd.wait_for("removed", "job", cause="logout")
    assert jobs.bootstrap(jobs.folder / "job.plist") == 124
    jobs.launchd.knob(gui_domain="present")
    assert jobs.bootstrap(jobs.folder / "job.plist") == 0


def test_a_gui_domain_may_appear_later_and_loads_the_agents_then(
    make_jobs: Callable[..., Jobs], tmp_path: Path
) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    jobs = make_jobs(gui_domain="absent", agents_dir=agents, clock="held")
    jobs.plist(RunAtLoad=True).rename(agents / "job.plist")
    jobs.launchd.knob(gui_domain=4)
    assert jobs.shown().returncode == 112
    jobs.launchd.advance(4)
    jobs.launchd.wait_for("spawn", "job")
    assert jobs.shown().returncode == 0


def test_a_gui_domain_may_disappear(jobs: Jobs) -> None:
    jobs.run()
    jobs.launchd.knob(gui_domain="absent")
    jobs.launchd.wait_for("domain-gone")
    assert jobs.bootstrap(jobs.folder / "job.plist") == 125


def test_labels_may_be_disabled_from_the_start_until_they_are_enabled(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(disabled_db={"job": True, "other": False})
    shown = jobs.launchd.launchctl("print-disabled", jobs.launchd.domain).stdout
    assert shown == 'disabled services = {\n\t"job" => disabled\n\t"other" => enabled\n}\n'
    path = jobs.plist()
    assert jobs.bootstrap(path) == 5
    jobs.launchd.launchctl("enable", jobs.target())
    jobs.launchd.restart()
    assert jobs.bootstrap(path) == 0


def test_print_may_be_noisy_and_is_still_print(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs()
    jobs.run()
    plain = jobs.shown().stdout
    jobs.launchd.knob(print_noise="unknown fields")
    more = jobs.shown().stdout
    assert set(plain.splitlines()) < set(more.splitlines())
    jobs.launchd.knob(print_noise="reordered")
    reordered = jobs.shown().stdout
    assert sorted(reordered.split()) == sorted(plain.split())
    assert reordered != plain
    assert jobs.field("pid") == str(jobs.launchd.pid("job"))
    jobs.launchd.knob(print_noise="truncated")
    truncated = jobs.shown()
    assert truncated.returncode == 0
    assert plain.startswith(truncated.stdout)
    assert len(truncated.stdout) < len(plain)


def test_launchctl_takes_as_long_as_it_is_told(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(launchctl_latency_ms=20_000)
    mark = jobs.launchd.mark()
    assert jobs.launchd.launchctl("version").returncode == 0
    assert jobs.launchd.events("launchctl")[0].t - mark >= 20 * FAST
    jobs.launchd.knob(launchctl_latency_ms=0)
    jobs.launchd.launchctl("version")
    request, answer = jobs.launchd.events("request")[1], jobs.launchd.events("launchctl")[1]
    assert answer.t - request.t < 20 * FAST


def test_a_knob_that_does_not_exist_or_cannot_be_so_is_refused(launchd: Launchd) -> None:
    for wrong in (
        {"kickstart_trottle": "block"},
        {"kickstart_throttle": "perhaps"},
        {"bootstrap_eio": "sometimes"},
        {"time_scale": 0},
        {"exit_timeout_scale": INFINITE},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            launchd.knob(**wrong)
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Knobs().changed(wrong)
    launchd.knob(kickstart_hang_s=INFINITE)
    assert launchd.wait_for("knob").changes == {"kickstart_hang_s": INFINITE}


def test_knobs_survive_a_restart_and_what_struck_does_not_strike_again(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(bootstrap_eio=2, second_bootout_rc=5)
    path = jobs.plist()
    assert jobs.bootstrap(path) == 5
    jobs.launchd.restart()
    assert [jobs.bootstrap(path), jobs.bootstrap(path)] == [5, 0]
