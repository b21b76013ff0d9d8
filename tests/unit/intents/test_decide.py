"""decide() as a table: facts on the left, the one right step on the right."""

import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.values import replace

from hermes_cli.intents.decide import decide
from hermes_cli.intents.facts import Facts, Mends, Observation, Policy
from hermes_cli.intents.instance import DrainState, Instance
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import Intent, Origin, Requester
from hermes_cli.intents.service import Service
from hermes_cli.intents.step import Kill, Settle, Signal, Start, Wait
from hermes_cli.system.process import Identity

NOW = 1_800_000_000.0
POLICY = Policy(
    refusal_codes=frozenset({78}),
    mends=Mends(undescribed="hermes gateway stop, then start", describing="gateway.json to be written again"),
)
OLD = Identity(4242, NOW - 9000, 1000, "boot")
FRESH = Identity(4300, NOW - 1, 9000, "boot")
STOPPED = Service("stopped", detail="exited 75")
BEGUN = Progress(since=NOW - 5, signals=1, repeats=3, signalled_pid=OLD.pid, signalled_at=NOW - 5)
MESSAGE = Origin("telegram", "chat", "message-1")


def intent(**changes):
    base = Intent(
        id="20270115T080000.000000Z-4321-9f3a",
        action="restart",
        reason="manual",
        requested_at=NOW - 10,
        profile="default",
        boot_id="boot",
        target=OLD,
        revision="old",
        requester=Requester(4321, "hermes gateway restart", in_tree=False),
        origin=None,
        force=False,
        drain_timeout=None,
        expires_at=NOW + 3590,
        document={},
    )
    return replace(base, **changes)


def update(**changes):
    return intent(**{"reason": "update", "expires_at": None, **changes})


def automatic(**changes):
    return intent(requester=Requester(4321, "hermes update", in_tree=True), **changes)


def running(identity=OLD, state="ready", **changes):
    base = Instance(
        identity=identity,
        state=state,
        revision="old",
        started_at=identity.create_time or 0.0,
        handles_signal=True,
    )
    return replace(base, **changes)


def fresh(state="ready", **changes):
    return running(FRESH, state, **{"revision": "new", **changes})


def draining(since=NOW - 5, deadline=NOW + 175, turns=1, **changes):
    return running(state="draining", drain=DrainState(since, deadline, turns), **changes)


def seen(instance=None, **changes):
    return replace(Observation(now=NOW, instance=instance, service=STOPPED, looked_ahead=True), **changes)


def step(asked=None, world=None, progress=None, policy=POLICY):
    return decide(Facts(asked or intent(), progress or Progress(), world or seen(), policy))


# Stop wins, holds wait.


@pytest.mark.parametrize("world", [seen(), seen(running()), seen(draining()), seen(fresh()), seen(held=True)])
def test_stop_wins_over_everything(world):
    found = step(world=replace(world, desired="stopped"))
    assert isinstance(found, Settle)
    assert found.outcome == "cancelled"


@pytest.mark.parametrize("world", [seen(), seen(running()), seen(fresh()), seen(service=Service("unknown"))])
def test_a_hold_keeps_everybody_waiting(world):
    assert isinstance(step(update(), replace(world, held=True)), Wait)


# The named instance runs.


def test_the_named_instance_that_is_ready_and_not_draining_is_signalled():
    assert step(world=seen(running())) == Signal(OLD)


def test_while_whoever_would_start_the_next_one_stands_still_nothing_is_signalled_and_nothing_fails():
    why = "the supervisor, pid 7, is stopped: kill -CONT 7"
    for progress in (None, Progress(since=NOW - 9, signalled_pid=OLD.pid, signalled_at=NOW - 6, signals=1)):
        found = step(world=seen(running(), not_now=why), progress=progress)
        assert found == Wait(why, NOW + 1.0)


def test_an_instance_that_has_not_said_it_handles_the_signal_is_not_signalled():
    found = step(world=seen(running(state="starting", handles_signal=False, started_at=NOW - 1)))
    assert found == Wait("the gateway to finish starting", NOW - 1 + POLICY.start_timeout)


