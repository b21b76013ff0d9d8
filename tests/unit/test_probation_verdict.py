"""When an update is rolled back by itself: pure functions of the receipt, the instance before, and the clock."""

import time

import pytest
from support.values import replace

from hermes_cli.intents.instance import TICKS, Crashes, Instance
from hermes_cli.intents.request import boot_time
from hermes_cli.system import process_table
from hermes_cli.system.process import Identity
from hermes_cli.update.crashes import Finding, Receipt, is_crash, judge, verdict

BOOT, WINDOW, NOW = "this boot", 600.0, 1100.0
RECEIPT = Receipt("an update", "new", began_at=990.0, ended_at=1000.0)
DEAD = Instance(Identity(42, 995.0, 7, BOOT), "ready", revision="new", started_at=995.0)


def after(before, receipt=RECEIPT, now=NOW, window=WINDOW, *, asked=False):
    return judge(receipt, before, BOOT, now, window, asked=asked)


def counted(count, update="an update"):
    return replace(DEAD, crashes=Crashes(update, count))


@pytest.mark.parametrize(
    ("crashes", "now", "expected"),
    [
        (0, NOW, "watched"),
        (2, NOW, "watched"),
        (3, NOW, "rolled back"),
        (4, NOW, "rolled back"),
        (3, 1000.0, "rolled back"),
        (3, 1599.9, "rolled back"),
        (3, 1600.0, "over"),
        (3, 999.9, "over"),  # the clock was set back
    ],
)
def test_the_third_crash_within_the_window_rolls_back(crashes, now, expected):
    assert verdict(RECEIPT, crashes, now, WINDOW) == expected


def test_without_an_update_or_without_a_window_nothing_is_watched():
    assert verdict(None, 3, NOW, WINDOW) == verdict(RECEIPT, 3, NOW, 0.0) == "over"
    assert verdict(RECEIPT, 3, RECEIPT.ended_at, 0.0) == "over"
    assert after(counted(2), receipt=None) == Finding()
    assert after(DEAD, window=0.0) == Finding()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"state": "starting"}, True),
        ({"state": "starting", "revision": None}, True),  # it died before git had answered
        ({"state": "draining"}, False),
        ({"state": "exited", "exit_code": 0}, False),
        ({"state": "exited", "exit_code": 75}, False),
        ({"state": "exited", "exit_code": 1}, True),
        ({"state": "exited", "exit_code": None}, False),
        ({"revision": "old"}, False),
        ({"started_at": 989.0}, False),  # it ran before the update
        ({"identity": Identity(42, 995.0, 7, "another boot")}, False),
        ({"identity": Identity(42, 995.0, 7)}, False),
    ],
)
def test_a_crash_is_an_end_that_nobody_asked_for_of_a_gateway_on_the_new_code(changes, expected):
    assert is_crash(replace(DEAD, **changes), RECEIPT, BOOT, NOW) is expected


def test_where_the_receipt_does_not_say_the_revision_any_will_do():
    assert is_crash(replace(DEAD, revision="0.1"), replace(RECEIPT, revision=None), BOOT, NOW)


def test_no_instance_before_is_no_crash():
    assert not is_crash(None, RECEIPT, BOOT, NOW)
    assert after(None) == Finding()


def test_crashes_add_up_from_instance_to_instance():
    first = after(DEAD)
    second = after(replace(DEAD, crashes=first.crashes))
    third = after(replace(DEAD, crashes=second.crashes))
    assert [one.crashes.times for one in (first, second, third)] == [1, 2, 3]
    assert [one.roll_back for one in (first, second, third)] == [False, False, True]


def test_an_end_that_was_asked_for_keeps_the_count_and_asks_for_nothing():
    assert after(counted(3), asked=True) == Finding(Crashes("an update", 3))
    assert after(replace(counted(3), state="exited", exit_code=75)) == Finding(Crashes("an update", 3))


def test_another_update_begins_to_count_anew():
    assert after(counted(2, "the one before")) == Finding(Crashes("an update", 1))
    assert after(replace(counted(2, "the one before"), state="draining")) == Finding()


def test_a_crash_after_the_window_is_not_counted():
    assert after(counted(2), now=1600.0) == Finding(Crashes("an update", 2))


@pytest.mark.parametrize("shift", [10800.0, -7200.0])
def test_an_update_stays_on_probation_whoever_sets_the_clock(shift):
    booted, boot = boot_time(), process_table.boot_id()
    now = time.time()
    made = Receipt("an update", "new", now - 110.0 - shift, now - 100.0 - shift, boot, booted - 110.0, 10.0)
    assert verdict(made, 3, now, WINDOW) == "rolled back"
    assert verdict(made, 3, now, 50.0) == "over"
    ran = Identity(42, 995.0, int((booted - 60.0) * TICKS), boot)
    crashed = replace(DEAD, identity=ran, started_at=now - 60.0 - 2 * shift)
    assert is_crash(crashed, made, boot, now)
    before_it = replace(ran, start_ticks=int((booted - 200.0) * TICKS))
    assert not is_crash(replace(crashed, identity=before_it, started_at=now), made, boot, now)
