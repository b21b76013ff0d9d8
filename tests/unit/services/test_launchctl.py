"""What `launchctl` prints, read strictly. Texts as published in issue trackers; layout as of macOS 15."""

import pytest

from hermes_cli.intents.service import Service
from hermes_cli.services.job.owner import Said
from hermes_cli.services.launchd.launchctl import NO_DOMAIN, NO_SERVICE
from hermes_cli.services.launchd.printed import Job, parse_disabled, parse_print

RUNNING = """\
gui/501/ai.hermes.gateway = {
\tactive count = 1
\tpath = /Users/u/Library/LaunchAgents/ai.hermes.gateway.plist
\ttype = LaunchAgent
\tstate = running

\tprogram = /usr/bin/python3
\targuments = {
\t\t/usr/bin/python3
\t\tstate = stopped
\t}

\tenvironment = {
\t\tXPC_SERVICE_NAME => ai.hermes.gateway
\t}

\tdomain = gui/501 [100003]
\tminimum runtime = 10
\texit timeout = 5
\truns = 2
\tpid = 4242
\tlast exit code = 75: EX_TEMPFAIL

\tresource coalition = {
\t\tID = 33304
\t\tstate = active
\t\tpid = 1
\t}

\tspawn type = daemon (3)
}
"""


def printed(*fields: str) -> Job:
    return parse_print("\n".join(["gui/501/L = {", *(f"\t{field}" for field in fields), "}"]))


def test_a_running_job_is_read_from_the_outermost_block():
    argv = ("/usr/bin/python3", "state = stopped")
    said = Said(argv, {"XPC_SERVICE_NAME": "ai.hermes.gateway"})
    assert parse_print(RUNNING) == Job("running", 4242, 2, 75, None, 10, said)


def test_what_launchd_says_of_a_job_can_be_looked_up_among_answers_of_another_kind():
    assert parse_print(RUNNING) not in {NO_SERVICE, NO_DOMAIN}


def test_the_first_state_counts_and_nested_ones_do_not():
    assert printed("event triggers = {", "\tstate = running", "}", "state = not running").state == "not running"
    assert printed("state = running", "state = not running").state == "running"


def test_running_inside_not_running_is_not_running():
    assert printed("state = not running").service.state == "stopped"


@pytest.mark.parametrize("state", ["running", "spawning", "SIGTERMed", "SIGKILLed"])
def test_a_job_that_has_or_is_getting_a_process_runs(state):
    assert printed(f"state = {state}", "pid = 7").service.state == "running"


@pytest.mark.parametrize("state", ["no such state", "", "running?"])
def test_a_state_that_is_not_known_is_unknown(state):
    assert printed(f"state = {state}").service.state == "unknown"


def test_a_text_without_a_state_is_unknown():
    assert parse_print("").service.state == "unknown"
    assert parse_print(RUNNING[:60]).service.state == "unknown"


def test_a_truncated_text_gives_what_was_read_and_nothing_else():
    found = parse_print(RUNNING[: RUNNING.index("\tdomain")])
    assert found == Job("running", said=found.said)
    assert parse_print(RUNNING[: RUNNING.index(" => ai.hermes")]) == Job("running")


def test_an_exit_of_the_previous_run_is_kept_while_none_runs():
    found = printed("state = not running", "runs = 3", "last exit code = 78: EX_CONFIG")
    assert found.service == Service("stopped", None, 78, "exited 78")


def test_a_job_that_was_killed_says_by_which_signal():
    found = printed("state = not running", "runs = 1", "last terminating signal = Terminated: 15")
    assert found.service.exit_code == -15
    assert found.service.detail == "killed by SIGTERM"


def test_never_exited_is_no_exit_code():
    assert printed("state = not running", "last exit code = (never exited)").service.detail == "never ran"


def test_a_throttled_job_is_stopped_and_scheduled():
    found = printed("state = spawn scheduled", "minimum runtime = 5", "last exit code = 1").service
    assert found == Service("stopped", None, 1, "exited 1, launchd starts it again within 5 s", scheduled=True)


def test_a_pended_job_is_stopped_with_the_reason_and_not_scheduled():
    found = printed("state = not running", "pended nondemand spawn = speculative", "runs = 0").service
    assert found == Service("stopped", detail="never ran, launchd holds its start back (speculative)")


@pytest.mark.parametrize("pid", ["-1", "4 2", "1e3", "٤٢", "99999999999"])
def test_a_pid_that_is_no_number_is_none(pid):
    assert printed("state = running", f"pid = {pid}").service.pid is None


def test_disabled_labels_are_read_exactly():
    text = """\
disabled services = {
\t\t"ai.hermes.gateway" => disabled
\t\t"ai.hermes.gateway.restarter" => enabled
\t\t"com.old" => true
\t\t"com.new" => false
\t}
"""
    assert parse_disabled(text) == {"ai.hermes.gateway", "com.old"}