def test_an_instance_that_never_handles_the_signal_is_killed_after_the_start_timeout():
    assert step(world=seen(running(state="starting", handles_signal=False, started_at=NOW - 61))) == Kill(OLD)


def test_an_instance_that_did_not_say_when_it_started_is_not_killed_at_first_sight():
    first_look = Progress(since=NOW)
    assert not isinstance(step(world=seen(running(handles_signal=False, started_at=0.0)), progress=first_look), Kill)


def test_an_instance_that_starts_but_handles_the_signal_is_signalled():
    assert step(world=seen(running(state="starting"))) == Signal(OLD)


def test_of_a_program_that_tells_no_revision_none_is_said():
    silent = seen(fresh(revision=None))
    assert step(world=silent).detail == f"pid {FRESH.pid}, revision unknown"
    found = step(world=silent, policy=replace(POLICY, tells_revision=False))
    assert (found.outcome, found.detail) == ("restarted", f"pid {FRESH.pid}")


def test_who_was_signalled_often_enough_is_waited_for():
    assert isinstance(step(world=seen(running()), progress=BEGUN), Wait)


@pytest.mark.parametrize(("repeats", "ago", "again"), [(0, 4, False), (0, 5, True), (1, 9, False), (1, 10, True)])
def test_a_signal_that_shows_nothing_is_repeated_because_its_driver_may_have_died_before_it_was_sent(
    repeats, ago, again
):
    noted_only = replace(BEGUN, repeats=repeats, signalled_at=NOW - ago)
    assert isinstance(step(world=seen(running()), progress=noted_only), Signal if again else Wait)


def test_a_signal_that_somebody_else_sent_shows_as_a_drain_and_is_not_repeated():
    assert isinstance(step(world=seen(draining())), Wait)


@pytest.mark.parametrize(
    ("turns", "text"),
    [(0, "drain: 0 turns, 62 s of 180 s"), (1, "drain: 1 turn, 62 s of 180 s"), (2, "drain: 2 turns")],
)
def test_a_drain_is_waited_for_with_its_turns_and_its_countdown(turns, text):
    found = step(world=seen(draining(since=NOW - 62, deadline=NOW + 118, turns=turns)))
    assert isinstance(found, Wait)
    assert found.waiting_for.startswith(text)


def test_a_drain_without_details_is_counted_from_the_signal():
    found = step(world=seen(running(state="draining", active_turns=2)), progress=BEGUN)
    assert isinstance(found, Wait)
    assert found.waiting_for == "drain: 2 turns, 5 s of 180 s"


@pytest.mark.parametrize("past_the_drain", [0, 10, 22.9])
def test_an_overdue_drain_is_left_to_the_backstop_and_the_supervisor_first(past_the_drain):
    world = seen(draining(since=NOW - 180 - past_the_drain, deadline=NOW - past_the_drain))
    assert isinstance(step(world=world, progress=BEGUN), Wait)


def test_a_drain_is_killed_once_every_softer_clock_has_passed():
    margin = POLICY.clocks(intent()).driver_deadline - POLICY.drain_timeout
    assert step(world=seen(draining(since=NOW - 300, deadline=NOW - margin))) == Kill(OLD)


def test_a_drain_that_does_not_say_since_when_is_not_killed_at_first_sight():
    world = seen(running(state="draining", drain=DrainState(0.0, 0.0, 1)))
    assert not isinstance(step(world=world, progress=Progress(since=NOW)), Kill)


def test_an_instance_that_exited_but_is_still_there_is_waited_for_then_killed():
    left = running(state="exited")
    assert step(world=seen(left), progress=BEGUN).waiting_for == "the old process to exit"
    assert step(world=seen(replace(left)), progress=replace(BEGUN, since=NOW - 301, signalled_at=NOW - 301)) == Kill(
        OLD
    )


def test_an_instance_that_ignores_the_signal_is_killed_after_the_drivers_deadline():
    deadline = POLICY.clocks(intent()).driver_deadline
    ignored = replace(BEGUN, signalled_at=NOW - deadline)
    assert isinstance(step(world=seen(running()), progress=replace(ignored, signalled_at=NOW - deadline + 1)), Wait)
    assert step(world=seen(running()), progress=ignored) == Kill(OLD)


