"""The driver with real files, real locks, real signals, and a real child process in the gateway's place."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from support import PATIENCE
from support.models.driver_alone import GATEWAY
from support.values import replace

from hermes_cli.errors import CannotTellError
from hermes_cli.intents import desired, driver, tidying
from hermes_cli.intents.facts import Policy
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.protocols import NoUpdates
from hermes_cli.intents.queue import Queue
from hermes_cli.intents.request import boot_time, submit
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.programs.own import OwnGateway
from hermes_cli.system import locks
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle, Identity

# As short as real processes allow; every later clock follows from these.
POLICY = Policy(
    drain_timeout=0.2,
    teardown_timeout=0.2,
    start_timeout=10.0,
    max_attempts=3,
    backoff=0.01,
    refusal_codes=frozenset({78}),
)
FORGIVING = replace(POLICY, drain_timeout=30.0)


class Gateways:
    """A service manager whose service is the stand-in. Starts on demand only: no KeepAlive helps."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.options: list[str] = []
        self.starts = 0
        self.child: subprocess.Popen[str] | None = None
        self.children: list[subprocess.Popen[str]] = []
        self.before_start = lambda: None
        self.blind = 0

    def observe(self) -> Service:
        if self.blind:
            self.blind -= 1
            raise CannotTellError("the manager does not answer")
        code = self.child.poll() if self.child else None
        if self.child is None or code is not None:
            return Service("stopped", exit_code=code, detail=f"exited {code}")
        return Service("running", self.child.pid)

    def obstacle(self) -> str | None:
        return None

    def demand_start(self) -> None:
        self.before_start()
        self.starts += 1
        if self.observe().state != "running":
            self.start()

    def reload(self) -> None:
        self.demand_start()

    def start(self) -> subprocess.Popen[str]:
        argv = [sys.executable, str(GATEWAY), os.path.dirname(self.paths.config), *self.options]
        self.child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.children.append(self.child)
        return self.child

    def start_ready(self) -> subprocess.Popen[str]:
        child = self.start()
        assert child.stdout.readline() == "ready\n"
        return child

    def target(self) -> dict[str, Any]:
        """The running instance, as a record names it."""
        found = own.read_alive(self.paths)
        assert found is not None
        return {name: found.identity.document()[name] for name in ("pid", "create_time", "start_ticks")}

    def ran(self) -> list[int]:
        """Every gateway that became ready, by its pid."""
        with open(f"{os.path.dirname(self.paths.config)}/starts", encoding="ascii") as file:
            return [int(line) for line in file]

    def end(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait(PATIENCE)
            child.stdout.close()


class DiesUnderTheLook(NoUpdates):
    """The draining gateway ends after the driver has looked at it, and before it can begin to wait for its end."""

    def __init__(self, gateways: Gateways) -> None:
        self.gateways = gateways

        self.looks = 0

    def installed(self) -> str | None:
        found = own.read_alive(self.gateways.paths)
        if found is not None and found.state == "draining":
            self.looks += 1
            if self.looks == 1:  # one more look, with no event of the drain's beginning left over
                os.close(os.open(f"{self.gateways.paths.queue.holds}/touched", os.O_CREAT | os.O_WRONLY))
            else:
                os.kill(found.identity.pid, signal.SIGKILL)
                self.gateways.child.wait(PATIENCE)
        return "new"


class StopUnderTheLook(NoUpdates):
    """The user says stop after the driver has read the desired state, and before it acts."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def installed(self) -> str | None:
        desired.write(self.paths.desired, "stopped", "a test")
        return None


class Revision(NoUpdates):
    """One revision is installed."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.recovered: list[str] = []

    def installed(self) -> str | None:
        return self.revision

    def recover(self, identifier: str) -> None:
        self.recovered.append(identifier)


@pytest.fixture
def gateways(paths, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    found = Gateways(paths)
    yield found
    found.end()


@pytest.fixture
def renewed() -> threading.Event:
    """Whether the driver asked to be executed anew."""
    return threading.Event()


@pytest.fixture
def drive(paths, gateways, renewed):
    """Run a driver to its end, within a deadline."""

    def run(policy=POLICY, recovery=None) -> bool:
        result: list = []

        def work() -> None:
            try:
                result.append(
                    driver.Driver(
                        paths.queue,
                        OwnGateway(paths),
                        gateways,
                        recovery or NoUpdates(),
                        policy=policy,
                        trigger="watch",
                        renew=renewed.set,
                    ).drive()
                )
            except BaseException as error:  # noqa: BLE001  handed on to the test
                result.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the driver does not end"
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    return run


@pytest.fixture
def background(drive):
    """A driver in a thread; the function joins it."""
    threads: list[threading.Thread] = []

    def begin(*arguments):
        thread = threading.Thread(target=drive, args=arguments, daemon=True)
        thread.start()
        threads.append(thread)
        return lambda: (thread.join(PATIENCE), thread.is_alive())[1]

    yield begin
    for thread in threads:
        thread.join(PATIENCE)


def await_progress(paths, identifier, text):
    """Until the driver says that it waits for this."""
    deadline = time.monotonic() + PATIENCE
    with DirectoryWatch(paths.queue.progress) as watch:
        while not paths.queue.progress_of(identifier).waiting_for.startswith(text):
            left = deadline - time.monotonic()
            assert left > 0, paths.queue.progress_of(identifier)
            watch.wait(left)


def outcome(paths, identifier):
    found = paths.queue.find(identifier)
    assert found is not None
    return found.outcome


# One intent's life.


def test_an_empty_queue_is_nothing_to_do(drive, gateways):
    assert drive()
    assert gateways.starts == 0


def test_a_running_gateway_is_drained_started_again_and_seen_ready(paths, publish, gateways, drive):
    old = gateways.start_ready()
    identifier = publish(target=gateways.target())
    assert drive()
    found = paths.queue.find(identifier)
    assert found.outcome == "restarted"
    assert found.trigger == "watch"
    assert found.attempts == 1
    assert found.instance["pid"] == gateways.child.pid != old.pid
    assert old.wait(PATIENCE) == 75
    assert own.read_alive(paths).ready
    assert gateways.ran() == [old.pid, gateways.child.pid]
    assert os.listdir(paths.pending) == []


def test_a_gateway_that_had_exited_already_is_started(paths, publish, gateways, drive):
    old = gateways.start_ready()
    identifier = publish(target=gateways.target())
    os.kill(old.pid, signal.SIGUSR1)
    old.wait(PATIENCE)
    assert drive()
    assert outcome(paths, identifier) == "restarted"


def test_a_request_made_while_nothing_ran_starts_the_gateway(paths, publish, gateways, drive):
    identifier = publish()
    assert drive()
    assert outcome(paths, identifier) == "restarted"
    assert gateways.starts == 1


def test_intents_that_name_the_same_instance_cause_one_restart(paths, publish, gateways, drive):
    gateways.start_ready()
    published = [publish(target=gateways.target()) for _ in range(5)]
    assert drive()
    assert {outcome(paths, identifier) for identifier in published} == {"restarted"}
    assert len(gateways.ran()) == 2


def test_a_request_that_came_true_by_itself_touches_nothing(paths, publish, gateways, drive):
    gateways.start_ready()
    identifier = publish(target={"pid": 1, "create_time": 1.0, "start_ticks": 1})
    assert drive()
    assert outcome(paths, identifier) == "restarted"
    assert len(gateways.ran()) == 1


def test_a_long_drain_is_waited_for(paths, publish, gateways, background):
    gateways.options = ["drain=0.5"]
    old = gateways.start_ready()
    identifier = publish(target=gateways.target(), drain_timeout=30.0)
    still_at_it = background(FORGIVING)
    await_progress(paths, identifier, "drain: 1 turn")
    assert not still_at_it()
    assert old.wait(PATIENCE) == 75
    assert outcome(paths, identifier) == "restarted"


def test_a_gateway_that_ends_between_the_look_and_the_wait_is_not_waited_for(paths, publish, gateways, drive):
    gateways.options = ["drain=60", "unlocked"]
    gateways.start_ready()
    identifier = publish(target=gateways.target(), reason="update", drain_timeout=60.0)
    assert drive(FORGIVING, DiesUnderTheLook(gateways))
    assert outcome(paths, identifier) == "restarted"


def test_a_gateway_that_ignores_the_signal_is_killed_once_its_time_is_over(paths, publish, gateways, drive):
    gateways.options = ["deaf"]
    old = gateways.start_ready()
    identifier = publish(target=gateways.target(), drain_timeout=0.1)
    began = time.monotonic()
    assert drive()
    # Not before every softer clock; the requester's grace is part of them.
    assert time.monotonic() - began >= 3.0
    assert old.wait(PATIENCE) == -signal.SIGKILL
    assert outcome(paths, identifier) == "restarted"
    assert len(gateways.ran()) == 2


def test_a_gateway_that_crashes_at_every_start_fails_with_its_exit(paths, publish, gateways, drive):
    gateways.options = ["crash=3"]
    identifier = publish()
    assert drive()
    found = paths.queue.find(identifier)
    assert found.outcome == "failed"
    assert "3 demand starts: exited 3" in found.detail
    assert gateways.starts == 3


def test_a_configuration_error_fails_at_once(paths, publish, gateways, drive):
    gateways.options = ["crash=78"]
    identifier = publish()
    assert drive()
    assert outcome(paths, identifier) == "failed"
    assert gateways.starts == 1


def test_a_reused_pid_is_not_signalled(paths, publish, gateways, drive):
    gateways.start_ready()
    other = gateways.target()
    other["start_ticks"] = (other["start_ticks"] or 0) - 5000
    other["create_time"] -= 50
    identifier = publish(target=other)
    assert drive()
    assert outcome(paths, identifier) == "restarted"
    assert len(gateways.ran()) == 1


def test_a_target_of_another_boot_is_not_signalled(paths, publish, gateways, drive):
    gateways.start_ready()
    identifier = publish(target=gateways.target(), boot_id="another boot")
    assert drive()
    assert outcome(paths, identifier) == "restarted"
    assert len(gateways.ran()) == 1


# Stop.


def test_a_stopped_gateway_stays_stopped(paths, publish, gateways, drive):
    desired.write(paths.desired, "stopped", "a test")
    identifier = publish()
    assert drive()
    assert outcome(paths, identifier) == "cancelled"
    assert gateways.starts == 0


def test_a_stop_while_the_driver_waits_cancels(paths, publish, gateways, background):
    gateways.options = ["drain=20"]
    gateways.start_ready()
    identifier = publish(target=gateways.target(), drain_timeout=60.0)
    still_at_it = background(FORGIVING)
    await_progress(paths, identifier, "drain")
    desired.write(paths.desired, "stopped", "a test")
    assert not still_at_it()
    assert outcome(paths, identifier) == "cancelled"
    assert gateways.starts == 0


def test_a_stop_between_the_look_and_the_start_wins(paths, publish, gateways, drive):
    identifier = publish(reason="update")
    assert drive(POLICY, StopUnderTheLook(paths))
    assert outcome(paths, identifier) == "cancelled"
    assert gateways.starts == 0


# More than one.


@pytest.mark.parametrize("look", [1, 2])
def test_a_stop_that_cannot_be_read_is_not_taken_for_none(paths, publish, gateways, drive, monkeypatch, look):
    """The first look is the round's, the second the one right before the start."""
    publish(drain_timeout=0.5)
    looks = []
    real = os.open

    def opening(path, *arguments, **options):
        if path == paths.desired:
            looks.append(path)
            if look == 1 or len(looks) > 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path, *arguments, **options)

    gateways.before_start = lambda: pytest.fail("it was started")
    desired.write(paths.desired, "stopped" if look == 1 else "running", "a person")
    monkeypatch.setattr(os, "open", opening)
    drive(replace(POLICY, drain_timeout=0.5, teardown_timeout=0.1))
    assert len(looks) > look
    (settled,) = paths.queue.history()
    assert (settled.outcome, settled.detail) == (
        "failed",
        "nothing was started, it cannot be read whether the gateway was stopped",
    )
    assert gateways.starts == 0


def test_a_stop_that_can_be_read_again_wins(paths, publish, gateways, drive, monkeypatch):
    publish()
    desired.write(paths.desired, "stopped", "a person")
    refused = iter([True] * 6)
    real = os.open

    def opening(path, *arguments, **options):
        if path == paths.desired and next(refused, False):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", opening)
    drive()
    assert [one.outcome for one in paths.queue.history()] == ["cancelled"]
    assert gateways.starts == 0


def test_a_second_driver_leaves_at_once(paths, publish, drive, gateways):
    publish()
    lock = locks.take(paths.queue.driver_lock)
    try:
        began = time.monotonic()
        assert drive() is False
        assert time.monotonic() - began < 2
    finally:
        lock.release()
    assert gateways.starts == 0


def test_a_record_published_while_the_driver_works_is_settled_by_the_same_run(paths, publish, gateways, drive):
    later: list[str] = []
    gateways.before_start = lambda: later.append(publish()) if not later else None
    first = publish()
    assert drive()
    assert outcome(paths, first) == outcome(paths, later[0]) == "restarted"
    assert gateways.starts <= 2
    assert len(gateways.children) == 1


def test_a_record_published_between_the_last_look_and_the_release_is_settled_by_the_same_run(
    paths, publish, gateways, drive, monkeypatch
):
    gateways.start_ready()
    publish(target={"pid": 1, "create_time": 1.0, "start_ticks": 1})
    late: list[str] = []
    tidy = tidying.tidy  # a run's very last act, under the lock

    def tidy_and_be_late(queue: Queue, window: float) -> None:
        tidy(queue, window)
        if not late:
            late.append(publish(target={"pid": 1, "create_time": 1.0, "start_ticks": 1}))

    monkeypatch.setattr(tidying, "tidy", tidy_and_be_late)
    assert drive()
    assert outcome(paths, late[0]) == "restarted"


RUN_DRIVER = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_driver import FORGIVING, Gateways
from hermes_cli.intents.protocols import NoUpdates
from hermes_cli.intents import driver
from hermes_cli.paths import Paths
from hermes_cli.programs.own import OwnGateway
home = sys.argv[1]
paths = Paths("default", home + "/state", home, home)
driver.Driver(paths.queue, OwnGateway(paths), Gateways(paths), NoUpdates(), policy=FORGIVING, trigger="watch").drive()
"""


@pytest.fixture
def other_driver(children, paths):
    """A driver as a process of its own."""
    return lambda: children("-c", RUN_DRIVER, os.path.dirname(paths.config))


def test_a_killed_driver_is_replaced_and_the_gateway_restarts_once(paths, publish, gateways, other_driver, drive):
    gateways.options = ["drain=1"]
    old = gateways.start_ready()
    identifier = publish(target=gateways.target(), drain_timeout=30.0)
    first = other_driver()
    await_progress(paths, identifier, "drain")
    first.send_signal(signal.SIGKILL)
    first.wait(PATIENCE)
    assert paths.queue.progress_of(identifier).signals == 1
    assert drive(FORGIVING)
    assert outcome(paths, identifier) == "restarted"
    assert gateways.ran() == [old.pid, gateways.child.pid]
    assert not locks.is_held(paths.queue.driver_lock)


def test_a_driver_that_is_killed_before_it_acts_costs_nothing(paths, publish, gateways, drive):
    gateways.start_ready()
    identifier = publish(target=gateways.target())
    paths.queue.note(identifier, Progress(since=time.time(), attempts=0, waiting_for="anything"))
    assert drive()
    assert outcome(paths, identifier) == "restarted"
    assert len(gateways.ran()) == 2


# Holds.


HOLDER = """
import sys
from hermes_cli.intents.queue import Queue
with Queue(sys.argv[1] + "/state/restart-intents", "default").hold(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def held(publish, children, tmp_path):
    """A pending intent, and the process that holds it."""
    identifier = publish()
    holder = children("-c", HOLDER, str(tmp_path), identifier)
    assert holder.stdout.readline() == "held\n"
    return identifier, holder


@pytest.mark.parametrize("end", ["released", "killed"])
def test_the_end_of_a_hold_wakes_the_driver_and_has_it_executed_anew(paths, gateways, background, held, end, renewed):
    identifier, holder = held
    # With this much patience only a wake-up ends the wait in time.
    still_at_it = background(replace(POLICY, start_timeout=600.0))
    await_progress(paths, identifier, "the update")
    assert gateways.starts == 0
    assert not renewed.is_set()
    if end == "killed":
        holder.kill()
    else:
        holder.stdin.write("\n")
        holder.stdin.flush()
    assert not still_at_it()
    assert renewed.is_set()
    assert outcome(paths, identifier) == "restarted"


def test_an_update_whose_updater_is_gone_is_recovered_before_it_is_judged(paths, publish, gateways, drive):
    gateways.options = ["revision=old"]
    gateways.start_ready()
    identifier = publish(target=gateways.target(), reason="update", revision="old")
    recovery = Revision("old")
    assert drive(POLICY, recovery)
    assert identifier in recovery.recovered
    assert outcome(paths, identifier) == "cancelled"


# Nothing that lies about stops it.


def test_broken_records_never_block_good_ones(paths, publish, place, gateways, drive):
    place("garbage.json", b"{")
    place("20261123T000000.000000Z-1-abcd.json", b'{"schema": 9}')
    os.mkfifo(f"{paths.pending}/fifo")
    os.mkdir(f"{paths.pending}/directory")
    os.symlink("/etc/passwd", f"{paths.pending}/link")
    identifier = publish()
    assert drive()
    assert outcome(paths, identifier) == "restarted"
    assert len(os.listdir(paths.queue.rejected)) == 5
    assert os.listdir(paths.pending) == []


@pytest.fixture
def strangely(publish, place, record):
    """A strange record is pending, and an honest one after it: the honest one's id."""

    def make(**strange):
        made = record(**strange)
        place(f"{made['id']}.json", json.dumps(made).encode())
        return publish(target={"pid": 1, "create_time": 1.0, "start_ticks": 1})

    return make


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({"reason": "\ud800"}, id="lone surrogate"),
        pytest.param({"action": {}}, id="action of a wrong type"),
        pytest.param({"drain_timeout": 10**400}, id="long drain"),
        pytest.param({"target": {"pid": 10**30}}, id="long pid"),
        pytest.param({"target": {"pid": 10**300}}, id="longer pid"),
        pytest.param({"target": {"pid": 4, "create_time": 10**400}}, id="long start"),
        pytest.param({"requested_at": "9999-12-31T23:59:59+00:00"}, id="from the end of time"),
        pytest.param({"requested_at": "0001-01-01T00:00:00+00:00"}, id="from its beginning"),
        pytest.param({"extra": json.loads("[" * 900 + "]" * 900)}, id="deep"),
    ],
)
def test_no_record_stops_the_driver_from_settling_the_next_one(paths, strangely, gateways, drive, strange):
    gateways.start_ready()
    identifier = strangely(**strange)
    assert drive()
    assert outcome(paths, identifier) == "restarted"
    assert os.listdir(paths.pending) == []


