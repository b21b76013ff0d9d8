"""decide() about code that is on trial, and about code that was put back."""

import pytest
from support.values import replace
from test_decide import BEGUN, FRESH, NOW, OLD, POLICY, STOPPED, fresh, running, seen, update

from hermes_cli.intents.decide import decide
from hermes_cli.intents.facts import Facts, Trial
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.service import Service
from hermes_cli.intents.step import Kill, PutBack, Settle, Signal, Start, Wait
from hermes_cli.intents.witness import with_deaths, with_stay, with_step

ON_TRIAL, UNDONE = Trial(), Trial("it did not come")
READY = replace(BEGUN, ready_pid=FRESH.pid, ready_since=NOW - POLICY.stay_ready)


def trial(instance=None, progress=BEGUN, **world):
    facts = {"installed": "new", "trial": ON_TRIAL, "service": STOPPED, **world}
    return decide(Facts(update(), progress, seen(instance, **facts), POLICY))


def undone(instance=None, progress=None, **world):
    facts = {"installed": "old", "trial": UNDONE, "service": STOPPED, **world}
    return decide(Facts(update(), progress or Progress(since=NOW), seen(instance, **facts), POLICY))


def test_starts_that_die_while_every_look_sees_one_running_are_counted_until_the_old_code_comes_back():
    known = replace(BEGUN, attempts=1, attempted_at=NOW)
    for pid in (901, 902):
        world = {"service": Service("running", pid), "installed": "new", "trial": ON_TRIAL}
        known = with_deaths(Facts(update(), known, seen(None, **world), POLICY))
        assert isinstance(trial(None, known, **world), Wait)
    world["service"] = Service("running", 903)
    known = with_deaths(Facts(update(), known, seen(None, **world), POLICY))
    assert trial(None, known, **world) == PutBack(
        "no ready gateway after 1 demand start and 2 by the service manager: the service manager gives no reason"
    )


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(seen(service=Service("running", 901)), seen(service=Service("running", 901)), id="one that lives"),
        pytest.param(seen(service=Service("running", 901)), seen(service=STOPPED), id="a pause is seen"),
        pytest.param(seen(service=Service("running", 901)), seen(service=Service("unknown")), id="no answer"),
        pytest.param(seen(running(OLD)), seen(service=Service("running", 901)), id="the old one goes"),
        pytest.param(seen(service=Service("running", OLD.pid)), seen(fresh()), id="the old one is not described"),
    ],
)
def test_nothing_else_counts_as_a_start_that_died(first, then):
    asked = replace(update(), target=OLD)
    assert with_deaths(Facts(asked, with_deaths(Facts(asked, BEGUN, first, POLICY)), then, POLICY)).died == 0


def test_a_start_that_died_of_its_configuration_is_not_waited_for_again():
    known = replace(BEGUN, attempts=1, attempted_at=NOW, start_pid=902, died=1)
    step = trial(None, known, service=Service("running", 902, exit_code=78))
    assert step == PutBack("no ready gateway after 1 demand start and 1 by the service manager: exited 78")


def test_a_demand_start_ends_the_start_before_it_on_purpose():
    known = with_deaths(Facts(update(), BEGUN, seen(service=Service("running", 901)), POLICY))
    begun = with_step(known, Start(reload=True), NOW)
    assert with_deaths(Facts(update(), begun, seen(service=Service("running", 902)), POLICY)).died == 0


def test_a_fresh_instance_is_waited_for_until_it_has_stayed_ready():
    step = trial(fresh(revision="new"), replace(READY, ready_since=NOW - 1))
    assert step == Wait("the fresh instance to stay ready", NOW - 1 + POLICY.stay_ready)


def test_a_fresh_instance_that_stayed_ready_has_restarted():
    assert trial(fresh(revision="new", started_at=NOW - 5), READY) == Settle(
        "restarted", f"pid {FRESH.pid}, revision new"
    )


def test_an_instance_that_says_no_revision_is_asked_for_it_and_then_distrusted():
    world = fresh(revision=None)
    assert isinstance(trial(world, READY), Wait)
    late = replace(READY, ready_since=NOW - POLICY.start_timeout)
    old = replace(world, started_at=NOW - POLICY.start_timeout)
    assert isinstance(trial(old, late), PutBack)