def test_force_means_no_time_for_turns():
    assert POLICY.clocks(intent(force=True, drain_timeout=600.0)).drain == 0
    assert POLICY.clocks(intent(drain_timeout=600.0)).drain == 600
    assert POLICY.clocks(intent()).drain == POLICY.drain_timeout


def test_a_target_named_by_an_older_release_without_ticks_is_still_recognised():
    assert step(intent(target=Identity(OLD.pid, OLD.create_time)), seen(running())) == Signal(OLD)


def test_an_instance_with_the_targets_pid_but_another_start_is_a_fresh_one():
    found = step(world=seen(running(replace(OLD, start_ticks=9000), started_at=NOW - 1)))
    assert found.outcome == "restarted"


# Another instance runs.


def test_a_fresh_ready_instance_that_started_after_the_request_means_restarted():
    assert step(world=seen(fresh())) == Settle("restarted", "pid 4300, revision new")


def test_another_instance_than_the_named_one_is_a_restart_whatever_the_clock_says():
    assert step(world=seen(fresh(started_at=NOW - 11))).outcome == "restarted"


def test_a_request_that_named_nobody_is_satisfied_by_whoever_is_ready():
    assert step(intent(target=None), seen(fresh())).outcome == "restarted"
    assert step(intent(target=None), seen(running())).outcome == "already-satisfied"


def test_an_instance_that_is_starting_is_waited_for():
    assert isinstance(step(world=seen(fresh("starting"))), Wait)


def test_an_instance_that_is_never_ready_is_a_failure_after_the_start_timeout():
    found = step(world=seen(fresh("starting", started_at=NOW - 61)), progress=replace(BEGUN, attempted_at=NOW - 62))
    assert found.outcome == "failed"
    assert "not ready" in found.detail


def test_a_slow_start_counts_from_the_demand_start():
    world = seen(fresh("starting", started_at=NOW - 61))
    assert isinstance(step(world=world, progress=Progress(attempts=1, attempted_at=NOW - 1)), Wait)


def test_an_instance_that_another_restart_drains_is_waited_for():
    assert step(world=seen(fresh("draining"))).waiting_for == "another restart under way"


# Nobody runs.


def test_a_dead_target_is_started_again_on_demand():
    assert step(world=seen()) == Start()


def test_a_changed_definition_is_reloaded():
    assert step(intent(action="reload")) == Start(reload=True)


def test_a_service_that_cannot_be_told_is_started_too():
    assert step(world=seen(service=Service("unknown"))) == Start()


def test_a_service_that_the_manager_says_runs_is_started_too_since_a_running_one_is_left_alone():
    assert step(world=seen(service=Service("running", 4299))) == Start()


@pytest.mark.parametrize("state", ["running", "unknown"])
def test_a_start_under_way_is_waited_for_before_the_next(state):
    world = seen(service=Service(state))
    assert isinstance(step(world=world, progress=Progress(attempts=1, attempted_at=NOW - 59)), Wait)
    assert step(world=world, progress=Progress(attempts=1, attempted_at=NOW - 60)) == Start()


def test_a_service_that_never_answers_is_given_up_after_the_last_attempt():
    found = step(world=seen(service=Service("unknown")), progress=Progress(attempts=5, attempted_at=NOW - 60))
    assert found.outcome == "failed"


@pytest.mark.parametrize(("attempts", "pause"), [(1, 0.5), (2, 1), (3, 2), (4, 4)])
def test_each_demand_start_comes_after_twice_the_pause(attempts, pause):
    found = step(progress=Progress(attempts=attempts, attempted_at=NOW))
    assert found == Wait(f"the pause before demand start {attempts + 1}", NOW + pause)
    assert step(progress=Progress(attempts=attempts, attempted_at=NOW - pause)) == Start()


def test_the_last_attempt_fails_with_the_exit_reason():
    found = step(
        world=seen(service=Service("stopped", exit_code=1, detail="exited 1 after 0.2 s")),
        progress=Progress(attempts=5, attempted_at=NOW - 1),
    )
    assert found == Settle("failed", "no ready gateway after 5 demand starts: exited 1 after 0.2 s")


