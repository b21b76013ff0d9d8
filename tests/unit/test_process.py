"""Identity: a pid names nobody, a pid with its start and its boot does."""

import os
import select
import signal
import sys
import threading

import pytest
from support.values import replace

from hermes_cli.system import process_table
from hermes_cli.system.process import Handle, Identity, describe_exit, send

linux = pytest.mark.skipif(sys.platform != "linux", reason="ticks and /proc are Linux's")
ME = Identity.of(os.getpid())


@pytest.fixture
def sleeper(children):
    child = children("-c", "import sys; print('up', flush=True); sys.stdin.read()")
    assert child.stdout.readline() == "up\n"
    return child


@pytest.fixture
def zombie(sleeper):
    """A child that has exited and was not waited for."""
    pidfd = os.pidfd_open(sleeper.pid) if sys.platform == "linux" else None
    sleeper.kill()
    if pidfd is None:
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    else:
        assert select.select([pidfd], [], [], 10)[0]
        os.close(pidfd)
    return sleeper


def test_a_living_process_is_alive_and_itself():
    assert ME is not None
    assert ME.is_alive()
    assert ME.is_same_as(Identity.of(os.getpid()))
    assert ME.boot_id == process_table.boot_id()


def test_an_identity_survives_json():
    assert Identity.parse(ME.document()) == ME


@pytest.mark.parametrize(
    "document",
    [None, [], "x", {}, {"pid": 0}, {"pid": -1}, {"pid": "1"}, {"pid": True}, {"pid": 1.0}, {"pid": None}],
)
def test_what_names_no_process_is_none(document):
    assert Identity.parse(document) is None


@pytest.mark.parametrize("number", [10**20, 10**400], ids=["long", "longer"])
@pytest.mark.parametrize("name", ["pid", "create_time", "start_ticks"])
def test_absurd_numbers_name_nobody_who_is_alive(name, number):
    found = Identity.parse({"pid": os.getpid(), name: number})
    assert found is None or not found.is_alive()


def test_a_pid_alone_is_nobody():
    assert not Identity(os.getpid()).is_alive()


@linux
def test_a_reused_pid_is_somebody_else():
    reused = replace(ME, start_ticks=ME.start_ticks - 1)
    assert not reused.is_alive()
    assert not reused.is_same_as(ME)
    assert not send(reused, signal.SIGKILL)
    with pytest.raises(ProcessLookupError):
        Handle(reused)


def test_a_pid_of_another_boot_is_nobody():
    other = replace(ME, boot_id="another")
    assert not other.is_alive()
    assert not other.is_same_as(ME)
    assert not send(other, signal.SIGKILL)


def test_without_ticks_the_start_time_decides():
    old = replace(ME, start_ticks=None)
    assert old.is_alive()
    assert old.is_same_as(ME)
    assert not replace(old, create_time=ME.create_time - 60).is_alive()
    assert not replace(old, create_time=None).is_same_as(ME)


@linux
def test_with_ticks_a_stepped_clock_changes_nothing():
    assert replace(ME, create_time=ME.create_time - 86400).is_alive()


def test_a_zombie_is_not_alive(zombie):
    assert Identity.of(zombie.pid) is None
    assert process_table.create_time(zombie.pid) is None


def test_a_process_that_became_a_zombie_cannot_be_signalled(sleeper):
    who = Identity.of(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not who.is_alive()
    assert not send(who, signal.SIGTERM)


def test_a_handle_is_readable_when_the_process_exits_and_not_before(sleeper):
    with Handle(Identity.of(sleeper.pid)) as handle:
        assert not handle.wait(0)
        assert not select.select([handle], [], [], 0)[0]
        sleeper.stdin.close()
        assert handle.wait(10)
        assert select.select([handle], [], [], 0)[0]


def test_a_handle_sends_to_its_process_and_to_no_other_after_it(sleeper):
    with Handle(Identity.of(sleeper.pid)) as handle:
        handle.send(signal.SIGKILL)
        assert handle.wait(10)
        assert sleeper.wait(10) == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            handle.send(signal.SIGTERM)


def test_a_handle_of_nobody_is_refused_and_leaves_no_descriptor(sleeper):
    who = Identity.of(sleeper.pid)
    sleeper.kill()
    sleeper.wait(10)
    before = len(os.listdir("/dev/fd"))
    for identity in (who, replace(ME, boot_id="another")):
        with pytest.raises(ProcessLookupError):
            Handle(identity)
    assert len(os.listdir("/dev/fd")) == before


@linux
def test_a_pid_that_is_now_some_processs_thread_is_nobody():
    go, up = threading.Event(), threading.Event()

    def work():
        up.set()
        go.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert up.wait(10)
        reused = replace(ME, pid=thread.native_id)
        assert not reused.is_alive() or reused.start_ticks == process_table.start_ticks(thread.native_id)
        with pytest.raises(ProcessLookupError):
            Handle(reused)
        assert not send(reused, signal.SIGUSR1)
    finally:
        go.set()
        thread.join()


def test_a_closed_handle_may_be_closed_again(sleeper):
    handle = Handle(Identity.of(sleeper.pid))
    handle.close()
    handle.close()


def test_the_parent_is_known_and_nobodys_parent_is_none(zombie):
    assert process_table.parent(os.getpid()) == os.getppid()
    zombie.wait(10)
    assert process_table.parent(zombie.pid) is None


@linux
def test_a_command_name_with_parentheses_and_spaces_is_no_obstacle(children):
    child = children(
        "-c", "open('/proc/self/comm', 'w').write(') S 1 (x'); print('up', flush=True); import sys; sys.stdin.read()"
    )
    assert child.stdout.readline() == "up\n"
    assert process_table.parent(child.pid) == os.getpid()
    assert Identity.of(child.pid).is_alive()


def test_the_boot_id_is_one_for_all_processes(run_code):
    out = run_code("from hermes_cli.system import process_table; print(process_table.boot_id())")
    assert out.strip() == process_table.boot_id()


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exited 0"), (75, "exited 75"), (-9, "killed by SIGKILL"), (-15, "killed by SIGTERM"), (-99, "signal 99")],
)
def test_an_exit_is_described_as_a_shell_would(code, text):
    assert describe_exit(code).endswith(text)


@pytest.mark.parametrize(
    ("pid", "ticks", "text"), [(12, 345, "12:345"), (12, None, "12:"), (2**31 - 1, 0, "2147483647:0")]
)
def test_a_mark_is_read_as_it_was_written(pid, ticks, text):
    assert process_table.mark(pid, ticks) == text
    assert process_table.parse_mark(text) == (pid, ticks)


@pytest.mark.parametrize(
    "text", ["", ":", "12", ":5", "x:5", "12:x", "-1:5", "12:5:6", "12: 5", "\uff11:5", "1" * 11 + ":5"]
)
def test_what_is_no_mark_is_none(text):
    assert process_table.parse_mark(text) is None