def test_code_that_failed_to_start_twice_goes_back():
    again = replace(BEGUN, attempts=2, attempted_at=NOW - 30)
    assert isinstance(trial(None, again, service=Service("stopped", exit_code=1, detail="exited 1")), PutBack)


def test_one_failed_start_is_tried_again():
    again = replace(BEGUN, attempts=1, attempted_at=NOW - 30)
    assert trial(None, again, service=Service("stopped", exit_code=1)) == Start()


def test_code_that_was_ready_and_ended_twice_goes_back():
    assert isinstance(trial(None, replace(BEGUN, lost=2)), PutBack)
    assert not isinstance(trial(None, replace(BEGUN, lost=1)), PutBack)


def test_stop_wins_also_over_a_trial():
    assert trial(None, replace(BEGUN, lost=2), desired="stopped").outcome == "cancelled"


def test_code_that_could_not_be_put_back_is_a_failure_and_not_tried_for_ever():
    assert trial(None, replace(BEGUN, lost=2), unsound="no space left").outcome == "failed"


def test_putting_back_gives_the_old_code_all_its_attempts():
    assert with_step(replace(READY, attempts=2, lost=2), PutBack("why"), NOW) == Progress(since=NOW)


def test_a_ready_instance_on_the_old_code_is_the_end_of_a_failed_update():
    step = undone(fresh(revision="old"))
    assert step.outcome == "failed"
    assert step.detail.startswith("it did not come; the old code was put back: pid 4300")


def test_the_named_instance_itself_will_do_when_it_was_never_touched():
    assert undone(running(OLD)).outcome == "failed"


def test_an_instance_on_the_new_code_is_drained_when_it_is_ready_and_killed_when_it_never_was():
    assert undone(fresh(revision="new")) == Signal(FRESH)
    assert undone(fresh(state="starting", revision="new")) == Kill(FRESH)


def test_an_instance_that_began_before_the_old_code_was_back_is_not_trusted():
    before = replace(fresh(state="starting", revision=None), started_at=NOW - 5)
    assert undone(before) == Kill(FRESH)


def test_nothing_running_is_started_on_the_old_code_whatever_the_storm():
    assert undone(None, restarts=tuple(NOW - number for number in range(20))) == Start()


@pytest.mark.parametrize("revision", ["new", None])
def test_readiness_is_noted_once_and_kept(revision):
    world = seen(fresh(revision=revision), installed="new")
    noticed = with_stay(Facts(update(), BEGUN, world, POLICY))
    assert (noticed.ready_pid, noticed.ready_since) == (FRESH.pid, NOW)
    assert with_stay(Facts(update(), noticed, replace(world, now=NOW + 2), POLICY)) == noticed


def test_the_named_instance_being_ready_is_no_news():
    assert with_stay(Facts(update(), BEGUN, seen(running(OLD), installed="new"), POLICY)) == BEGUN


def test_a_fresh_instance_that_is_gone_is_a_loss_but_one_that_drains_is_not():
    gone = with_stay(Facts(update(), READY, seen(None, installed="new"), POLICY))
    assert (gone.lost, gone.ready_pid) == (1, 0)
    drains = with_stay(Facts(update(), READY, seen(fresh(state="draining", revision="new"), installed="new"), POLICY))
    assert (drains.lost, drains.ready_pid) == (0, 0)


@pytest.mark.parametrize(("revision", "brought"), [("old", "new"), ("newer", "new")])
def test_a_ready_instance_of_another_revision_than_was_brought_is_no_success_and_nothing_is_put_back(revision, brought):
    step = trial(fresh(revision=revision), READY, installed=revision, trial=Trial(brought=brought))
    assert isinstance(step, Settle)
    assert step.outcome == "failed"
    assert f"runs {revision}, not {brought} that the update has brought" in step.detail


@pytest.mark.parametrize("brought", ["new", None])
def test_a_ready_instance_of_the_revision_that_was_brought_is_a_success(brought):
    step = trial(fresh(revision="new", started_at=NOW - 5), READY, trial=Trial(brought=brought))
    assert isinstance(step, Settle)
    assert step.outcome == "restarted"