def test_a_configuration_error_is_not_tried_again():
    broken = seen(service=Service("stopped", exit_code=78, detail="configuration error"))
    found = step(world=broken, progress=Progress(attempts=1, attempted_at=NOW - 1))
    assert found == Settle("failed", "no ready gateway after 1 demand start: configuration error")


def test_a_configuration_error_from_before_is_tried_once():
    assert step(world=seen(service=Service("stopped", exit_code=78))) == Start()


def test_a_target_that_lives_but_does_not_describe_itself_is_neither_signalled_nor_replaced():
    found = step(world=seen(target_alive=True), progress=Progress(since=NOW - 1))
    assert found.waiting_for == "gateway.json to be written again"


def test_a_target_that_never_describes_itself_is_a_failure_that_says_what_to_do():
    found = step(world=seen(target_alive=True), progress=Progress(since=NOW - 300))
    assert found.outcome == "failed"
    assert "hermes gateway stop" in found.detail


# Refusals.


def test_an_expired_request_does_not_touch_the_gateway_that_runs():
    found = step(intent(expires_at=NOW), seen(running()))
    assert found.outcome == "expired"


def test_an_expired_request_for_a_start_is_not_carried_out_late():
    assert step(intent(target=None, expires_at=NOW)).outcome == "expired"


@pytest.mark.parametrize("progress", [Progress(), BEGUN, Progress(attempts=1, attempted_at=NOW - 60)])
def test_a_gateway_that_died_is_brought_back_however_old_the_request_is(progress):
    assert step(intent(expires_at=NOW - 86400), progress=progress) == Start()


def test_a_restart_that_has_begun_does_not_expire():
    late = intent(expires_at=NOW - 1)
    assert isinstance(step(late, seen(draining())), Wait)
    assert isinstance(step(late, seen(running()), BEGUN), Wait)
    assert isinstance(step(late, seen(fresh("starting"))), Wait)
    assert isinstance(step(replace(late, target=None), progress=Progress(attempts=1, attempted_at=NOW)), Wait)


def test_an_expired_request_that_came_true_is_said_to_have_come_true():
    assert step(intent(expires_at=NOW - 1), seen(fresh())).outcome == "restarted"


STORM = tuple(NOW - 30 * number for number in range(10))


def test_too_many_restarts_refuse_the_next_automatic_one_with_the_reason():
    found = step(automatic(), seen(running(), restarts=STORM))
    assert found.outcome == "failed"
    assert "10 restarts within 10 min" in found.detail
    assert "admitted again in " in found.detail


def test_a_request_with_a_conversation_behind_it_is_automatic():
    assert step(intent(origin=MESSAGE), seen(running(), restarts=STORM)).outcome == "failed"


def test_a_person_at_a_shell_is_never_refused():
    assert step(intent(), seen(running(), restarts=STORM)) == Signal(OLD)


def test_a_storm_never_keeps_a_dead_gateway_dead():
    assert step(automatic(), seen(restarts=STORM)) == Start()


@pytest.mark.parametrize("times", [STORM[:9], tuple(NOW - 600 - number for number in range(20)), (NOW + 60,) * 20])
def test_few_or_old_restarts_are_no_storm(times):
    assert POLICY.storm(times, NOW) is None


def test_a_redelivered_message_restarts_nothing():
    world = seen(running(), answered=frozenset({MESSAGE.key}))
    assert step(intent(origin=MESSAGE), world).outcome == "already-satisfied"


def test_another_message_of_the_same_chat_restarts():
    world = seen(running(), answered=frozenset({MESSAGE.key}))
    assert step(intent(origin=replace(MESSAGE, message="message-2")), world) == Signal(OLD)


def test_a_request_whose_message_is_not_known_is_never_taken_for_a_redelivery():
    world = seen(running(), answered=frozenset({("telegram", "chat", "")}))
    assert step(intent(origin=replace(MESSAGE, message=None)), world) == Signal(OLD)


# Updates.


def test_an_update_that_changed_nothing_is_cancelled_and_leaves_the_gateway_alone():
    assert step(update(), seen(running(), installed="old")).outcome == "cancelled"


def test_an_update_that_changed_nothing_still_revives_a_dead_gateway():
    assert step(update(), seen(installed="old")) == Start()


