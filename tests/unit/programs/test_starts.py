"""What is kept of the gateway's starts, and what counts as a crash."""

import json

import pytest

from hermes_cli.intents.instance import State
from hermes_cli.paths import Paths
from hermes_cli.programs import own, starts
from hermes_cli.programs.starts import Run, with_start
from hermes_cli.system.process import Identity

FRESH = Run(9, 1000.0, "boot")


def described(state: State, code: int | None = None, pid: int = 8, heartbeat: float = 990.0) -> own.GatewayInstance:
    return own.GatewayInstance(Identity(pid, 1.0), state, started_at=980.0, heartbeat=heartbeat, exit_code=code)


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
    assert (ended.crashed, ended.end, fresh) == (crashed, end, FRESH)


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
