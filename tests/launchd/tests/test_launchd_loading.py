"""bootstrap, enable and disable, domains: the conformance cases 1 to 5, and what else a load depends on."""

import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_jobs import Jobs

pytestmark = pytest.mark.e2e


def test_a_plist_without_start_keys_is_loaded_and_not_run(jobs: Jobs) -> None:  # case 1
    jobs.load()
    assert jobs.field("state") == "not running"
    assert jobs.field("runs") == "0"
    assert jobs.launchd.pid("job") is None
    assert jobs.spawns() == []


def test_a_second_bootstrap_fails_with_5_and_leaves_the_job_unchanged(jobs: Jobs) -> None:  # case 1
    path = jobs.load()
    before = jobs.shown().stdout
    done = jobs.launchd.launchctl("bootstrap", jobs.launchd.domain, path)
    assert done.returncode == 5
    assert done.stderr == (
        "Bootstrap failed: 5: Input/output error\nTry re-running the command as root for richer errors.\n"
    )
    assert jobs.shown().stdout == before


def test_a_second_bootstrap_of_the_label_from_another_path_fails_too(jobs: Jobs) -> None:  # case 1
    path = jobs.load()
    other = path.rename(path.with_name("other.plist"))
    assert jobs.bootstrap(other) == 5
    assert jobs.field("path") == str(path)


def test_an_edited_plist_is_not_read_again_by_a_kickstart(jobs: Jobs) -> None:  # case 2
    jobs.run("echo old > {ready}; exec sleep 1000", ThrottleInterval=0)
    jobs.plist("echo new > {ready}; exec sleep 1000")
    assert jobs.kickstart("job", "-k") == 0
    assert jobs.ready.wait() == "old"


def test_a_bootout_and_a_bootstrap_read_the_plist_again(jobs: Jobs) -> None:  # case 2
    jobs.run("echo old > {ready}; exec sleep 1000")
    path = jobs.plist("echo new > {ready}; exec sleep 1000")
    jobs.bootout()
    jobs.launchd.wait_for("removed", "job")
    assert jobs.shown().returncode == 113
    assert jobs.bootstrap(path) == 0
    jobs.kickstart()
    assert jobs.ready.wait() == "new"


def test_a_deleted_plist_changes_nothing_for_a_loaded_job(jobs: Jobs) -> None:
    jobs.load().unlink()
    assert jobs.kickstart() == 0
    jobs.launchd.wait_for("spawn", "job")


def test_a_disabled_label_cannot_be_loaded_until_it_is_enabled(jobs: Jobs) -> None:  # case 3
    path = jobs.plist()
    assert jobs.launchd.launchctl("disable", jobs.target()).returncode == 0
    assert jobs.bootstrap(path) == 5
    assert jobs.shown().returncode == 113
    assert jobs.launchd.launchctl("enable", jobs.target()).returncode == 0
    assert jobs.bootstrap(path) == 0


def test_an_override_survives_a_restart(jobs: Jobs) -> None:  # case 3
    jobs.launchd.launchctl("disable", jobs.target())
    jobs.launchd.restart()
    assert jobs.bootstrap(jobs.plist()) == 5
    assert '"job" => disabled' in jobs.launchd.launchctl("print-disabled", jobs.launchd.domain).stdout


def test_disable_does_not_stop_a_running_job_and_print_shows_nothing_of_it(jobs: Jobs) -> None:
    pid = jobs.run()
    before = jobs.shown().stdout
    jobs.launchd.launchctl("disable", jobs.target())
    assert jobs.launchd.pid("job") == pid
    assert jobs.shown().stdout == before


def test_a_plist_that_says_disabled_is_loaded_after_enable(jobs: Jobs) -> None:
    path = jobs.plist(Disabled=True)
    assert jobs.bootstrap(path) == 5
    jobs.launchd.launchctl("enable", jobs.target())
    assert jobs.bootstrap(path) == 0


def test_a_disabled_label_fails_with_119_in_the_system_domain(jobs: Jobs) -> None:
    jobs.launchd.launchctl("disable", "system/job")
    path = jobs.plist(LimitLoadToSessionType="System")
    assert jobs.launchd.launchctl("bootstrap", "system", path).returncode == 119


