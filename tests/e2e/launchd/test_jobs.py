"""`install`, `start`, `stop`, `status`, `uninstall` on launchd, and every way in which the two jobs are found broken."""

import json
import os
import plistlib
import signal
import time
from pathlib import Path

import pytest
from support.faults.places import fault, on_call
from support.machines.installation import SHORT_CLOCKS
from support.machines.mac import Mac
from support.machines.worlds import World

from hermes_cli.gateway import run
from hermes_cli.restart import send
from hermes_cli.system import process

pytestmark = pytest.mark.e2e


def plist(mac: Mac, label: str | None = None) -> Path:
    return mac.agents / f"{label or mac.gateway}.plist"


def edit(path: Path, **keys) -> None:
    """As a definition of another release would be."""
    path.write_bytes(plistlib.dumps({**plistlib.loads(path.read_bytes()), **keys}))


def launchctl(mac: Mac, verb: str, label: str | None = None, domain: str | None = None) -> str:
    done = mac.launchd.launchctl(verb, f"{domain or mac.launchd.domain}/{label or mac.gateway}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def unload(mac: Mac, label: str | None = None) -> None:
    launchctl(mac, "bootout", label)
    mac.launchd.wait_for("removed", label or mac.gateway)


def kill(mac: Mac) -> None:
    mac.launchd.launchctl("kill", "KILL", f"{mac.launchd.domain}/{mac.gateway}", check=True)


def codes(mac: Mac) -> set[str]:
    return {one["code"] for one in mac.status()["problems"]}


def is_loaded(mac: Mac, label: str, domain: str | None = None) -> bool:
    return mac.launchd.launchctl("print", f"{domain or mac.launchd.domain}/{label}").returncode == 0


# The life of a service.


def test_install_loads_both_jobs_and_waits_until_the_gateway_is_ready(mac):
    done = mac.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"wrote {plist(mac)}"
    assert f"ready, pid {mac.launchd.pid(mac.gateway)}, " in done.stdout
    assert is_loaded(mac, mac.restarter)
    assert mac.spawns() == 1


def test_status_says_who_runs_it_and_where(mac):
    mac.install()
    found = mac.status()
    assert found["manager"] == "launchd"
    assert found["service"]["label"] == mac.gateway
    assert found["service"]["domain"] == mac.launchd.domain
    assert found["service"]["state"] == "running"
    assert found["service"]["pid"] == found["instance"]["pid"]
    assert found["restarter"]["state"] == "loaded"
    assert found["problems"] == []


def test_a_second_install_changes_nothing(mac):
    before = mac.install()
    done = mac.run("gateway", "install")
    assert done.returncode == 0
    assert done.stdout.startswith(f"running already, pid {before.identity.pid}")
    assert mac.spawns() == 1
    assert len(mac.launchd.events("bootstrap")) == 2


def test_the_restarter_is_idle_while_nothing_is_pending(mac):
    mac.install()
    mac.run("gateway", "status")
    found = mac.launchd.events("spawn", mac.restarter)
    assert [one.cause for one in found] == ["run-at-load"]
    assert mac.launchd.wait_for("exit", mac.restarter).more["status"] == 0


def test_a_stop_outlives_the_next_login(mac):
    mac.install()
    assert mac.run("gateway", "stop").stdout == "stopped\n"
    assert not is_loaded(mac, mac.gateway)
    assert mac.run("gateway", "status").returncode == 3
    mac.launchd.logout()
    mac.launchd.wait_for("domain-gone")
    mark = mac.launchd.mark()
    mac.launchd.login()
    mac.launchd.wait_for("spawn", mac.restarter, after=mark)
    mac.launchd.wait_for("exit", mac.restarter, after=mark)
    assert mac.spawns(mac.gateway, mark) == 0


def test_start_brings_it_back_also_after_the_next_login(mac):
    mac.install()
    mac.run("gateway", "stop")
    done = mac.run("gateway", "start")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"ready, pid {mac.launchd.pid(mac.gateway)}, ")
    mac.launchd.logout()
    mac.launchd.wait_for("domain-gone")
    mac.launchd.login()
    assert mac.ready().identity.pid == mac.launchd.pid(mac.gateway)


def test_uninstall_leaves_nothing_behind(mac):
    mac.install()
    done = mac.run("gateway", "uninstall")
    assert (done.returncode, done.stdout) == (0, "uninstalled\n")
    assert os.listdir(mac.agents) == []
    assert not is_loaded(mac, mac.gateway)
    assert not is_loaded(mac, mac.restarter)
    assert not os.path.exists(mac.paths.restarter)
    assert "=> disabled" not in mac.launchd.launchctl("print-disabled", mac.launchd.domain).stdout
    assert mac.run("gateway", "status").returncode == 4
    assert mac.processes() == []