@pytest.mark.parametrize("name", ["since", "signalled_at", "attempted_at"])
def test_a_progress_note_from_the_far_future_does_not_stop_the_driver(paths, publish, gateways, drive, name):
    identifier = publish()
    paths.queue.note(identifier, replace(Progress(attempts=1, signals=1), **{name: 9e11}))
    assert drive()
    assert outcome(paths, identifier) == "restarted"


def test_a_driver_that_waits_has_noted_what_the_next_one_needs(paths, publish, drive, monkeypatch):
    """Also when its own words have not changed: else each new driver begins the pause again (the clock went back)."""

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(driver.Driver, "_wait", dies)
    identifier = publish()
    words = "the pause before demand start 2"
    now = time.time()
    ahead = Progress(since=now, attempts=1, attempted_at=now + 7200, waiting_for=words, rule="pause_before_start")
    paths.queue.note(identifier, ahead)
    with pytest.raises(KeyboardInterrupt):
        drive(replace(POLICY, backoff=60.0))
    noted = paths.queue.progress_of(identifier)
    assert (noted.waiting_for, noted.rule, noted.attempts) == (ahead.waiting_for, ahead.rule, 1)
    assert noted.attempted_at <= time.time()


def test_a_manager_that_does_not_answer_is_unknown_and_not_the_end(paths, publish, gateways, drive):
    gateways.blind = 1
    identifier = publish()
    assert drive()
    assert outcome(paths, identifier) == "restarted"


