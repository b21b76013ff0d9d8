"""What launchctl prints: the conformance case 21, the layouts, the old subcommands, usage."""

import os
import pty
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_jobs import Jobs

pytestmark = pytest.mark.e2e

RUNNING = """\
{target} = {{
	active count = 1
	path = {path}
	type = LaunchAgent
	state = running

	program = /bin/sh
	arguments = {{
		/bin/sh
		-c
		exec sleep 1000
	}}

	inherited environment = {{
		SSH_AUTH_SOCK => /private/tmp/com.apple.launchd.emulated/Listeners
	}}

	default environment = {{
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}}

	environment = {{
		XPC_SERVICE_NAME => job
	}}

	domain = {domain} [100003]
	asid = 100003
	minimum runtime = 10
	exit timeout = 5
	runs = 1
	pid = {pid}
	immediate reason = non-ipc demand
	forks = 0
	execs = 1
	initialized = 1
	last exit code = (never exited)

	resource coalition = {{
		ID = 33304
		type = resource
		state = active
		active count = 1
		name = job
	}}

	spawn type = daemon (3)
	properties = runatload | inferred program
}}
"""


def test_print_of_a_running_service(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(bootstrap_no_spawn=1)
    pid = jobs.run(RunAtLoad=True)
    shown = jobs.shown()
    domain = jobs.launchd.domain
    wanted = RUNNING.format(target=jobs.target(), path=jobs.folder / "job.plist", domain=domain, pid=pid)
    assert (shown.stdout, shown.stderr) == (wanted, "")


def test_print_of_a_service_that_does_not_run_has_no_pid(jobs: Jobs) -> None:
    jobs.load()
    shown = jobs.shown().stdout
    assert "\tactive count = 0\n" in shown
    assert "\tstate = not running\n" in shown
    assert "pid = " not in shown
    assert "\tlast exit code = (never exited)\n" in shown
    assert "\t\tstate = inactive\n" in shown


def test_print_names_the_paths_that_are_watched(jobs: Jobs, tmp_path: Path) -> None:
    jobs.load(WatchPaths=[str(tmp_path), "/tmp"], QueueDirectories=["/var/empty"])
    shown = jobs.shown().stdout
    assert "\tevent triggers = {\n" in shown
    assert f'"WatchPaths" => [\n\t\t\t\t\t0 = "{tmp_path}"\n\t\t\t\t\t1 = "/tmp"\n\t\t\t\t]\n' in shown
    assert '"QueueDirectories" => [\n\t\t\t\t\t0 = "/var/empty"\n' in shown


def test_an_exit_code_is_named_and_stays_while_the_next_run_lasts(jobs: Jobs) -> None:  # case 21
    jobs.load("test -e {here}/second && exec sleep 1000; touch {here}/second; exit 75", ThrottleInterval=0)
    jobs.kickstart()
    jobs.launchd.wait_for("exit", "job", status=75)
    assert jobs.field("last exit code") == "75: EX_TEMPFAIL"
    listed = jobs.launchd.launchctl("list", "job").stdout
    assert '\t"LastExitStatus" = 19200;\n' in listed
    assert '"PID"' not in listed
    jobs.kickstart()
    assert jobs.field("state") == "running"
    assert jobs.field("last exit code") == "75: EX_TEMPFAIL"


def test_a_death_by_a_signal_is_shown_as_one(jobs: Jobs) -> None:
    pid = jobs.run()
    os.kill(pid, signal.SIGTERM)
    jobs.launchd.wait_for("exit", "job", status=-15)
    assert jobs.field("last terminating signal") == "Terminated: 15"
    assert jobs.field("last exit code") is None
    assert '"LastExitStatus" = 15;' in jobs.launchd.launchctl("list", "job").stdout
    assert "-\t-15\tjob\n" in jobs.launchd.launchctl("list").stdout


def test_list_of_a_label_is_a_block_of_keys(jobs: Jobs) -> None:
    pid = jobs.run(KeepAlive=True, ThrottleInterval=0)
    lines = jobs.launchd.launchctl("list", "job").stdout.splitlines()
    assert lines[0] == "{"
    assert lines[-1] == "};"
    assert '\t"OnDemand" = false;' in lines
    assert f'\t"PID" = {pid};' in lines
    assert '\t"Label" = "job";' in lines
    jobs.load(label="other")
    assert '\t"OnDemand" = true;' in jobs.launchd.launchctl("list", "other").stdout.splitlines()


def test_list_is_a_table_of_three_columns(jobs: Jobs) -> None:
    pid = jobs.run()
    jobs.load(label="other")
    assert jobs.launchd.launchctl("list").stdout == f"PID\tStatus\tLabel\n{pid}\t0\tjob\n-\t0\tother\n"


def test_list_of_an_unknown_label_fails_with_113(jobs: Jobs) -> None:
    done = jobs.launchd.launchctl("list", "none")
    assert (done.returncode, done.stderr) == (113, 'Could not find service "none" in domain for port\n')


def test_print_of_an_unknown_label_fails_with_113(jobs: Jobs) -> None:
    done = jobs.shown("none")
    user = jobs.launchd.domain.partition("/")[2]
    assert (done.returncode, done.stdout) == (113, "")
    assert done.stderr == f'Bad request.\nCould not find service "none" in domain for user gui: {user}\n'


def test_print_of_a_domain_lists_its_services(jobs: Jobs) -> None:
    pid = jobs.run()
    jobs.launchd.launchctl("disable", jobs.target("other"))
    shown = jobs.launchd.launchctl("print", jobs.launchd.domain).stdout
    assert any(line.split() == [str(pid), "0", "job"] for line in shown.splitlines())
    assert '\t\t"other" => disabled\n' in shown


def test_managername_and_version_are_one_line(jobs: Jobs) -> None:
    assert jobs.launchd.launchctl("managername").stdout == "Aqua\n"
    assert jobs.launchd.launchctl("version").stdout.count("\n") == 1


def test_arguments_that_make_no_request_are_a_usage_error(jobs: Jobs) -> None:
    for arguments in (
        [],
        ["frobnicate"],
        ["bootstrap"],
        ["bootout"],
        ["kickstart"],
        ["kickstart", "-x", jobs.target()],
        ["kickstart", jobs.launchd.domain],
        ["print"],
        ["print", "nowhere/0/job"],
        ["print", "gui/x/job"],
        ["bootstrap", "system/x", "/none.plist"],
        ["kill", "SIGNONE", jobs.target()],
        ["submit", "-l", "job"],
    ):
        done = jobs.launchd.launchctl(*arguments)
        assert (arguments, done.returncode) == (arguments, 64)
        assert done.stderr.startswith("Usage: ")


def test_kickstart_p_says_more_on_a_terminal(jobs: Jobs) -> None:
    jobs.load()
    ours, theirs = pty.openpty()
    subprocess.run([jobs.launchd.bin / "launchctl", "kickstart", "-p", jobs.target()], stdout=theirs, check=True)
    os.close(theirs)
    assert os.read(ours, 100).decode().strip() == f"service spawned with pid: {jobs.launchd.pid('job')}"
    os.close(ours)


def test_load_and_unload_exit_0_whatever_happens(jobs: Jobs) -> None:
    path = jobs.plist()
    assert jobs.launchd.launchctl("load", path).stderr == ""
    again = jobs.launchd.launchctl("load", path)
    assert again.returncode == 0
    assert "Load failed: 5: Input/output error" in again.stderr
    assert jobs.launchd.launchctl("unload", path).stderr == ""
    again = jobs.launchd.launchctl("unload", path)
    assert again.returncode == 0
    assert "Unload failed: 5: Input/output error" in again.stderr


def test_unload_w_disables_and_load_w_enables(jobs: Jobs) -> None:
    path = jobs.load()
    jobs.launchd.launchctl("unload", "-w", path)
    assert jobs.bootstrap(path) == 5
    jobs.launchd.launchctl("load", "-w", path)
    assert jobs.shown().returncode == 0


def test_start_and_stop_of_an_unknown_label_fail_with_3(jobs: Jobs) -> None:
    for subcommand in ("start", "stop", "remove"):
        assert jobs.launchd.launchctl(subcommand, "none").returncode == 3


def test_start_is_a_demand_start(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(on_demand_only=True)
    jobs.load(RunAtLoad=True)
    assert jobs.launchd.launchctl("start", "job").returncode == 0
    jobs.launchd.wait_for("spawn", "job", cause="start")
