"""What every service manager does, in the same words: the interface of hermes_cli.services.base, on the real things."""

import signal
from pathlib import Path

import pytest
from support.machines.worlds import World, with_definitions

from hermes_cli.intents import desired, request
from hermes_cli.programs import own
from hermes_cli.system import process

pytestmark = pytest.mark.e2e


def stopped(world: World) -> None:
    """A stop as its callers do it, what is desired first; and then that it runs, which nobody has carried out yet."""
    assert world.hermes.run("gateway", "stop").returncode == 0
    desired.write(world.hermes.paths.desired, "running", "test")


def test_nothing_installed_is_said_and_nobody_can_be_poked(world: World) -> None:
    status = world.hermes.status()
    assert status["manager"] == world.name
    assert (status["service"]["installed"], status["service"]["state"], status["instance"]) == (False, "stopped", None)
    assert status["restarter"]["state"] == "missing"
    assert world.call("poke", "poke") is False
    assert world.hermes.run("gateway", "status").returncode == 4
    for command in ("start", "restart"):
        done = world.hermes.run("gateway", command)
        assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
        assert "hermes gateway install" in done.stderr


def test_print_shows_the_definitions_and_changes_nothing(world: World) -> None:
    shown = world.hermes.run("gateway", "install", "--print").stdout
    assert [line[2:] for line in shown.splitlines() if line.startswith("# /")] == [str(p) for p in world.definitions()]
    assert not any(path.exists() for path in world.definitions())
    assert world.call("restarter")["state"] == "missing"  # nor is anything loaded
    assert world.hermes.run("gateway", "status").returncode == 4


def test_install_brings_up_one_gateway_in_the_managers_hand(world: World) -> None:
    ready = world.hermes.install()
    status = world.hermes.status()
    assert (status["service"]["installed"], status["service"]["state"]) == (True, "running")
    assert status["service"]["pid"] == status["instance"]["pid"] == ready.identity.pid
    assert status["restarter"]["state"] == "loaded"
    assert status["problems"] == []
    assert all(path.is_file() for path in world.definitions())
    assert world.hermes.run("gateway", "status").returncode == 0


def test_install_again_leaves_a_running_gateway_alone(world: World) -> None:
    before = world.hermes.install()
    again = world.hermes.run("gateway", "install")
    first = again.stdout.splitlines()[0]  # what of this shell the service will not have may follow
    assert first == f"running already, pid {before.identity.pid}, revision {before.revision}", (
        again.stdout + again.stderr
    )
    assert world.hermes.ready().identity == before.identity


def test_what_is_installed_is_found_without_naming_the_manager(world: World) -> None:
    world.hermes.install()
    found = world.hermes.run("gateway", "status", HERMES_SERVICE_MANAGER="")
    assert f", {world.name}, installed, running, desired running" in found.stdout


def test_the_gateway_knows_nothing_of_who_installed_it_and_nothing_leaks_from_its_manager(world: World) -> None:
    world.hermes.install()
    assert world.hermes.chat("!echo [$NOTIFY_SOCKET$WATCHDOG_USEC$HERMES_SUPERVISOR]").startswith("[]")


def test_a_killed_gateway_is_started_again_by_the_manager_itself(world: World) -> None:
    before = world.hermes.install()
    process.send(before.identity, signal.SIGKILL)
    after = world.hermes.ready(other_than=before)
    assert world.call("observe")["pid"] == after.identity.pid


def test_a_stopped_service_is_stopped_for_good_until_it_is_started(world: World) -> None:
    before = world.hermes.install()
    assert world.hermes.run("gateway", "stop").stdout == "stopped\n"
    world.hermes.gone(before.identity)
    assert world.call("observe")["state"] == "stopped"
    status = world.hermes.status()
    assert (status["desired"], status["service"]["installed"], status["problems"]) == ("stopped", True, [])
    assert world.hermes.run("gateway", "status").returncode == 3
    assert world.hermes.run("gateway", "stop").stdout == "was not running\n"
    assert world.hermes.run("gateway", "start").stdout.startswith("ready, pid ")
    assert world.hermes.status()["problems"] == []
    assert world.hermes.starts() == 2


def test_a_stop_cancels_what_is_pending_and_wins(world: World) -> None:
    before = world.hermes.install()
    world.hermes.busy()
    world.hermes.run("gateway", "restart", "--no-wait")
    world.hermes.in_state("draining")
    assert world.hermes.run("gateway", "stop").returncode == 0
    world.hermes.gone(before.identity)
    assert [one.outcome for one in world.hermes.settled()] == ["cancelled"]
    assert world.call("observe")["state"] == "stopped"
    assert world.hermes.starts() == 1