def test_an_update_that_changed_nothing_but_has_signalled_sees_the_restart_through():
    assert isinstance(step(update(), seen(running(), installed="old"), BEGUN), Wait)


def test_an_update_retires_the_instance_on_the_old_code():
    assert step(update(), seen(running(), installed="new")) == Signal(OLD)


def test_an_update_is_done_when_the_new_code_is_ready():
    assert step(update(), seen(fresh(), installed="new")).outcome == "restarted"


def test_a_fresh_instance_on_the_old_code_is_retired_again():
    half = fresh(revision="old")
    assert step(update(), seen(half, installed="new"), BEGUN) == Signal(FRESH)


def test_an_instance_that_does_not_know_its_revision_is_not_retired_for_it():
    assert step(update(), seen(fresh(revision=None), installed="new")).outcome == "restarted"


def test_retiring_old_code_again_and_again_has_an_end():
    tried = replace(BEGUN, signals=POLICY.max_attempts, signalled_pid=4299)
    found = step(update(), seen(fresh(revision="old"), installed="new"), tried)
    assert found.outcome == "failed"
    assert "still on old" in found.detail


def test_a_revision_that_cannot_be_told_does_not_stop_an_update():
    assert step(update(), seen(running(), installed=None)) == Signal(OLD)
    assert step(update(), seen(fresh(), installed=None)).outcome == "restarted"


# A clock that was stepped back: stamps lie in the future, and must not hold anything up until then.

DAY = 86400.0
LONGEST = POLICY.clocks(intent()).driver_deadline + POLICY.start_timeout


@pytest.mark.parametrize(
    ("world", "progress"),
    [
        pytest.param(seen(), Progress(attempts=1, attempted_at=NOW + DAY), id="demand start, stopped"),
        pytest.param(
            seen(service=Service("unknown")), Progress(attempts=1, attempted_at=NOW + DAY), id="demand start, unknown"
        ),
        pytest.param(fresh("starting"), Progress(attempts=1, attempted_at=NOW + DAY), id="not ready since the start"),
        pytest.param(fresh("starting", started_at=NOW + DAY), Progress(), id="not ready since it started"),
        pytest.param(running(), replace(BEGUN, signalled_at=NOW + DAY), id="signalled"),
        pytest.param(running(handles_signal=False, started_at=NOW + DAY), Progress(), id="starting, no handler"),
        pytest.param(draining(NOW + DAY, NOW + DAY + 180), BEGUN, id="draining"),
        pytest.param(running(state="exited"), BEGUN, id="exited"),
        pytest.param(seen(target_alive=True), Progress(since=NOW + DAY), id="undescribed"),
    ],
)
def test_a_stamp_in_the_future_holds_nothing_up_for_longer_than_the_longest_clock(world, progress):
    world = world if isinstance(world, Observation) else seen(world)
    found = step(world=world, progress=progress)
    assert not isinstance(found, Wait) or found.until <= NOW + LONGEST


@pytest.mark.parametrize(
    ("instance", "service"),
    [(None, STOPPED), (None, Service("unknown")), (None, Service("running")), (fresh("starting"), Service())],
)
def test_a_demand_start_in_the_future_does_not_stall_the_restart_until_the_clock_catches_up(instance, service):
    world, progress = seen(instance, service=service), Progress(attempts=1, attempted_at=NOW + DAY)
    for _ in range(10):
        found = step(world=world, progress=progress)
        if not isinstance(found, Wait):
            break
        world, progress = replace(world, now=found.until), progress.not_ahead_of(found.until)
    assert world.now <= NOW + 2 * LONGEST
    assert not isinstance(found, Wait)


# Whatever the facts.

