"""The embedded supervisor as a real process with a real gateway."""

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime

import pytest
from support import PATIENCE

from hermes_cli.intents import request
from hermes_cli.intents.instance import Instance
from hermes_cli.programs import own
from hermes_cli.services.embedded.manager import Embedded
from hermes_cli.system import durable, locks, process_table
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle, Identity
from hermes_cli.system.sockets import connect


def await_instance(paths, wanted) -> Instance:
    """Until gateway.json says so; a process that dies without a word is looked for each second."""
    durable.make_private_directory(paths.state)
    deadline = time.monotonic() + PATIENCE
    with DirectoryWatch(paths.state) as watch:
        while True:
            found = own.read_alive(paths)
            if found is not None and wanted(found):
                return found
            assert time.monotonic() < deadline, f"still {found}"
            watch.wait(1.0)


def await_ready(paths, other_than=None) -> Instance:
    return await_instance(paths, lambda found: found.ready and found.identity.pid != other_than)


def await_exit(pid, identity=None):
    try:
        with Handle(identity or Identity.of(pid)) as handle:
            assert handle.wait(PATIENCE)
    except ProcessLookupError:
        return


def await_status(paths, wanted):
    """Until the supervisor says so; its log grows whenever something happened."""
    manager, deadline = Embedded(paths), time.monotonic() + PATIENCE
    with DirectoryWatch(paths.state, paths.supervisor) as watch:
        while True:
            found = manager.observe()
            if wanted(found):
                return found
            assert time.monotonic() < deadline, f"still {found}"
            watch.wait(0.2)


def await_lock(paths):
    """Until some supervisor has the lock."""
    deadline = time.monotonic() + PATIENCE
    with DirectoryWatch(paths.supervisor) as watch:
        while not locks.is_held(f"{paths.supervisor}/lock"):
            assert time.monotonic() < deadline
            watch.wait(0.2)


def supervisor_pid(paths):
    if not locks.is_held(f"{paths.supervisor}/lock"):
        return None
    detail = Embedded(paths).restarter().detail
    return int(detail.rpartition(" ")[2])


