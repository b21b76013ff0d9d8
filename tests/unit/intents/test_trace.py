"""The phases of a restart: in order, and adding up to what it took, whatever was told."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.values import replace

from hermes_cli.intents.instance import Instance, Marks
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import parse
from hermes_cli.intents.request import boot_time, timestamp
from hermes_cli.intents.trace import PHASES, live_trace, reached, settled_trace, trace
from hermes_cli.system import process_table
from hermes_cli.system.process import Identity

ID = "20261123T160511.000000Z-1-a"
T = 1795449911.0
OLD, NEW = Identity(10, 5.0, 500, "b"), Identity(20, 9.0, 900, "b")
OLD_MARKS = Marks(10, ready=T - 100, signalled=T + 0.01, draining=T + 0.02, exited=T + 4.0, turns=2)


def intent(**more):
    document = {"schema": 1, "id": ID, "requested_at": "2026-11-23T16:05:11+00:00", "target": OLD.document(), **more}
    return parse(json.dumps(document).encode(), ID, "default")


def names(found):
    return [one.name for one in found.phases]


def test_a_whole_restart_is_told_by_who_took_each_step():
    fresh = Instance(NEW, "ready", started_at=T + 4.3, marks=Marks(20, ready=T + 4.5), before=OLD_MARKS)
    known = Progress(attempts=1, attempted_at=T + 4.1, signalled_at=T + 1.0, gone_at=T + 4.05)
    found = settled_trace(intent(trace=reached(intent(), known, fresh) | {"turns": 2}), 4.6, 1)
    assert tuple(names(found)) == PHASES
    assert found.took == pytest.approx(4.6)
    assert [round(one.lasted, 2) for one in found.phases[:-1]] == [0.01, 0.01, 3.98, 0.1, 0.2, 0.2, 0.1]
    assert (found.turns, found.phases[-1].lasted) == (2, None)


def test_while_it_goes_on_the_last_phase_has_no_end():
    draining = Instance(OLD, "draining", marks=replace(OLD_MARKS, exited=0.0))
    found = live_trace(intent(), Progress(), draining)
    assert names(found) == ["requested", "signalled", "draining"]
    assert found.phases[-1].lasted is None
    assert found.turns == 2


def test_marks_of_an_instance_that_the_intent_does_not_name_are_not_taken_for_its_own():
    fresh = Instance(NEW, "ready", started_at=T + 2, before=replace(OLD_MARKS, pid=11))
    assert names(live_trace(intent(), Progress(gone_at=T + 1), fresh)) == ["requested", "exited", "starting"]


def test_a_start_that_came_before_it_was_demanded_was_the_managers_own():
    assert names(trace(intent(), {"exited": 1.0, "demanded": 2.0, "starting": 1.5, "settled": 3.0})) == [
        "requested",
        "exited",
        "starting",
        "settled",
    ]


def test_what_was_under_way_when_it_was_asked_begins_with_the_request():
    found = trace(intent(), {"draining": -5.0, "exited": 1.0, "settled": 2.0})
    assert [(one.name, one.at - T) for one in found.phases][1] == ("draining", 0.0)


@pytest.mark.parametrize(
    "told", [None, 5, [], {"ready": "soon", "turns": "two"}, {"ready": float("inf")}, {"ready": 1e300}]
)
def test_a_record_of_an_older_release_or_with_nonsense_in_it_has_a_beginning_and_an_end(told):
    assert names(settled_trace(intent(trace=told), 2.0, 0)) == ["requested", "settled"]


@given(
    st.dictionaries(st.sampled_from(PHASES[1:-1]), st.floats(-1e6, 1e6)),
    st.none() | st.floats(0.0, 1e6),
)
@example(offsets={"signalled": 1.0, "demanded": 0.0}, took=None)
def test_whatever_was_told_the_phases_are_in_order_and_add_up(offsets, took):
    found = trace(intent(), offsets | ({} if took is None else {"settled": took}))
    assert names(found) == [name for name in PHASES if name in names(found)]
    times = [one.at for one in found.phases]
    assert times == sorted(times)
    lasted = [one.lasted for one in found.phases if one.lasted is not None]
    assert sum(lasted) == pytest.approx(found.took, abs=1e-3)
    if took is not None:
        assert found.took == pytest.approx(took, abs=1e-3)


@pytest.mark.parametrize(("shift", "known"), [(0.0, True), (10800.0, False), (-7200.0, False)])
def test_of_a_restart_during_which_the_clock_was_set_no_phase_is_told_wrong(shift, known):
    now, asked = time.time(), {"boot_id": process_table.boot_id(), "boot_time": boot_time() - 5.0}
    one = intent(requested_at=timestamp(now - 5.0 - shift), **asked)
    fresh = Instance(NEW, "ready", started_at=now - 1.0, marks=Marks(20, ready=now - 0.5))
    assert set(reached(one, Progress(gone_at=now - 2.0), fresh)) == (
        {"exited", "starting", "ready"} if known else set()
    )
