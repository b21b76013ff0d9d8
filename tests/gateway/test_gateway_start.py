"""How a gateway comes up: over the remains of others, and never twice."""

import os
import signal
import subprocess
import sys

import pytest

from hermes_cli.gateway.conversations.store import Store
from hermes_cli.programs import own
from hermes_cli.system import durable, locks
from hermes_cli.system.process import Identity

pytestmark = pytest.mark.e2e


def ping(gateway):
    """Once this is answered, the gateway has seen everything that happened before it was asked."""
    client = gateway.client()
    client.send(op="ping")
    assert client.receive() == {"event": "pong"}


def test_ready_is_said_when_messages_are_accepted(gateway, paths):
    described = gateway.described()
    assert described.identity.is_same_as(Identity.of(gateway.pid))
    assert described.handles_signal
    assert described.revision
    assert locks.is_held(paths.gateway_lock)
    gateway.client()


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_it_takes_little_memory(start):
    gateway = start().ready()
    with open(f"/proc/{gateway.pid}/statm", encoding="ascii") as file:
        assert int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") < 34 * 1024 * 1024


def test_what_is_not_configured_is_not_imported_from_the_start_to_the_exit(start):
    gateway = start(PYTHONPROFILEIMPORTTIME="1").ready()
    client = gateway.following()
    client.say("!echo hello", "m1")
    client.reply_to("m1")
    client.say("/status", "m2")
    client.reply_to("m2")
    gateway.signal(signal.SIGUSR1)
    assert gateway.exit_code() == 75
    imported = {line.rpartition("|")[2].strip() for line in gateway.log.splitlines() if "import time:" in line}
    assert {"hermes_cli.gateway.run", "sqlite3"} <= imported
    unwanted = (
        "httpx2",
        "httpcore2",
        "h11",
        "anyio",
        "hermes_cli.gateway.channels.tele",
        "hermes_cli.gateway.agents.model",
        "_ssl",  # and OpenSSL with it
        "_hashlib",
        "filelock",
    )
    assert not {name for name in imported if name.startswith(unwanted)}


def test_a_second_gateway_of_the_profile_refuses(start):
    first = start().ready()
    second = start()
    assert second.exit_code() == 1
    assert second.log == (
        f"hermes: another gateway (pid {first.pid}) of profile default runs already: hermes gateway status\n"
    )
    assert first.described().ready


def test_a_gateway_waits_for_the_last_instructions_of_the_one_before(start, tmp_path):
    os.mkfifo(tmp_path / "go")
    first = start().ready()
    client = first.following()
    client.say(f"!echo begun; cat '{tmp_path}/go'", "m1")
    client.chunk_of("m1")
    first.signal(signal.SIGUSR1)
    first.await_state(lambda found: found.state == "draining")
    second = start()
    (tmp_path / "go").write_text("")
    second.ready()
    assert first.exit_code() == 75


def test_profiles_run_side_by_side(start, tmp_path):
    start().ready()
    other = start(HERMES_PROFILE="work")
    other.paths = type(other.paths)("work", other.paths.root, str(tmp_path), str(tmp_path))
    other.ready()


@pytest.mark.parametrize("text", ["[gateway\n", "[gateway]\ndrain_timeout = 'long'\n", "[gateway]\nfrob = 1\n"])
def test_a_wrong_configuration_is_one_line_and_exit_78(start, configure, paths, text):
    configure(text)
    gateway = start()
    assert gateway.exit_code() == 78
    assert gateway.log.startswith(f"hermes: {paths.config}")
    assert gateway.log.count("\n") == 1


def test_a_state_directory_that_cannot_be_used_is_one_line_and_exit_1(start, paths):
    durable.make_private_directory(f"{paths.messages}/in-the-way")
    gateway = start()
    assert gateway.exit_code() == 1
    said = gateway.log.splitlines()[-1]
    assert said.startswith("hermes: the gateway cannot start")
    assert said.endswith(f": mv {paths.messages} {paths.messages}.aside")
    assert "Traceback" not in gateway.log
    assert gateway.described().state == "exited"


