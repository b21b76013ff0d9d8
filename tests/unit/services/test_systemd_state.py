"""What is made of `systemctl show`: exact keys, three values, and the reason why a service is down."""

import pytest

from hermes_cli.services.systemd.shown import Unit, parse, service_of

BLOCK = """\
MainPID=4242
Result=success
NRestarts=0
ExecMainCode=0
ExecMainStatus=0
Id=hermes-gateway.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
FragmentPath=/units/hermes-gateway.service
NeedDaemonReload=no
Job=0
"""


def unit(**facts) -> Unit:
    return Unit(**{"name": "g.service", "load": "loaded", **facts})


def test_a_running_unit() -> None:
    found = parse(BLOCK)["hermes-gateway.service"]
    assert found == Unit(
        "hermes-gateway.service",
        "loaded",
        "active",
        "running",
        "success",
        4242,
        enabled="enabled",
        fragment="/units/hermes-gateway.service",
    )
    assert service_of(found).state == "running"


def test_several_units_are_told_apart() -> None:
    found = parse(f"{BLOCK}\n{BLOCK.replace('gateway.service', 'gateway-restarter.path').replace('4242', '0')}")
    assert {name: one.pid for name, one in found.items()} == {
        "hermes-gateway.service": 4242,
        "hermes-gateway-restarter.path": None,
    }


@pytest.mark.parametrize("text", ["", "\n\n\n", "nonsense", "MainPID=4242\n", "Id=\n", "Id"])
def test_nonsense_is_no_unit(text: str) -> None:
    assert parse(text) == {}


def test_a_unit_of_which_little_is_said_is_unknown() -> None:
    (found,) = parse("Id=g.service\nMainPID=nonsense\nExecMainStatus=-\n").values()
    assert service_of(found).state == "unknown"


@pytest.mark.parametrize(
    ("facts", "state", "scheduled", "detail"),
    [
        ({"active": "active", "sub": "running", "pid": 7}, "running", False, ""),
        ({"active": "activating", "sub": "start", "pid": 7}, "running", False, "start"),
        ({"active": "activating", "sub": "auto-restart", "exit_code": 1}, "stopped", True, "exited 1, systemd starts"),
        (
            {"active": "activating", "sub": "auto-restart", "exit_code": 75, "queued": True},
            "stopped",
            True,
            "exited 75",
        ),
        ({"active": "deactivating", "sub": "stop-sigterm", "pid": 7}, "running", False, "stop-sigterm"),
        ({"active": "deactivating", "sub": "final-sigkill", "exit_code": 75}, "stopped", False, "final-sigkill"),
        ({"active": "inactive", "sub": "dead", "queued": True}, "running", False, "a job is queued"),
        ({"active": "inactive", "sub": "dead"}, "stopped", False, "systemd says inactive"),
        ({"active": "inactive", "sub": "dead", "exit_code": 0}, "stopped", False, "exited 0"),
        ({"active": "inactive", "load": "masked"}, "stopped", False, "g.service is masked"),
        ({"active": "inactive", "load": "not-found"}, "stopped", False, "systemd knows no g.service"),
        ({"active": "inactive", "load": "bad-setting"}, "stopped", False, "does not load (bad-setting)"),
        ({"active": "failed", "exit_code": 78}, "stopped", False, "configuration error: exited 78"),
        (
            {"active": "failed", "exit_code": 1, "restarts": 4},
            "stopped",
            False,
            "crash loop: exited 1",
        ),
        ({"active": "failed", "exit_code": -9}, "stopped", False, "killed by SIGKILL; see hermes gateway logs"),
        ({"active": "failed", "exit_code": -15, "result": "timeout"}, "stopped", False, "killed by SIGTERM (timeout)"),
        ({"active": "failed", "exit_code": 203}, "stopped", False, "exited 203: systemd could not execute it"),
        ({"active": "failed", "result": "start-limit-hit"}, "stopped", False, "start-limit-hit"),
        ({"active": "maintenance"}, "unknown", False, "'maintenance'"),
    ],
)
def test_every_state_in_three_values(facts, state: str, scheduled: bool, detail: str) -> None:
    found = service_of(unit(**facts))
    assert (found.state, found.scheduled) == (state, scheduled)
    assert detail in found.detail
    assert found.pid == (facts.get("pid") if state == "running" else None)


@pytest.mark.parametrize(
    ("code", "status", "exit_code"), [("1", "75", 75), ("2", "9", -9), ("3", "6", -6), ("0", "0", None)]
)
def test_an_exit_and_a_signal_are_told_apart(code: str, status: str, exit_code: int | None) -> None:
    text = BLOCK.replace("ExecMainCode=0", f"ExecMainCode={code}").replace(
        "ExecMainStatus=0", f"ExecMainStatus={status}"
    )
    assert parse(text)["hermes-gateway.service"].exit_code == exit_code
