"""What is kept of the gateway's starts, and what counts as a crash."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hermes_cli.intents.instance import Instance, State
from hermes_cli.intents.request import boot_time
from hermes_cli.paths import Paths
from hermes_cli.programs import description, ends, own, starts
from hermes_cli.programs.ends import End
from hermes_cli.programs.starts import Run, with_start
from hermes_cli.system import process_table
from hermes_cli.system.process import Identity

FRESH = Run(9, 1000.0, "boot")


@pytest.fixture
def gone() -> int:
    """A pid that names no process any more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def described(state: State, code: int | None = None, pid: int = 8, heartbeat: float = 990.0) -> Instance:
    return Instance(Identity(pid, 1.0), state, started_at=980.0, heartbeat=heartbeat, exit_code=code)


@pytest.mark.parametrize(
    ("before", "crashed", "end"),
    [
        (described("exited", 75), False, "exited 75"),
        (described("exited", 0), False, "exited 0"),
        (described("exited", 1), True, "exited 1"),
        (described("ready"), True, "killed, or crashed without a word"),
        (described("starting"), True, "killed, or crashed without a word"),
        (described("exited", 75, pid=7), True, "killed, or crashed without a word"),  # of another run: says nothing
        (None, True, "killed, or crashed without a word"),
    ],
)
def test_the_end_of_a_run_is_what_it_said_of_itself(before, crashed, end) -> None:
    ended, fresh = with_start([Run(8, 980.0, "boot")], before, FRESH)
    assert (ended.crashed, ended.end, fresh.pid) == (crashed, end, FRESH.pid)


def test_a_gateway_that_came_up_after_the_caller_had_looked_has_not_ended(paths: Paths) -> None:
    starts.record(paths, os.getpid(), time.time())
    (run,), _ = starts.look(paths, None, None)
    assert run.ended_at is None


def test_a_pid_that_names_another_process_by_now_does_not_keep_a_run_alive(paths: Paths) -> None:
    starts.record(paths, 1, time.time() - 100.0 * 86400)
    document = json.loads(Path(starts.path_of(paths)).read_text())
    document["starts"][0]["began"] = boot_time() - 100.0 * 86400
    Path(starts.path_of(paths)).write_text(json.dumps(document))
    (run,), _ = starts.look(paths, None, None)
    assert run.crashed


def test_the_pid_of_a_container_keeps_no_run_alive_out_here(paths: Paths) -> None:
    starts.record(paths, os.getpid(), time.time())
    own.write(paths, described("ready", pid=os.getpid()))
    file = Path(paths.instance)
    there = {description.NAMESPACE: (process_table.pid_namespace() or 0) + 1, "boot_id": process_table.boot_id()}
    file.write_text(json.dumps({**json.loads(file.read_text()), **there}))
    (run,), _ = starts.look(paths, None, description.read(paths.instance))
    assert run.crashed  # nobody holds its lock


def test_what_a_gateway_said_after_the_caller_had_looked_counts(paths: Paths, gone: int) -> None:
    own.write(paths, described("ready", pid=gone))
    before = description.read(paths.instance)
    starts.record(paths, gone, time.time())
    own.write(paths, described("exited", 78, pid=gone))
    (run,), _ = starts.look(paths, None, before)
    assert run.code == 78


def test_the_end_of_the_machine_is_no_crash() -> None:
    ended, _ = with_start([Run(8, 980.0, "the boot before")], described("ready"), FRESH)
    assert not ended.crashed


def test_only_short_runs_in_a_row_count() -> None:
    short, long, asked = (Run(1, 0.0, None, end, code) for end, code in [(10.0, 1), (100.0, 1), (10.0, 75)])
    running = Run(2, 50.0)
    assert starts.crashes_in_a_row([short, short, running]) == 2
    assert starts.crashes_in_a_row([short, long, short]) == 1
    assert starts.crashes_in_a_row([short, asked, running]) == 0
    assert starts.crashes_in_a_row([]) == 0


def test_the_file_is_bounded_and_read_back(paths: Paths) -> None:
    for pid in range(1, starts.KEPT + 20):
        starts.record(paths, pid, float(pid))
    found = starts.read(paths, starts.KEPT + 19)
    assert [run.pid for run in found] == list(range(20, starts.KEPT + 20))
    assert found[-1].ended_at is None
    assert all(run.ended_at is not None for run in found[:-1])


@pytest.mark.parametrize("text", ["", "[]", '{"starts": 7}', '{"starts": [7, {"pid": "x"}, {"pid": 1, "at": "now"}]}'])
def test_a_file_that_says_nothing_is_no_history(paths: Paths, place, text: str) -> None:
    with open(f"{paths.state}/starts.json", "w", encoding="utf-8") as file:
        file.write(text)
    assert starts.read(paths) == ()
    starts.record(paths, 5, 1.0)
    with open(f"{paths.state}/starts.json", encoding="utf-8") as file:
        assert [one["pid"] for one in json.load(file)["starts"]] == [5]


@pytest.mark.parametrize("pid", [8, 0])
def test_whoever_waited_for_the_process_knows_what_ended_it(pid: int) -> None:
    told = [End(985.0, pid, -11)]
    ended, fresh = with_start([Run(8, 980.0, "boot")], described("ready"), FRESH, told)
    assert (ended.end, ended.ended_at, ended.crashed, fresh.why) == ("killed by SIGSEGV", 985.0, True, "crash")