def test_a_turn_whose_gateway_was_killed_is_answered_and_not_run_again(start, tmp_path):
    first = start().ready()
    client = first.following()
    client.say(f"!echo x >> '{tmp_path}/runs'; echo begun; sleep 600", "m1")
    client.chunk_of("m1")
    client.say("behind it", "m2")
    first.signal(signal.SIGKILL)
    first.exit_code()
    client = start().ready().following()
    assert client.reply_to("m1")["text"].startswith("cut off: the gateway ended")
    assert client.reply_to("m2")["text"].startswith("You said: behind it")
    assert (tmp_path / "runs").read_text() == "x\n"
    assert len(client.history()) == 4


def test_what_was_queued_without_a_gateway_is_answered_in_order(start, paths):
    durable.make_private_directory(paths.state)
    store = Store(paths.messages)
    for number in range(3):
        store.accept("main", f"m{number}", f"!echo {number}")
    store.close()
    client = start().ready().following()
    client.reply_to("m2")
    assert [one["text"] for one in client.history()][3:] == ["0", "1", "2"]


def test_a_corrupt_database_is_set_aside_with_one_line(start, paths):
    durable.make_private_directory(paths.state)
    with open(paths.messages, "wb") as file:
        file.write(b"rubbish" * 1000)
    gateway = start().ready()
    client = gateway.following()
    client.say("hello", "m1")
    client.reply_to("m1")
    assert gateway.log.count("was corrupt and is kept as") == 1


def test_a_stale_socket_and_a_stale_description_are_replaced(start, paths):
    first = start().ready()
    first.signal(signal.SIGKILL)
    first.exit_code()
    assert os.path.exists(paths.socket)
    second = start().ready()
    second.following().say("hello", "m1")
    assert own.read_alive(paths).identity.pid == second.pid


def test_a_home_with_a_long_and_odd_name_works(start, paths, tmp_path):
    home = tmp_path / ("héme with 'quotes' \" and ☃ " + "x" * 60) / ("y" * 90)
    home.mkdir(parents=True)
    gateway = start(HERMES_HOME=str(home))
    gateway.paths = type(paths)("default", f"{home}/state", str(home), f"{home}/logs")
    client = gateway.ready().following()
    client.say("!echo $HERMES_HOME", "m1")
    assert client.reply_to("m1")["text"] == str(home)
    gateway.signal(signal.SIGUSR1)
    assert gateway.exit_code() == 75
    assert not os.path.exists(gateway.paths.socket)


def test_the_heartbeat_goes_on(start, configure):
    configure("[gateway]\nheartbeat_interval = 0.05\n")
    gateway = start().ready()
    first = gateway.described().heartbeat
    gateway.await_state(lambda found: found.heartbeat > first + 0.1)


def test_the_end_of_the_supervisor_is_noticed(start):
    supervisor = subprocess.Popen(["sleep", "600"])
    identity = Identity.of(supervisor.pid)
    mark = f"{identity.pid}:{identity.start_ticks or ''}"
    # A manager that cannot be chosen, so that no real supervisor is started for a test.
    gateway = start(HERMES_SUPERVISOR=mark, HERMES_SERVICE_MANAGER="none-of-ours").ready()
    assert "the supervisor is gone" not in gateway.log
    supervisor.kill()
    supervisor.wait()
    ping(gateway)
    assert "the supervisor is gone: starting another" in gateway.log
    assert gateway.described().ready


def test_a_supervisor_that_is_gone_already_is_noticed(start):
    gateway = start(HERMES_SUPERVISOR="999999999:1", HERMES_SERVICE_MANAGER="none-of-ours").ready()
    ping(gateway)
    assert "the supervisor is gone: starting another" in gateway.log


@pytest.mark.parametrize("mark", ["", "nonsense", "12", "-1:2", "1:2:3"])
def test_a_mark_that_names_no_supervisor_means_none(start, mark):
    gateway = start(HERMES_SUPERVISOR=mark, HERMES_SERVICE_MANAGER="none-of-ours").ready()
    ping(gateway)
    assert "the supervisor is gone" not in gateway.log


def test_a_service_manager_that_cannot_be_chosen_keeps_no_gateway_from_running_or_ending(start):
    gateway = start(HERMES_SERVICE_MANAGER="none-of-ours").ready()
    gateway.signal(signal.SIGUSR1)
    assert gateway.exit_code() == 75