def test_a_crash_is_launchds_to_mend_and_leaves_no_record(mac):
    before = mac.install()
    kill(mac)
    after = mac.ready(other_than=before)
    assert after.identity.pid == mac.launchd.pid(mac.gateway)
    assert mac.ever_settled() == []


# What `install` mends.


def missing_service(mac: Mac) -> str:
    plist(mac).unlink()
    unload(mac)
    return "down"


def missing_restarter(mac: Mac) -> str:
    plist(mac, mac.restarter).unlink()
    unload(mac, mac.restarter)
    return "restarter-missing"


def unloaded(mac: Mac) -> str:
    unload(mac)
    return "service-unloaded"


def disabled(mac: Mac) -> str:
    launchctl(mac, "disable")
    unload(mac)
    return "service-disabled"


def restarter_switched_off(mac: Mac) -> str:
    launchctl(mac, "disable", mac.restarter)
    unload(mac, mac.restarter)
    return "restarter-disabled"


def writable_by_others(mac: Mac) -> str:
    plist(mac).chmod(0o666)
    unload(mac)
    return "definition-refused"


def of_somebody_else(mac: Mac) -> str:
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(plist(mac), 12345, 12345)
    unload(mac)
    return "definition-refused"


def garbage(mac: Mac) -> str:
    plist(mac).write_text("no plist")
    unload(mac)
    return "definition-drift"


def program_missing(mac: Mac) -> str:
    os.unlink(f"{mac.paths.restarter}/hermes-restarter")
    return "definition-drift"