SECONDS = st.floats(NOW - 1e6, NOW + 1e6) | st.just(0.0)
IDENTITIES = st.sampled_from([OLD, FRESH, Identity(1), Identity(OLD.pid, OLD.create_time)])
REVISIONS = st.none() | st.sampled_from(["old", "new"])
INTENTS = st.builds(
    intent,
    action=st.sampled_from(["restart", "reload"]),
    reason=st.sampled_from(["manual", "update", "unknown"]),
    requested_at=SECONDS,
    target=st.none() | IDENTITIES,
    revision=REVISIONS,
    requester=st.builds(Requester, in_tree=st.booleans()),
    origin=st.none() | st.just(MESSAGE) | st.just(Origin()),
    force=st.booleans(),
    drain_timeout=st.none() | st.floats(0, 86400),
    expires_at=st.none() | SECONDS,
)
INSTANCES = st.builds(
    Instance,
    identity=IDENTITIES,
    state=st.sampled_from(["starting", "ready", "draining", "exited"]),
    revision=REVISIONS,
    started_at=SECONDS,
    active_turns=st.integers(0, 9),
    handles_signal=st.booleans(),
    drain=st.none() | st.builds(DrainState, SECONDS, SECONDS, st.integers(0, 9)),
)
WORLDS = st.builds(
    Observation,
    now=st.just(NOW),
    desired=st.sampled_from(["running", "stopped"]),
    instance=st.none() | INSTANCES,
    target_alive=st.booleans(),
    service=st.builds(
        Service,
        st.sampled_from(["running", "stopped", "unknown"]),
        st.none() | st.integers(1, 9999),
        st.none() | st.sampled_from([0, 1, 75, 78, -9]),
        scheduled=st.booleans(),
    ),
    held=st.booleans(),
    installed=REVISIONS,
    restarts=st.lists(SECONDS, max_size=12).map(tuple),
    answered=st.sampled_from([frozenset(), frozenset({MESSAGE.key})]),
)
PROGRESS = st.builds(
    Progress,
    since=SECONDS,
    signals=st.integers(0, 7),
    signalled_pid=st.sampled_from([0, OLD.pid, FRESH.pid]),
    signalled_at=SECONDS,
    attempts=st.integers(0, 7),
    attempted_at=SECONDS,
)


@given(INTENTS, PROGRESS, WORLDS)
def test_whatever_the_facts_the_step_is_admissible(asked, progress, world):
    found = decide(Facts(asked, progress, world, POLICY))
    alive = world.instance
    if isinstance(found, Signal):
        assert alive is not None
        assert found.target == alive.identity
        assert alive.handles_signal
        assert alive.state not in {"draining", "exited"}
    if isinstance(found, Kill):
        assert alive is not None
        assert found.target == alive.identity
    if isinstance(found, Start) and alive is None:
        assert not world.target_alive
    if isinstance(found, Start) and alive is not None:
        assert found.reload
        assert asked.target is None or not asked.target.is_same_as(alive.identity)
    if isinstance(found, Wait):
        assert math.isfinite(found.until)
        assert found.until >= world.now
        assert found.waiting_for
    if isinstance(found, Settle):
        assert found.detail
    if isinstance(found, Settle) and found.outcome == "restarted":
        assert alive is not None
        assert alive.ready
    if world.desired == "stopped":
        assert isinstance(found, Settle)
    if world.held:
        assert isinstance(found, Wait | Settle)


@given(INTENTS, PROGRESS, WORLDS)
def test_the_same_facts_always_give_the_same_step(asked, progress, world):
    assert decide(Facts(asked, progress, world, POLICY)) == decide(Facts(asked, progress, world, POLICY))


# A manager that leaves an interval between two starts.


SCHEDULED = Service("stopped", exit_code=1, detail="exited 1", scheduled=True)


def test_a_start_that_the_manager_has_scheduled_is_waited_for_and_costs_no_attempt():
    policy = replace(POLICY, spawn_interval=10.0)
    for attempts in (1, POLICY.max_attempts):
        found = decide(
            Facts(intent(), Progress(attempts=attempts, attempted_at=NOW - 5), seen(service=SCHEDULED), policy)
        )
        assert found == Wait("the service manager's interval between two starts", NOW - 5 + 11.0)


def test_a_scheduled_start_that_did_not_come_is_followed_by_a_demand_start():
    policy = replace(POLICY, spawn_interval=10.0)
    found = decide(Facts(intent(), Progress(attempts=1, attempted_at=NOW - 11.1), seen(service=SCHEDULED), policy))
    assert found == Start()


