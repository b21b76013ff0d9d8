"""launchd's clock: it stands and moves as it is told, and what is due on the way is done in order."""

from collections.abc import Callable

import pytest
from launchd_emulator import INFINITE, Launchd
from launchd_emulator.clock import Clock, advance
from launchd_jobs import FAST, STUBBORN, Jobs

pytestmark = pytest.mark.e2e


def test_a_clock_that_is_moved_to_a_timer_is_exactly_there() -> None:
    clock, fired = Clock(), []
    for number in range(1, 30):
        clock.later(number / 7, lambda number=number: fired.append(number))
    advance([clock], 0.1)
    for number in range(1, 30):
        advance([clock], number / 7 - clock.now())
        assert fired == list(range(1, number + 1))


def test_clocks_that_are_moved_together_call_by_moment_and_not_by_clock() -> None:
    one, other, fired = Clock(), Clock(), []
    for clock, seconds in ((one, 3), (other, 2), (one, 1), (other, 3)):
        clock.later(seconds, lambda seconds=seconds: fired.append((seconds, one.now(), other.now())))
    advance([one, other], 5)
    assert fired == [(1, 1, 1), (2, 2, 2), (3, 3, 3), (3, 3, 3)]
    assert (one.now(), other.now()) == (5, 5)


def test_what_a_timer_sets_is_called_on_the_same_way() -> None:
    clock, fired = Clock(), []

    def again() -> None:
        fired.append(clock.now())
        clock.later(2, again)

    clock.later(2, again)
    advance([clock], 7)
    assert fired == [2, 4, 6]


def test_a_held_clock_has_no_patience_and_a_cancelled_timer_is_none() -> None:
    clock = Clock()
    timer = clock.later(1, lambda: None)
    assert clock.patience() is None
    clock.set(0.5, held=False)
    assert clock.patience() == pytest.approx(0.5, abs=0.1)
    timer.cancel()
    clock.later(INFINITE, lambda: None)
    assert clock.patience() is None


def test_an_hour_passes_at_once(still: Jobs) -> None:
    still.load("exit 0", StartInterval=3600)
    assert still.field("state") == "not running"  # launchctl is answered
    still.launchd.advance(3599)
    assert still.spawns() == []
    still.launchd.advance(1)
    assert still.launchd.wait_for("spawn", "job").clock == 3600


def test_what_is_due_on_the_way_is_done_at_its_moment(still: Jobs) -> None:
    for label, seconds in (("late", 3), ("early", 2)):
        still.load("read go < {here}/never", label, StartInterval=seconds)
    still.pipe("never")
    still.launchd.advance(10)
    assert [(one.label, one.clock) for one in still.launchd.events("spawn")] == [("early", 2), ("late", 3)]


def test_a_clock_that_is_let_go_goes_on_from_where_it_stood(still: Jobs) -> None:
    still.load("exit 0", StartInterval=5)
    still.launchd.advance(4)
    still.launchd.knob(clock="running")
    spawn = still.launchd.wait_for("spawn", "job")
    let_go = still.launchd.wait_for("knob")
    assert spawn.clock >= 5
    assert spawn.t - let_go.t >= 1 * FAST


def test_a_running_clock_can_be_moved_too(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(time_scale=1)
    jobs.load("exit 0", StartInterval=3600)
    jobs.launchd.advance(3600)
    jobs.launchd.wait_for("spawn", "job")


def test_a_reboot_takes_its_own_time_and_the_clock_is_held_again(still: Jobs) -> None:
    still.run(STUBBORN)
    still.launchd.advance(100)
    still.launchd.restart()
    assert [one.signal for one in still.launchd.events("signal", "job")] == ["SIGTERM", "SIGKILL"]
    assert still.bootstrap(still.plist("exit 0", StartInterval=1)) == 0
    still.launchd.advance(1)
    assert still.launchd.wait_for("spawn", "job", count=2).clock == 1


def test_a_jobs_end_may_be_given_other_seconds_than_the_rest(make_jobs: Callable[..., Jobs]) -> None:
    jobs = make_jobs(time_scale=0.01, exit_timeout_scale=1)
    jobs.run(STUBBORN, ExitTimeOut=1)
    jobs.launchd.launchctl("stop", "job")
    killed = jobs.launchd.wait_for("signal", "job", signal="SIGKILL")
    assert killed.t - jobs.launchd.events("signal", "job", signal="SIGTERM")[0].t >= 1


@pytest.mark.parametrize("seconds", [-1, INFINITE, float("nan"), "soon"])
def test_a_clock_goes_forward_and_not_for_ever(launchd: Launchd, seconds: object) -> None:
    with pytest.raises(ValueError, match=r"forward|not supported"):
        launchd.advance(seconds)