BROKEN = [
    missing_service,
    missing_restarter,
    unloaded,
    disabled,
    restarter_switched_off,
    writable_by_others,
    of_somebody_else,
    garbage,
    program_missing,
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_status_says_what_is_broken_and_install_mends_it(mac, broken):
    mac.install()
    code = broken(mac)
    assert code in codes(mac)
    done = mac.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    assert codes(mac) == set()
    assert mac.ready().identity.pid == mac.launchd.pid(mac.gateway)
    assert mac.run("gateway", "restart").returncode == 0


def test_a_service_in_the_wrong_domain_moves_to_the_right_one(make_mac):
    mac = make_mac(gui_domain="absent")
    mac.install()
    assert mac.status()["service"]["domain"] == f"user/{os.getuid()}"
    mac.launchd.knob(gui_domain="present")
    done = mac.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    assert mac.status()["service"]["domain"] == f"gui/{os.getuid()}"
    for label in (mac.gateway, mac.restarter):
        assert not is_loaded(mac, label, f"user/{os.getuid()}")


# A definition that has changed.


def test_a_drifted_definition_is_reloaded_by_the_restarter_after_a_drain(mac):
    before = mac.install()
    edit(plist(mac), ThrottleInterval=77, KeepAlive={"SuccessfulExit": False})
    assert "definition-drift" in codes(mac)
    done = mac.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    assert f"wrote {plist(mac)}" in done.stdout
    assert "restarted: pid " in done.stdout
    after = mac.ready()
    assert after.identity.pid != before.identity.pid
    assert after.identity.pid == mac.launchd.pid(mac.gateway)
    assert codes(mac) == set()
    (bootout,) = mac.launchd.events("bootout", mac.gateway)
    assert "properties = keepalive" in launchctl(mac, "print")
    assert bootout.t > mac.launchd.events("spawn", mac.gateway)[0].t


@pytest.mark.parametrize("coalition", ["off", "bootout", "bootout+kickstart"])
def test_in_the_agents_terminal_too(make_mac, coalition):
    mac = make_mac(coalition_kill=coalition)
    before = mac.install()
    edit(plist(mac), ThrottleInterval=77)
    answer = mac.chat("!hermes gateway install")
    assert "reload recorded, will be completed by the launchd restarter" in answer
    assert "restarted: gateway is back as pid" in answer
    assert mac.ready().identity.pid != before.identity.pid
    assert "minimum runtime = 77" not in launchctl(mac, "print")
    assert mac.ready().identity.pid == mac.launchd.pid(mac.gateway)


def test_a_reload_outlasts_a_busy_domain_and_a_slow_bootout(make_mac):
    mac = make_mac(config=f"{SHORT_CLOCKS}max_attempts = 1\n")
    before = mac.install()
    edit(plist(mac), ThrottleInterval=77)
    mac.launchd.knob(bootstrap_eio=3, bootout_extra_delay_s=5, fault_label=mac.gateway)
    done = mac.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    assert mac.ready(other_than=before).identity.pid == mac.launchd.pid(mac.gateway)


def test_a_drifted_restarter_is_reloaded_at_once_also_from_the_terminal(mac):
    before = mac.install()
    edit(plist(mac, mac.restarter), StartInterval=7777)
    assert "definition-drift" in codes(mac)
    answer = mac.chat("!hermes gateway install")
    assert f"running already, pid {before.identity.pid}" in answer
    assert codes(mac) == set()
    assert mac.spawns() == 1
    assert mac.run("gateway", "restart").returncode == 0


@pytest.mark.parametrize(
    "keepalive",
    [True, False, {"SuccessfulExit": False}, {"SuccessfulExit": True}, {"Crashed": True}],
    ids=str,
)
def test_a_restart_comes_back_under_any_vintage_of_the_definition(mac, keepalive):
    mac.install()
    edit(plist(mac), KeepAlive=keepalive)
    unload(mac)
    mac.launchd.launchctl("bootstrap", mac.launchd.domain, str(plist(mac)), check=True)
    before = mac.ready()
    mac.chat("!hermes gateway restart")
    after = mac.ready(other_than=before)
    assert after.identity.pid == mac.launchd.pid(mac.gateway)
    assert mac.ever_settled()[0].outcome == "restarted"


# What launchd does not say.


def test_a_launchd_that_does_not_answer_is_unknown_and_nothing_is_claimed(mac):
    mac.install()
    mac.launchd.knob(launchctl_latency_ms=200_000)
    began = time.monotonic()
    done = mac.run("gateway", "status", "--json")
    assert time.monotonic() - began < 60
    found = json.loads(done.stdout)
    assert found["service"]["state"] == found["restarter"]["state"] == "unknown"
    assert done.returncode == 0  # the instance itself is alive


def test_without_launchctl_there_is_one_line_with_the_mend(mac):
    mac.variables["PATH"] = "/usr/bin:/bin"
    done = mac.run("gateway", "install")
    assert done.returncode == 1
    assert done.stderr == "hermes: launchctl is not on PATH: use --manager embedded, or mend PATH and repeat\n"


def test_start_without_an_installation_says_how_to_install(mac):
    done = mac.run("gateway", "start")
    assert (done.returncode, done.stderr) == (4, "hermes: the service is not installed: hermes gateway install\n")


def test_a_gateway_of_another_manager_is_taken_over(mac):
    mac.manager = "embedded"
    before = mac.install()
    mac.manager = "launchd"
    done = mac.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    assert "moved from embedded to launchd" in done.stdout
    after = mac.ready(other_than=before)
    assert after.identity.pid == mac.launchd.pid(mac.gateway)
    assert mac.supervisor() is None


def test_two_profiles_are_two_services(mac):
    mac.install()
    done = mac.run("-p", "work", "gateway", "install")
    assert done.returncode == 0, done.stderr
    before = mac.launchd.pid(mac.gateway)
    assert mac.run("-p", "work", "gateway", "restart").returncode == 0
    assert mac.launchd.pid(mac.gateway) == before
    assert mac.spawns(f"{mac.gateway}-work") == 2
    assert mac.run("-p", "work", "gateway", "uninstall").returncode == 0
    assert mac.launchd.pid(mac.gateway) == before


def test_a_start_that_launchd_holds_back_is_shown_with_its_mend(mac):
    mac.install()
    mac.launchd.knob(on_demand_only=True)
    kill(mac)
    mac.launchd.wait_for("pended", mac.gateway)
    found = mac.status()
    assert found["service"]["state"] == "stopped"
    held = next(one for one in found["problems"] if one["code"] == "start-held-back")
    assert held["mend"] == "hermes gateway start"
    assert mac.run("gateway", "start").returncode == 0
    assert codes(mac) == set()


def test_new_code_that_crashes_at_import_settles_as_failed_and_does_not_storm(make_mac):
    mac = make_mac(config=f"{SHORT_CLOCKS}max_attempts = 3\n")
    mac.install()
    assert mac.interpreter is not None
    mac.interpreter.strike(fault("fail", run.main, program="gateway run"))
    mac.hold_clock()
    mark = mac.launchd.mark()
    mac.run("gateway", "restart", "--no-wait")
    passed = 0

    def look():
        nonlocal passed
        for one in mac.launchd.events("throttled", mac.gateway)[passed:]:
            passed += 1
            mac.launchd.advance(one.seconds)
        return mac.ever_settled()

    mac.until(look, "an end")
    (settled,) = mac.settled()
    assert settled.outcome == "failed"
    assert "exited 1" in settled.detail
    assert mac.launchd.events("throttled", mac.gateway)
    assert mac.spawns(after=mark) <= 1 + passed, "every start but the first waits for the throttle"


def test_a_start_that_the_throttle_holds_back_is_waited_for(make_mac):
    clocks = SHORT_CLOCKS.replace("teardown_timeout = 2", "teardown_timeout = 60")  # and with it ThrottleInterval
    mac = make_mac(kickstart_throttle="block", config=f"{clocks}max_attempts = 2\nbackoff = 0.1\n")
    mac.install()
    mac.hold_clock()
    # A start that takes the gateway's throttle anew; the restarter's is over by then.
    process.send(mac.ready().identity, signal.SIGKILL)
    mac.launchd.wait_for("spawn", mac.gateway, count=2)
    before = mac.ready()
    mac.run("gateway", "restart", "--no-wait")
    throttled = mac.launchd.wait_for("throttled", mac.gateway)
    mac.until(lambda: "interval between two starts" in str(mac.status()["pending"]), "a driver that waits")
    assert mac.spawns() == 2
    mac.launchd.advance(throttled.seconds)
    (settled,) = mac.settled()
    assert settled.outcome == "restarted", settled.detail
    assert mac.ready(other_than=before).identity.pid == mac.launchd.pid(mac.gateway)
    assert mac.spawns() == 3


@pytest.mark.parametrize("code", [37, 113])
def test_the_only_attempt_survives_an_answer_that_means_no_such_label(make_mac, code):
    mac = make_mac(on_demand_only=True, config=f"{SHORT_CLOCKS}max_attempts = 1\n")
    mac.install()
    mac.launchd.knob(kickstart_rc_once=code, fault_label=mac.gateway)
    mac.run("gateway", "restart", "--no-wait")
    (settled,) = mac.settled()
    assert settled.outcome == "restarted", settled.detail
    assert mac.spawns() == 2


def test_a_demand_start_outlasts_a_stop_that_is_under_way(mac):
    before = mac.install()
    mac.hold_clock()  # it drains as long as it is let, however long the next two lines take
    mac.busy()
    launchctl(mac, "bootout")
    assert "state = SIGTERMed" in launchctl(mac, "print")
    assert World("launchd", mac, lambda: None, ("", "")).call("demand_start") is None
    assert mac.ready(other_than=before).identity.pid == mac.launchd.pid(mac.gateway)


def test_a_gateway_that_drains_without_a_restarter_has_launchd_start_it(make_mac):
    mac = make_mac(on_demand_only=True)
    before = mac.install()
    unload(mac, mac.restarter)
    process.send(before.identity, signal.SIGUSR1)
    assert mac.ready(other_than=before).identity.pid == mac.launchd.pid(mac.gateway)
    assert len(mac.launchd.events("kickstart", mac.gateway, cause="kickstart-k")) == 1


def test_a_record_whose_requester_is_killed_is_found_by_the_watch_before_any_interval(mac, tmp_path):
    before = mac.install()
    mac.interpreter.strike(fault("kill", on_call(send.begin), tmp_path / "struck", "gateway restart"))
    asked = mac.launchd.mark()
    assert mac.run("gateway", "restart").returncode == -signal.SIGKILL
    mac.ready(other_than=before)
    first = next(one for one in mac.launchd.events("spawn", mac.restarter) if one.t > asked)
    assert first.cause in {"watch", "queue"}


def test_a_bare_signal_with_nothing_in_the_queue_is_a_restart_as_well(make_mac):
    """The restarter is started and has nothing to do, and launchd holds its own respawn back: the report's path A."""
    mac = make_mac(on_demand_only=True, on_demand_holds="all")
    before = mac.install()
    process.send(before.identity, signal.SIGUSR1)
    assert mac.ready(other_than=before).identity.pid == mac.launchd.pid(mac.gateway)
    assert mac.spawns() == 2


def test_a_gateway_whose_poke_has_no_answer_looks_whether_a_driver_runs_and_has_launchd_start_it(make_mac, tmp_path):
    """launchd holds everything back and a kickstart of the restarter comes to nothing; who asked is killed."""
    mac = make_mac(on_demand_only=True, on_demand_holds="all")
    before = mac.install()
    mac.launchd.knob(kickstart_hang_s={mac.restarter: 100}, kickstart_hang_effect="never")
    mac.interpreter.strike(fault("kill", on_call(send._drive), tmp_path / "struck", "gateway restart"))
    asking = mac.start("chat", "!hermes gateway restart")
    mac.until(mac.pending, "the record")
    asking.kill()  # one that waits would have a driver started
    asking.wait()
    fresh = mac.ready(other_than=before)
    assert (tmp_path / "struck").exists()
    assert fresh.identity.pid == mac.launchd.pid(mac.gateway)
    mac.settled()
    assert len(mac.launchd.events("kickstart", mac.gateway, cause="kickstart-k")) == 1
    assert mac.spawns() == 2


def test_an_installation_that_predates_the_memory_is_brought_up_to_date(mac):
    before = mac.install()
    os.unlink(f"{mac.paths.state}/service.json")
    edit(plist(mac), KeepAlive={"SuccessfulExit": False})
    assert "definition-drift" in codes(mac)
    done = mac.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    assert mac.ready().identity.pid != before.identity.pid
    assert codes(mac) == set()