def test_starts_that_are_scheduled_again_and_again_end_in_failed():
    policy = replace(POLICY, spawn_interval=10.0)
    progress = Progress(attempts=POLICY.max_attempts, attempted_at=NOW - 11.1)
    found = decide(Facts(intent(), progress, seen(service=SCHEDULED), policy))
    assert isinstance(found, Settle)
    assert found.outcome == "failed"


def test_the_first_demand_start_does_not_wait_for_a_scheduled_one():
    policy = replace(POLICY, spawn_interval=10.0)
    assert decide(Facts(intent(), Progress(), seen(service=SCHEDULED), policy)) == Start()


# Reload.


def test_a_reload_is_carried_out_even_if_a_fresh_instance_is_up_already():
    assert step(intent(action="reload"), seen(fresh())) == Start(reload=True)


def test_a_reload_settles_on_what_it_has_brought_up():
    found = step(intent(action="reload"), seen(fresh()), Progress(attempts=1, attempted_at=NOW - 1))
    assert isinstance(found, Settle)
    assert found.outcome == "restarted"


def test_a_reload_lets_the_named_instance_drain_first():
    assert isinstance(step(intent(action="reload"), seen(running())), Signal)


# What mutation testing found untested.


def test_a_process_that_survives_ten_kills_fails_with_where_to_look():
    survivor = Progress(
        since=NOW - 900, signals=2 * POLICY.max_attempts, repeats=3, signalled_pid=OLD.pid, signalled_at=NOW - 900
    )
    step = decide(Facts(intent(), survivor, Observation(NOW, instance=running()), POLICY))
    assert step == Settle("failed", "pid 4242 survives SIGKILL: see what it waits for in the kernel")
    once_less = replace(survivor, signals=2 * POLICY.max_attempts - 1)
    assert decide(Facts(intent(), once_less, Observation(NOW, instance=running()), POLICY)) == Kill(OLD)


def test_a_gateway_that_shows_nothing_after_the_signal_is_signalled_again_then_waited_for():
    begun = replace(BEGUN, repeats=0, signalled_at=NOW - 1)
    waits = decide(Facts(intent(), begun, Observation(NOW, instance=running()), POLICY))
    assert waits == Wait("the gateway to begin its drain", NOW + 4)
    assert decide(
        Facts(intent(), begun, Observation(NOW + 4, instance=running(), looked_ahead=True), POLICY)
    ) == Signal(OLD)
    tired = decide(Facts(intent(), replace(begun, repeats=3), Observation(NOW + 4, instance=running()), POLICY))
    assert tired == Wait("the gateway to begin its drain", NOW - 1 + POLICY.clocks(intent()).driver_deadline)


def test_a_drain_is_given_the_time_that_the_gateway_gave_itself():
    long = running(state="draining", drain=DrainState(NOW - 10, NOW + 590, 1))
    step = decide(Facts(intent(), Progress(since=NOW - 10), Observation(NOW, instance=long), POLICY))
    assert isinstance(step, Wait)
    assert step.waiting_for == "drain: 1 turn, 10 s of 600 s"
    assert step.until > NOW + 590


def test_an_update_that_changed_nothing_leaves_a_starting_gateway_alone():
    seen = Observation(NOW, instance=running(state="starting"), installed="old")
    assert decide(Facts(update(), Progress(since=NOW), seen, POLICY)) == Settle(
        "cancelled", "the update left the code at old"
    )


def test_a_restart_that_is_just_as_old_as_the_window_is_over():
    edge = tuple(NOW - POLICY.storm_window for _ in range(POLICY.storm_limit))
    assert POLICY.storm(edge, NOW) is None


# Who claims to be a person.


def test_a_person_has_five_times_the_limit_of_programs():
    restarts = tuple(NOW - 1 - at for at in range(5 * POLICY.storm_limit))
    assert step(intent(), seen(running(), all_restarts=restarts[:-1])) == Signal(OLD)
    refused = step(intent(), seen(running(), all_restarts=restarts))
    assert refused.outcome == "failed"
    assert "50 restarts within 10 min" in refused.detail


def test_a_storm_of_persons_does_not_keep_what_began_from_its_end():
    restarts = tuple(NOW - 1 - at for at in range(5 * POLICY.storm_limit))
    assert step(intent(), seen(all_restarts=restarts)) == Start()