def test_a_demand_start_starts_what_is_stopped_and_leaves_alone_what_runs(world: World) -> None:
    before = world.hermes.install()
    assert world.call("demand_start") is None
    assert world.hermes.ready().identity == before.identity
    stopped(world)
    assert world.call("observe")["state"] == "stopped"
    assert world.call("demand_start") is None
    after = world.hermes.ready(other_than=before)
    assert world.call("observe")["pid"] == after.identity.pid


def test_a_restart_of_a_stopped_service_starts_it(world: World) -> None:
    world.hermes.install()
    world.hermes.run("gateway", "stop")
    done = world.hermes.run("gateway", "restart")
    assert done.stdout.startswith(f"restarted: pid {world.hermes.ready().identity.pid}"), done.stderr
    assert world.hermes.status()["problems"] == []


def test_a_poke_has_a_driver_carry_out_what_is_pending(world: World) -> None:
    before = world.hermes.install()
    record = request.compose(
        world.hermes.paths.profile, reason="manual", command="test", target=before.identity.document(), in_tree=False
    )
    request.submit(world.hermes.paths.intents, record)
    assert world.call("poke", "poke") is True
    world.hermes.ready(other_than=before)
    assert [one.outcome for one in world.hermes.settled()] == ["restarted"]


def test_a_poke_for_nothing_starts_no_driver_that_stays(world: World) -> None:
    world.hermes.install()
    assert world.call("poke", "poke") is True
    world.hermes.until(lambda: world.call("restarter")["state"] == "loaded", "an idle restarter")


def test_a_reload_brings_up_another_process(world: World) -> None:
    before = world.hermes.install()
    stopped(world)
    assert world.call("reload") is None
    after = world.hermes.ready(other_than=before)
    assert world.call("observe")["pid"] == after.identity.pid


def test_an_exit_is_completed_by_the_manager_alone(world: World) -> None:
    before = world.hermes.install()
    assert world.call("complete_exit") is None
    process.send(before.identity, signal.SIGUSR1)
    world.hermes.ready(other_than=before)


def test_a_drifted_definition_is_shown_and_install_brings_it_up_to_date(world: World) -> None:
    world.hermes.install()
    definition, *_ = world.definitions()
    wanted = definition.read_text()
    old, new = world.drift
    assert old in wanted
    definition.write_text(wanted.replace(old, new))
    assert "definition-drift" in [one["code"] for one in world.hermes.status()["problems"]]
    done = world.hermes.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    assert definition.read_text() == wanted
    assert world.hermes.status()["problems"] == []


@with_definitions
def test_a_line_of_the_users_stays_in_a_definition_that_is_brought_up_to_date(world: World) -> None:
    world.hermes.install()
    definition, *_ = world.definitions()
    old, new = world.drift
    mine = "<key>Nice</key><integer>5</integer>" if world.name == "launchd" else "LimitNOFILE=4096"
    anchor = "<key>RunAtLoad</key>" if world.name == "launchd" else "KillMode=mixed"
    text = definition.read_text()
    definition.write_text(text.replace(old, new).replace(anchor, f"{mine}\n{anchor}"))
    assert world.hermes.run("gateway", "install").returncode == 0
    compact = definition.read_text().replace("\n", "").replace("\t", "")
    assert mine in compact
    assert new not in compact
    assert world.hermes.status()["problems"] == []


@with_definitions
def test_a_value_of_ours_that_a_user_changed_is_named_and_kept_as_a_copy(world: World) -> None:
    world.hermes.install()
    definition, *_ = world.definitions()
    ours = "<key>KeepAlive</key>\n\t<true/>" if world.name == "launchd" else "RestartSec=1"
    mine = "<key>KeepAlive</key>\n\t<false/>" if world.name == "launchd" else "RestartSec=9"
    name, was, again = ("KeepAlive", "False", "True") if world.name == "launchd" else ("RestartSec", "9", "1")
    assert ours in definition.read_text()
    changed = definition.read_text().replace(ours, mine)
    definition.write_text(changed)
    done = world.hermes.run("gateway", "install")
    assert done.returncode == 0, done.stderr
    (line,) = [one for one in done.stderr.splitlines() if name in one]
    copy = Path(world.hermes.paths.state, "definitions", f"{definition.name}.changed")
    said = f"hermes: {definition.name}: {name} was {was} and is {again} again; the changed text is in {copy}"
    assert line.startswith(said)
    assert copy.read_text() == changed
    assert ours in definition.read_text()
    assert world.hermes.run("gateway", "install").stderr == ""  # said once