def test_starts_that_failed_before_they_could_say_anything_are_runs_too() -> None:
    told = [End(985.0, 8, 75), End(986.0, 20, 1), End(988.0, 21, 1)]
    found = with_start([Run(8, 980.0, "boot")], described("exited", 75, heartbeat=984.5), FRESH, told)
    assert [(run.pid, run.code) for run in found] == [(8, 75), (20, 1), (21, 1), (9, None)]
    assert (starts.crashes_in_a_row(found), found[-1].why) == (2, "crash")


def test_an_end_of_long_ago_is_nobodys() -> None:
    told = [End(100.0, 0, -9), End(101.0, 7, -9)]
    ended, _ = with_start([Run(8, 980.0, "boot")], described("ready"), FRESH, told)
    assert ended.code is None


@pytest.mark.parametrize(
    ("before", "asked", "why"),
    [
        (None, 5.0, "first"),
        (Run(8, 980.0, ended_at=990.0, code=75), 970.0, "asked"),
        (Run(8, 980.0, ended_at=990.0, code=75), 985.0, "asked"),  # a stopped gateway that was asked to restart
        (Run(8, 980.0, ended_at=990.0, code=0), 995.0, "started"),
        (Run(8, 980.0, ended_at=990.0, code=0), 970.0, "manager"),
        (Run(8, 980.0, ended_at=990.0, code=1), 970.0, "crash"),
        (Run(8, 980.0, ended_at=990.0, code=1), 995.0, "started"),
        (Run(8, 980.0, ended_at=990.0, code=-9), 985.0, "crash"),  # start was said while it ran
        (Run(8, 980.0, ended_at=990.0, rebooted=True), 970.0, "boot"),
    ],
)
def test_why_a_gateway_was_started_follows_from_the_end_before_it_and_from_who_said_start(before, asked, why) -> None:
    assert starts.why(before, asked) == why


def test_the_number_of_starts_counts_on_though_the_file_is_bounded(paths: Paths) -> None:
    for number in range(starts.KEPT + 5):
        ends.note(paths, End(float(number), 100 + number, -9))
        starts.record(paths, 101 + number, float(number) + 0.5)
    found, series = starts.look(paths, 101 + number, None)
    assert len(found) == starts.KEPT
    assert series is not None
    # The first end is of a run that nobody has recorded.
    assert (series.since, series.starts) == (0.5, starts.KEPT + 5)
    assert ends.read(paths) == ()


def test_a_file_of_an_older_release_counts_what_it_has(paths: Paths, place) -> None:
    with open(starts.path_of(paths), "w", encoding="utf-8") as file:
        json.dump(
            {"schema": 1, "starts": [{"pid": 1, "at": 5.0, "code": 75, "ended_at": 6.0}, {"pid": 2, "at": 7.0}]}, file
        )
    found, series = starts.look(paths, 2, None)
    assert (found[-1].why, series) == (None, starts.Series(5.0, 2))


def test_what_a_manager_tells_afterwards_is_added(paths: Paths) -> None:
    starts.record(paths, 1, 1.0)
    starts.record(paths, 2, 2.0)
    assert starts.is_end_unknown(paths)
    starts.complete(paths, -11)
    assert starts.read(paths, 2)[0].end == "killed by SIGSEGV"
    starts.complete(paths, -9)
    assert starts.read(paths, 2)[0].end == "killed by SIGSEGV"


@pytest.mark.parametrize("shift", [10800.0, 0.0, -7200.0])
@pytest.mark.parametrize("told", [(), (End(992.5, 8, -9),)], ids=["by itself", "by its manager"])
def test_how_long_a_run_lasted_is_not_changed_by_who_sets_the_clock(shift: float, told: tuple[End, ...]) -> None:
    last = Run(8, 980.0, "boot", began=50.0)
    said = described("ready" if told else "exited", None if told else 1, heartbeat=990.0 + shift)
    said = said._replace(identity=Identity(8, 1.0, 7, "boot"), heartbeat_since_boot=60.0)
    ends_told = [one._replace(at=one.at + shift) for one in told]
    ended, fresh = with_start([last], said, Run(9, 1000.0 + shift, "boot", began=70.0), ends_told)
    assert ended.lasted(0.0) == (12.5 if told else 10.0)
    assert ended.was_short
    assert starts.crashes_in_a_row([ended, fresh]) == 1


def test_how_long_it_runs_is_not_changed_either(paths: Paths) -> None:
    starts.record(paths, 8, 1000.0)  # by a clock that has been set since
    (running,) = starts.read(paths, 8)
    assert running.lasted(time.time()) < 60.0


def test_a_run_that_an_older_release_noted_is_timed_by_the_clock(paths: Paths, place) -> None:
    with open(starts.path_of(paths), "w", encoding="utf-8") as file:
        json.dump({"schema": 1, "starts": [{"pid": 8, "at": 980.0, "boot": "boot", "ended_at": 992.0}]}, file)
    (found,) = starts.read(paths, 8)
    assert (found.lasted(0.0), found.ended_before(1000.0)) == (12.0, 8.0)