def test_a_demand_start_that_fails_is_tried_again(paths, publish, gateways, drive):
    failures = [CannotTellError("it took too long")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    gateways.before_start = fail_once
    identifier = publish()
    assert drive()
    assert outcome(paths, identifier) == "restarted"


def test_a_gateway_that_does_not_describe_itself_is_not_signalled(paths, publish, gateways, drive):
    gateways.options = ["silent"]
    child = gateways.start_ready()
    who = Identity.of(child.pid)
    identifier = publish(
        target={"pid": who.pid, "create_time": who.create_time, "start_ticks": who.start_ticks}, drain_timeout=0.0
    )
    assert drive()
    assert outcome(paths, identifier) == "failed"
    assert child.poll() is None
    assert gateways.starts == 0


def test_a_spoilt_gateway_json_is_waited_out_until_it_is_written_again(paths, publish, gateways, background):
    gateways.start_ready()
    named = gateways.target()
    described = own.read(paths)
    with open(paths.instance, "w", encoding="ascii") as file:
        file.write("{")
    identifier = publish(target=named, drain_timeout=30.0)
    still_at_it = background(FORGIVING)
    await_progress(paths, identifier, "the gateway to describe itself")
    own.write(paths, described)
    assert not still_at_it()
    assert outcome(paths, identifier) == "restarted"


def test_the_driver_leaves_no_descriptor_open(paths, publish, gateways, drive):
    gateways.start_ready()
    publish(target={"pid": 1, "create_time": 1.0, "start_ticks": 1})
    drive()
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        publish(target={"pid": 1, "create_time": 1.0, "start_ticks": 1})
        drive()
    assert len(os.listdir("/dev/fd")) <= before


def test_the_old_instance_is_never_taken_for_the_fresh_one(paths, publish, gateways, drive):
    old = gateways.start_ready()
    with Handle(Identity.of(old.pid)) as handle:
        identifier = publish(target=gateways.target())
        drive()
        assert handle.wait(0)
    assert paths.queue.find(identifier).instance["pid"] != old.pid


def test_restarts_that_satisfied_several_intents_count_once(paths, record, gateways, drive):
    gateways.start_ready()
    for _ in range(3):
        submit(
            paths.intents,
            {**record(target=gateways.target()), "requester": {"pid": 1, "command": "x", "in_tree": True}},
        )
    drive()
    assert len(driver.restart_times(paths.queue.history())) == 1


def age_sign(path: str) -> None:
    """The time by which the holder of this lock was to be heard of is over."""
    with open(path, "r+", encoding="ascii") as file:
        document = json.loads(file.readline())
        file.seek(0)
        file.write(json.dumps({**document, "heard_by": 0.0}) + "\n")


def test_a_driver_that_is_stopped_is_ended_once_its_time_is_over_and_another_goes_on(
    paths, publish, gateways, other_driver, drive
):
    gateways.options = ["drain=1"]
    old = gateways.start_ready()
    identifier = publish(target=gateways.target(), drain_timeout=30.0)
    first = other_driver()
    await_progress(paths, identifier, "drain")
    assert paths.queue.idle_driver().suspended is None
    first.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert paths.queue.is_driven()
    assert paths.queue.idle_driver().suspended.pid == first.pid
    assert drive(FORGIVING) is False
    age_sign(paths.queue.driver_lock)
    assert not paths.queue.is_driven()
    assert paths.queue.idle_driver().silent.pid == first.pid
    assert drive(FORGIVING)
    assert first.wait(PATIENCE) == -signal.SIGKILL
    assert outcome(paths, identifier) == "restarted"
    assert gateways.ran() == [old.pid, gateways.child.pid]


def test_a_driver_that_waits_says_by_when_it_is_heard_of_again(paths, publish, gateways, other_driver):
    gateways.options = ["drain=1"]
    gateways.start_ready()
    identifier = publish(target=gateways.target(), drain_timeout=3600.0)
    other_driver()
    await_progress(paths, identifier, "drain")
    with open(paths.queue.driver_lock, encoding="ascii") as file:
        assert 0 < json.loads(file.readline())["heard_by"] - boot_time() <= 120