@pytest.mark.parametrize("action", ["restart", "reload"])
def test_an_update_whose_code_is_half_changed_fails_and_says_so(action):
    asked = update(action=action)
    found = step(asked, seen(running(), unsound="git is gone", installed="new"))
    assert isinstance(found, Settle)
    assert found.outcome == "failed"
    assert "git is gone" in found.detail


def test_code_that_is_half_changed_concerns_only_the_updates_own_intent():
    assert step(intent(), seen(running(), unsound="git is gone")) == Signal(OLD)


def test_a_reload_in_a_storm_is_refused_before_it_has_begun_and_seen_through_after():
    asked, world = automatic(action="reload"), seen(fresh(), restarts=tuple(NOW - at for at in range(1, 11)))
    assert step(asked, world).outcome == "failed"
    assert step(asked, world, Progress(since=NOW - 5, signals=1)) == Start(reload=True)


def test_a_reload_that_has_expired_reloads_nothing():
    found = step(intent(action="reload", expires_at=NOW - 1), seen(fresh()))
    assert found.outcome == "expired"
    assert "within 9 s" in found.detail


def test_a_redelivered_message_is_told_that_it_was_carried_out_before():
    world = seen(running(), answered=frozenset({MESSAGE.key}))
    assert "carried out before" in step(intent(origin=MESSAGE), world).detail


def test_a_drain_that_its_driver_signalled_counts_from_that_signal():
    exited = running(state="exited")
    late = Progress(since=NOW - 9000, signals=1, signalled_pid=OLD.pid, signalled_at=NOW - 1)
    assert isinstance(step(world=seen(exited), progress=late), Wait)


# A program that restarts in its own process keeps its pid.


def generation(began, **changes):
    return running(generation=began, started_at=began, **changes)


ASKED_OF = intent(generation=NOW - 9000)


def test_the_same_process_in_another_generation_is_the_fresh_instance():
    found = step(ASKED_OF, seen(generation(NOW - 3)), BEGUN)
    assert isinstance(found, Settle)
    assert found.outcome == "restarted"


def test_another_generation_of_the_named_process_is_never_killed():
    late = Progress(since=NOW - 9000, signals=1, repeats=3, signalled_pid=OLD.pid, signalled_at=NOW - 9000)
    for state in ("starting", "draining", "exited", "ready"):
        assert not isinstance(step(ASKED_OF, seen(generation(NOW - 3, state=state)), late), Kill | Signal)


def test_the_same_generation_is_the_one_that_must_go_though_each_look_takes_a_while():
    assert step(ASKED_OF, seen(generation(NOW - 9001.5))) == Signal(OLD)


def test_a_generation_that_nobody_could_name_is_fresh_when_it_began_after_the_request():
    unnamed = intent(generation=None)
    assert step(unnamed, seen(generation(NOW - 9000))) == Signal(OLD)
    assert isinstance(step(unnamed, seen(generation(NOW - 3)), BEGUN), Settle)


def test_a_generation_that_cannot_be_told_now_is_the_named_one():
    assert step(ASKED_OF, seen(running())) == Signal(OLD)


# The clock is set between the request and the restart.


def test_a_request_expires_by_the_clock_that_nobody_sets():
    asked = intent(boot_time=100.0, boot_id="boot", expires_at=NOW + 3590)
    jumped = seen(running(), now=NOW + 1e6, boot_id="boot", boot_time=110.0)
    assert step(asked, jumped) == Signal(OLD)
    assert step(asked, replace(jumped, now=NOW - 1e6, boot_time=100.0 + 3600)).outcome == "expired"
    assert step(asked, replace(jumped, boot_id="next boot")).outcome == "expired"


def test_what_began_since_the_request_is_told_by_the_same_clock():
    ticks = os.sysconf("SC_CLK_TCK")
    asked = intent(target=None, boot_time=100.0, boot_id="boot")
    for began, outcome in ((105, "restarted"), (95, "already-satisfied")):
        identity = replace(FRESH, start_ticks=began * ticks, boot_id="boot")
        for stamp in (NOW - 7200, NOW + 7200):
            assert step(asked, seen(running(identity, revision="new", started_at=stamp))).outcome == outcome