@pytest.fixture
def paths(at_home, hermes):
    yield at_home
    hermes("gateway", "uninstall")
    for _ in range(2):
        supervisor = None
        with contextlib.suppress(Exception):
            supervisor = supervisor_pid(at_home)
        running = own.read_alive(at_home)
        for pid in filter(None, (supervisor, running.identity.pid if running else None)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                await_exit(pid)


@pytest.fixture
def supervise(children, home):
    """A supervisor in the foreground."""

    def start(*more):
        arguments = ("-m", "hermes_cli", "gateway", "run", "--supervise", *more)
        # Its log would fill a pipe that nobody reads.
        with open(f"{home}/supervisor.log", "ab") as log:
            return children(
                *arguments, environment={"HERMES_HOME": home}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    return start


def test_it_starts_the_gateway_and_a_sigterm_stops_both(paths, supervise):
    supervisor = supervise()
    gateway = await_ready(paths)
    assert process_table.parent(gateway.identity.pid) == supervisor.pid
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(PATIENCE) == 0
    assert not gateway.identity.is_alive()
    assert own.read(paths).exit_code == 0
    assert not locks.is_held(paths.gateway_lock)
    assert not os.path.exists(f"{paths.supervisor}/sock")


def test_a_gateway_that_crashed_is_started_again_and_a_second_crash_earns_a_pause(paths, supervise, home):
    def pause_before(started, ended):
        with open(f"{home}/supervisor.log", encoding="ascii") as file:
            lines = file.read().splitlines()
        said = (f"the gateway, pid {ended.identity.pid}, killed by", f"started the gateway, pid {started.identity.pid}")
        crashed, again = (datetime.fromisoformat(line.split()[0]) for what in said for line in lines if what in line)
        return (again - crashed).total_seconds()

    supervise()
    first = await_ready(paths)
    os.kill(first.identity.pid, signal.SIGKILL)
    second = await_ready(paths, first.identity.pid)
    os.kill(second.identity.pid, signal.SIGKILL)
    third = await_ready(paths, second.identity.pid)
    assert pause_before(second, first) < 1.0 <= pause_before(third, second)


def test_a_crash_loop_comes_to_rest_and_start_revives_it(paths, supervise, hermes):
    durable.make_private_directory(paths.socket)  # a directory where the gateway wants its socket
    supervisor = supervise("--stay")
    durable.make_private_directory(paths.supervisor)
    found = await_status(paths, lambda found: "crash loop" in found.detail)
    assert found.state == "stopped"
    assert found.exit_code == 1
    assert hermes("gateway", "status").returncode == 3
    os.rmdir(paths.socket)
    assert hermes("gateway", "start").returncode == 0
    assert process_table.parent(await_ready(paths).identity.pid) == supervisor.pid


def test_a_configuration_error_rests_until_it_is_mended(paths, supervise, hermes):
    with open(paths.config, encoding="ascii") as file:
        sound = file.read()
    with open(paths.config, "a", encoding="ascii") as file:
        file.write("[gateway")
    supervise("--stay")
    durable.make_private_directory(paths.supervisor)
    found = await_status(paths, lambda found: found.exit_code == 78)
    assert "configuration error" in found.detail
    with open(paths.config, "w", encoding="ascii") as file:
        file.write(sound)
    assert hermes("gateway", "start").returncode == 0
    await_ready(paths)


def test_a_supervisor_whose_gateway_cannot_start_ends_with_its_exit_code_once_nothing_is_pending(
    paths, supervise, home
):
    with open(paths.config, "a", encoding="ascii") as file:
        file.write("[gateway")
    record = request.compose(paths.profile, reason="manual", command="test", target=None, in_tree=False)
    request.submit(paths.intents, record)
    supervisor = supervise()
    assert supervisor.wait(PATIENCE) == 78
    (settled,) = paths.queue.history()
    assert settled.outcome == "failed"
    assert paths.queue.unsettled() == []
    with open(f"{home}/supervisor.log", encoding="ascii") as file:
        assert "giving up: configuration error" in file.read()


def test_a_second_supervisor_is_refused_in_one_line(paths, supervise, hermes):
    first = supervise()
    gateway = await_ready(paths)
    second = hermes("gateway", "run", "--supervise")
    assert second.returncode == 75
    assert second.stderr.count("\n") == 1
    assert first.poll() is None
    assert gateway.identity.is_alive()


def test_a_gateway_outlives_its_killed_supervisor_and_the_next_one_adopts_it(paths, supervise):
    first = supervise()
    gateway = await_ready(paths)
    first.kill()
    first.wait(PATIENCE)
    found = await_status(paths, lambda found: not found.detail and found.pid == gateway.identity.pid)
    assert found.state == "running"
    assert gateway.identity.is_alive()
    heir = supervisor_pid(paths)
    assert heir not in {None, first.pid, gateway.identity.pid}
    os.kill(gateway.identity.pid, signal.SIGKILL)
    assert await_ready(paths, gateway.identity.pid).identity.pid != gateway.identity.pid


def test_a_sigusr1_to_the_supervisor_restarts_the_gateway(paths, supervise):
    supervisor = supervise()
    first = await_ready(paths)
    supervisor.send_signal(signal.SIGUSR1)
    await_ready(paths, first.identity.pid)
    assert supervisor.poll() is None


def test_a_restart_is_carried_out_and_seen(paths, supervise, hermes):
    supervise()
    first = await_ready(paths)
    done = hermes("gateway", "restart")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("restarted: pid ")
    assert own.read_alive(paths).identity.pid != first.identity.pid


@pytest.mark.parametrize(
    "line", [b"[]\n", b"{}\n", b'{"op": []}\n', b'{"op": {}}\n', b'{"op": null}\n', b"[" * 4000, b"\xff\n", b"\n"]
)
def test_nothing_said_to_its_socket_ends_it(paths, running_supervisor, line):
    with connect(f"{paths.supervisor}/sock", 5.0) as connection:
        connection.sendall(line)
        with contextlib.suppress(OSError):
            connection.recv(4096)
    assert running_supervisor.poll() is None
    assert Embedded(paths).restarter().state in {"loaded", "running"}


@pytest.fixture
def running_supervisor(paths, supervise):
    """A supervisor with nothing to supervise, which is quicker to begin and to end."""
    durable.make_private_directory(paths.supervisor)
    durable.make_private_directory(paths.socket)
    supervisor = supervise()
    await_status(paths, lambda found: found.detail != "no supervisor runs")
    return supervisor


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return {int(child) for child in file.read().split()}


@pytest.fixture
def as_pid_1(paths, home):
    """The supervisor as process 1 of a namespace of its own, as in a container; gives its pid out here."""
    unshare, nsenter = shutil.which("unshare"), shutil.which("nsenter")
    if unshare is None or nsenter is None:
        pytest.skip("a pid namespace is made with unshare and nsenter")
    if subprocess.run([unshare, "--pid", "--fork", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not allow a pid namespace")
    argv = [unshare, "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-m", "hermes_cli"]
    with open(f"{home}/supervisor.log", "ab") as log:
        outer = subprocess.Popen(
            [*argv, "gateway", "run", "--supervise"],
            env={**os.environ, "HERMES_HOME": home},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    durable.make_private_directory(paths.supervisor)
    with DirectoryWatch(paths.state) as watch:  # the pid in gateway.json is the namespace's own
        deadline = time.monotonic() + PATIENCE
        while (described := own.read(paths)) is None or not described.ready:
            assert time.monotonic() < deadline
            watch.wait(1.0)
    (inner,) = children_of(outer.pid)
    yield inner
    if outer.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(inner, signal.SIGKILL)
        outer.wait(PATIENCE)


@pytest.mark.skipif(sys.platform != "linux", reason="pid namespaces are Linux's")
def test_as_process_1_it_reaps_orphans_and_ends_with_sigterm(paths, as_pid_1, tmp_path):
    fifo = f"{tmp_path}/fifo"
    os.mkfifo(fifo)
    before = children_of(as_pid_1)
    # The shell ends at once; what it leaves behind becomes a child of process 1.
    script = 'read _ < "$0" & echo orphaned'
    subprocess.run(["nsenter", "-t", str(as_pid_1), "-p", "-m", "sh", "-c", script, fifo], check=True, timeout=PATIENCE)
    (orphan,) = children_of(as_pid_1) - before
    pidfd = os.pidfd_open(orphan)
    with open(fifo, "w", encoding="ascii") as release:
        release.write("\n")
    with selectors.DefaultSelector() as selector:
        selector.register(pidfd, selectors.EVENT_READ)
        assert selector.select(PATIENCE)
    os.close(pidfd)
    for _ in range(50):  # each question is answered after what came before it
        Embedded(paths).observe()
        if process_table.parent(orphan) is None:
            break
    assert process_table.parent(orphan) is None
    with Handle(Identity.of(as_pid_1)) as handle:
        handle.send(signal.SIGTERM)
        assert handle.wait(PATIENCE)
    assert own.read(paths).exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="pid namespaces are Linux's")
def test_a_gateway_in_a_container_is_no_crash_loop_for_who_looks_from_outside(paths, as_pid_1, hermes):
    """Its pid names nothing out here, and its lock is held."""
    before = own.read(paths)
    embedded = {"HERMES_SERVICE_MANAGER": "embedded"}
    status = json.loads(hermes("gateway", "status", "--json", environment=embedded).stdout)
    assert [one["code"] for one in status["problems"]] == ["unknown"]
    assert (status["instance"], status["last_exit"]) == (None, None)
    for words, code in {"status": 5, "list": 5, "restart": 5, "start": 5, "install": 5, "starts": 0}.items():
        done = hermes("gateway", words, environment=embedded)
        assert done.returncode == code, done.stdout + done.stderr
        assert words == "starts" or "the gateway runs in another pid namespace" in done.stdout + done.stderr
    assert "runs, " in done.stdout
    assert own.read(paths).identity == before.identity
    assert hermes("gateway", "stop", environment=embedded).stdout == "stopped\n"  # its supervisor is asked
    assert own.read(paths).state == "exited"
    assert hermes("gateway", "status", environment=embedded).returncode == 3


def pod(home, *arguments):
    """Another container on the same volume: its own process ids, the same kernel."""
    argv = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        sys.executable,
        "-m",
        "hermes_cli",
        *arguments,
    ]
    return subprocess.Popen(
        argv,
        env={**os.environ, "HERMES_HOME": home},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="pid namespaces are Linux's")
@pytest.mark.parametrize(("arguments", "code"), [(("gateway", "run", "--supervise"), 75), (("gateway", "run"), 1)])
def test_a_second_pod_on_one_volume_is_refused_and_the_first_goes_on(paths, as_pid_1, home, arguments, code):
    before = own.read(paths)
    with pod(home, *arguments) as second:
        _, said = second.communicate(timeout=PATIENCE)
    assert second.returncode == code, said
    assert said.startswith("hermes: another ") or "another gateway" in said
    assert own.read(paths).identity == before.identity
    assert children_of(as_pid_1)


@pytest.mark.skipif(sys.platform != "linux", reason="pid namespaces are Linux's")
def test_what_is_pending_on_a_volume_is_settled_by_the_next_pod(paths, as_pid_1, home):
    (gateway,) = children_of(as_pid_1)
    os.kill(gateway, signal.SIGSTOP)  # nothing of the restart happens in this pod
    inside = ["nsenter", "-t", str(as_pid_1), "-p", "-m", sys.executable, "-m", "hermes_cli"]
    asked = [*inside, "gateway", "restart", "--no-wait"]
    subprocess.run(asked, env={**os.environ, "HERMES_HOME": home}, check=True, timeout=PATIENCE, capture_output=True)
    with Handle(Identity.of(as_pid_1)) as handle:
        handle.send(signal.SIGKILL)
        assert handle.wait(PATIENCE)
    assert len(os.listdir(paths.pending)) == 1
    with pod(home, "gateway", "run", "--supervise") as second:
        try:
            with DirectoryWatch(paths.queue.settled) as watch:
                deadline = time.monotonic() + PATIENCE
                while not (found := paths.queue.history()):
                    assert time.monotonic() < deadline
                    watch.wait(1.0)
            assert [one.outcome for one in found] == ["restarted"]
        finally:
            for child in children_of(second.pid):
                os.kill(child, signal.SIGKILL)
            second.communicate(timeout=PATIENCE)


@contextlib.contextmanager
def standing_still(supervisor):
    """Keep it from making its socket anew between two steps."""
    supervisor.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        supervisor.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("what", ["removed", "a directory"])
def test_a_supervisor_whose_socket_somebody_took_away_can_be_asked_again(paths, supervise, hermes, what):
    supervisor = supervise()
    before = await_ready(paths)
    sock = f"{paths.supervisor}/sock"
    if what == "removed":
        os.unlink(sock)
    else:
        with standing_still(supervisor):
            os.rename(sock, f"{paths.supervisor}/away")
            os.mkdir(sock)
        os.rename(sock, f"{sock}.aside")  # the mend
    assert await_status(paths, lambda found: found.state == "running").pid == before.identity.pid
    assert supervisor_pid(paths) == supervisor.pid


def test_a_stop_stops_although_its_supervisor_cannot_be_asked(paths, supervise, hermes):
    supervisor = supervise("--stay")
    gateway = await_ready(paths)
    sock = f"{paths.supervisor}/sock"
    with standing_still(supervisor):
        os.rename(sock, f"{paths.supervisor}/away")
        os.makedirs(f"{sock}/in the way")
    stopped = hermes("gateway", "stop", environment={"HERMES_SERVICE_MANAGER": "embedded"})
    assert (stopped.returncode, stopped.stdout) == (0, "stopped\n"), stopped.stderr
    assert not gateway.identity.is_alive()
    os.rename(sock, f"{sock}.aside")
    rests = await_status(paths, lambda found: found.state == "stopped")
    assert rests.exit_code == 0


def test_a_lock_that_somebody_took_away_is_taken_again(paths, supervise, hermes):
    supervisor = supervise()
    await_ready(paths)
    os.unlink(f"{paths.supervisor}/lock")
    await_lock(paths)
    assert supervisor_pid(paths) == supervisor.pid


def test_of_two_supervisors_the_one_without_the_lock_leaves_the_gateway_to_the_other(paths, supervise, hermes):
    """Somebody has replaced the lock's file while the first could not look."""
    first = supervise()
    gateway = await_ready(paths)
    first.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    os.unlink(f"{paths.supervisor}/lock")
    second = supervise()
    await_lock(paths)
    first.send_signal(signal.SIGCONT)
    assert first.wait(PATIENCE) == 0
    assert gateway.identity.is_alive()
    assert supervisor_pid(paths) == second.pid