def test_without_a_gui_domain_requests_fail_with_125_and_print_with_112(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(gui_domain="absent")  # case 4
    domain, user = jobs.launchd.domain, jobs.launchd.domain.partition("/")[2]
    assert jobs.bootstrap(jobs.plist()) == 125
    assert jobs.kickstart() == 125
    assert jobs.bootout() == 125
    shown = jobs.shown()
    assert shown.returncode == 112
    assert shown.stderr == f"Bad request.\nCould not find domain for user gui: {user}\n"
    assert jobs.launchd.launchctl("print", domain).returncode == 112
    assert jobs.launchd.launchctl("print", f"user/{user}/job").returncode == 113
    assert jobs.launchd.launchctl("managername").stdout == "Background\n"


def test_the_gui_domain_of_another_user_is_absent(jobs: Jobs) -> None:
    shown = jobs.launchd.launchctl("print", "gui/4711/job")
    assert (shown.returncode, shown.stderr) == (112, "Bad request.\nCould not find domain for user gui: 4711\n")


def test_run_at_load_runs_once_and_is_then_left_alone(still: Jobs) -> None:  # case 5
    still.load("exit 0", RunAtLoad=True, ThrottleInterval=0)
    assert still.launchd.wait_for("spawn", "job", cause="run-at-load").clock == 0
    still.launchd.wait_for("exit", "job", status=0)
    still.launchd.advance(100)
    assert still.field("state") == "not running"
    assert still.field("runs") == "1"


def test_bootstrap_answers_before_any_process_exists(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(time_scale=1)
    jobs.load(RunAtLoad=True)
    answered = jobs.launchd.wait_for("launchctl", rc=0).t
    assert jobs.launchd.wait_for("spawn", "job").t > answered


def test_user_and_gui_hold_separate_services(jobs: Jobs) -> None:
    user = jobs.launchd.domain.replace("gui", "user")
    jobs.load()
    path = jobs.plist(LimitLoadToSessionType=["Aqua", "Background"])
    assert jobs.launchd.launchctl("print", f"{user}/job").returncode == 113
    assert jobs.launchd.launchctl("bootstrap", user, path).returncode == 0
    assert jobs.bootout() == 0
    assert jobs.launchd.launchctl("print", f"{user}/job").returncode == 0


def test_a_plist_for_another_session_fails_with_134(jobs: Jobs) -> None:
    assert jobs.bootstrap(jobs.plist(LimitLoadToSessionType="Background")) == 134


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_plist_that_others_may_write_fails_with_122(jobs: Jobs, mode: int) -> None:
    path = jobs.plist()
    path.chmod(mode)
    assert jobs.bootstrap(path) == 122


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (plistlib.dumps({"ProgramArguments": ["/bin/true"]}), 110),
        (plistlib.dumps({"Label": "job"}), 111),
        (plistlib.dumps({"Label": "job", "ProgramArguments": []}), 111),
        (b"<plist", 109),
        (plistlib.dumps([]), 109),
    ],
)
def test_a_plist_that_says_too_little_is_refused(jobs: Jobs, tmp_path: Path, content: bytes, code: int) -> None:
    path = tmp_path / "bad.plist"
    path.write_bytes(content)
    assert jobs.bootstrap(path) == code
    jobs.launchd.knob(plain_errors=True)
    assert jobs.bootstrap(path) == 5


def test_a_missing_plist_fails_with_5(jobs: Jobs, tmp_path: Path) -> None:
    assert jobs.bootstrap(tmp_path / "none.plist") == 5


def test_bootstrap_takes_several_plists_and_whole_folders(jobs: Jobs) -> None:
    jobs.plist(label="one")
    two = jobs.plist(label="two")
    assert jobs.launchd.launchctl("bootstrap", jobs.launchd.domain, jobs.folder, two).returncode == 5  # two, again
    assert [one.label for one in jobs.launchd.events("bootstrap")] == ["one", "two"]


def test_agents_are_loaded_at_login_and_only_then(make_jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    jobs = make_jobs(agents_dir=agents)
    jobs.plist(RunAtLoad=True).rename(agents / "job.plist")
    assert jobs.shown().returncode == 113
    jobs.launchd.restart()
    jobs.launchd.wait_for("spawn", "job", cause="run-at-load")
    mark = jobs.launchd.mark()
    jobs.launchd.logout()
    jobs.launchd.login()
    jobs.launchd.wait_for("spawn", "job", after=mark)
