"""NousResearch/hermes-agent#11932 under a real systemd user manager, whatever its unit says."""

import shlex

import pytest
from support.machines.installation import Installation
from support.machines.user_manager import UserManager

pytestmark = pytest.mark.e2e
RESTART = "!hermes gateway restart"
SECONDS = 10.0  # from the request to the fresh instance, with every process started on a busy machine


@pytest.mark.parametrize(
    "lines",
    [
        ["[Service]", "KillMode=mixed"],
        ["[Service]", "KillMode=control-group"],
        ["[Service]", "KillMode=process"],
        ["[Service]", "Type=simple", "WatchdogSec=0"],
        ["[Service]", "RestartSec=60"],
        ["[Service]", "Restart=no", "RestartForceExitStatus="],
        ["[Service]", "Restart=on-failure", "SuccessExitStatus=75", "RestartForceExitStatus="],
        ["[Unit]", "StartLimitIntervalSec=600", "StartLimitBurst=1"],
    ],
    ids=lambda lines: " ".join(lines[1:]),
)
def test_a_restart_typed_in_the_agents_terminal_brings_up_a_new_process(
    hermes: Installation, user_manager: UserManager, lines: list[str]
) -> None:
    before = hermes.install()
    user_manager.change(hermes.units.service, *lines)
    answer = hermes.chat(RESTART)
    after = hermes.ready(other_than=before)
    assert "recorded, will be completed by the systemd restarter" in answer
    assert f"restarted: gateway is back as pid {after.identity.pid}" in answer
    assert user_manager.show(hermes.units.service, "MainPID") == str(after.identity.pid)
    (settled,) = hermes.settled()
    assert settled.intent.requester.in_tree
    assert settled.took < SECONDS
    assert hermes.starts() == 2


def test_one_restart_after_the_other_meets_no_start_limit(hermes: Installation, user_manager: UserManager) -> None:
    hermes.install()
    burst = int(user_manager.show(hermes.units.service, "StartLimitBurst"))
    for _ in range(burst + 1):
        assert hermes.run("gateway", "restart").stdout.startswith("restarted")
    assert hermes.starts() == burst + 2
    assert user_manager.show(hermes.units.path, "ActiveState") == "active"


def test_a_caller_with_nothing_of_the_gateway_but_its_cgroup_counts_as_in_tree(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    assert hermes.interpreter is not None
    names = {"HERMES_HOME": str(hermes.home), "HERMES_SERVICE_MANAGER": "systemd", **user_manager.variables}
    assignments = " ".join(shlex.quote(f"{name}={value}") for name, value in names.items())
    command = f"env -i {assignments} {shlex.quote(str(hermes.interpreter.python))} -m hermes_cli gateway restart"
    hermes.chat(f"!setsid sh -c {shlex.quote(f'({command} >/dev/null 2>&1 &)')}; true")
    (settled,) = hermes.settled()
    assert hermes.ready(other_than=before)
    assert settled.outcome == "restarted"
    assert settled.intent.requester.in_tree


def test_a_shell_beside_the_gateway_is_out_of_its_tree_and_waits_for_what_is_seen(hermes: Installation) -> None:
    hermes.install()
    done = hermes.run("gateway", "restart")
    assert done.stdout.startswith(f"restarted: pid {hermes.ready().identity.pid}, revision ")
    assert not hermes.settled()[0].intent.requester.in_tree


def test_a_turn_that_does_not_end_and_ignores_signals_is_cut_off(hermes: Installation) -> None:
    before = hermes.install()
    hermes.start("chat", "--session", "stuck", "!trap '' TERM INT HUP; while :; do sleep 1000; done")
    hermes.until(lambda: hermes.ready().active_turns, "a running turn")
    done = hermes.run("gateway", "restart", "--timeout", "1")
    after = hermes.ready(other_than=before)
    assert done.stdout.startswith(f"restarted: pid {after.identity.pid}")
    assert hermes.settled()[0].took < SECONDS + 1


def test_ten_requests_at_once_cause_one_restart(hermes: Installation) -> None:
    before = hermes.install()
    release = hermes.busy()
    asking = [hermes.start("gateway", "restart") for _ in range(10)]
    hermes.until(lambda: len(hermes.pending()) == 10, "ten pending intents")
    release()
    answers = [one.communicate()[0] for one in asking]
    after = hermes.ready(other_than=before)
    assert all(answer.startswith(f"restarted: pid {after.identity.pid}") for answer in answers), answers
    assert hermes.starts() == 2


def test_a_reload_by_systemctl_is_a_restart_that_lets_a_turn_finish(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    let_go = hermes.busy()
    done = user_manager.systemctl("reload", hermes.units.service)
    assert done.returncode == 0, done.stderr
    hermes.in_state("draining")
    let_go()
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    assert settled.outcome == "restarted"