def test_a_gateway_that_cannot_start_is_said_to_be_down_with_its_exit(world: World) -> None:
    world.hermes.install()
    world.hermes.run("gateway", "stop")
    config = world.hermes.home / "config.toml"
    config.write_text(config.read_text() + "nonsense")
    # launchd knows no exit code that forbids another try: it runs again for a moment whenever the throttle is over.
    world.hold_clock()
    done = world.hermes.run("gateway", "start")
    assert (done.returncode, done.stdout) == (78, "")
    assert "exited 78" in done.stderr
    status = world.hermes.until(
        lambda: (found := world.hermes.status())["service"]["state"] == "stopped" and found, "down"
    )
    assert status["instance"] is None
    assert "exited 78" in status["service"]["detail"]
    assert "down" in [one["code"] for one in status["problems"]]


def test_a_manager_that_does_not_answer_is_unknown_not_stopped(world: World) -> None:
    before = world.hermes.install()
    world.silence()
    status = world.hermes.status()
    assert status["service"]["state"] == "unknown"
    assert status["restarter"]["state"] == "unknown"
    assert status["service"]["detail"]
    assert world.call("demand_start")["error"] == "CannotTellError"
    assert world.call("poke", "poke") is not True
    assert world.hermes.ready().identity == before.identity
    process.send(before.identity, signal.SIGKILL)
    world.hermes.gone(before.identity)
    assert world.hermes.run("gateway", "status").returncode == 5


def test_a_gateway_started_by_hand_is_left_alone_and_a_restart_hands_it_over(world: World) -> None:
    world.hermes.install()
    world.hermes.run("gateway", "stop")
    world.hermes.start("gateway", "run")
    before = world.hermes.ready()
    assert world.call("observe")["state"] == "running"
    assert world.call("demand_start") is None
    assert world.hermes.ready().identity == before.identity
    done = world.hermes.run("gateway", "restart")
    after = world.hermes.ready(other_than=before)
    assert done.stdout.startswith(f"restarted: pid {after.identity.pid}"), done.stderr
    assert world.call("observe")["pid"] == after.identity.pid


def test_a_restart_asked_for_in_the_agents_terminal_is_completed_by_who_is_named(world: World) -> None:
    before = world.hermes.install()
    answer = world.hermes.chat("!hermes gateway restart")
    after = world.hermes.ready(other_than=before)
    assert "recorded, will be completed by " in answer
    assert f"restarted: gateway is back as pid {after.identity.pid}" in answer
    assert world.hermes.status()["service"]["pid"] == after.identity.pid
    assert world.hermes.starts() == 2


def test_profiles_are_apart(world: World) -> None:
    first = world.hermes.install()
    assert world.hermes.run("-p", "work", "gateway", "install").returncode == 0
    done = world.hermes.run("-p", "work", "gateway", "restart")
    assert done.stdout.startswith("restarted"), done.stderr
    shown = world.hermes.run("-p", "work", "gateway", "status").stdout
    assert "profile work" in shown
    assert world.hermes.ready().identity == first.identity
    assert world.hermes.status()["last"] is None
    assert world.hermes.run("-p", "work", "gateway", "uninstall").stdout == "uninstalled\n"
    assert world.hermes.ready().identity == first.identity


def test_status_says_the_same_facts_in_the_same_words(world: World) -> None:
    ready = world.hermes.install()
    lines = world.hermes.run("gateway", "status").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["gateway", "service", "restarter", "pending", "files"]
    assert lines[0].startswith(f"gateway    ready, pid {ready.identity.pid}, revision {ready.revision}, up ")
    assert lines[1].endswith(f", {world.name}, installed, running, desired running, profile default")
    assert lines[2].startswith("restarter  loaded, ")
    assert lines[3] == "pending    none"
    home = world.hermes.home
    assert lines[4] == f"files      state {home}/state, config {home}/config.toml, log {home}/logs/gateway.log"


def test_uninstall_leaves_nothing_but_messages_logs_and_records(world: World) -> None:
    world.hermes.install()
    paths = world.definitions()
    done = world.hermes.run("gateway", "uninstall")
    assert done.stdout == "uninstalled\n"
    kept = (world.hermes.paths.state, world.hermes.paths.logs, world.hermes.paths.config)
    assert all(place in done.stderr for place in kept)
    world.hermes.until(lambda: not world.hermes.processes(), "no process")
    assert not any(path.exists() for path in paths)
    assert not (world.hermes.home / "state" / "restarter").exists()
    assert not (world.hermes.home / "state" / "service.json").exists()
    assert world.call("poke", "poke") is False
    assert world.hermes.run("gateway", "status").returncode == 4
    assert world.hermes.run("gateway", "uninstall").stdout == "was not installed\n"


def test_uninstall_takes_a_stopped_service_and_install_brings_it_back(world: World) -> None:
    before = world.hermes.install()
    world.hermes.run("gateway", "stop")
    assert world.hermes.run("gateway", "uninstall").returncode == 0
    world.hermes.install()
    assert not own.read(world.hermes.paths).identity.is_same_as(before.identity)
    assert world.hermes.status()["problems"] == []
