"""What there is to be told, read from records; and what of it was told."""

import os
import time
from pathlib import Path

import pytest

from hermes_cli.notify import deliver, events
from hermes_cli.notify import outbox as outbox_module
from hermes_cli.notify.outbox import TRIES, Outbox, Tried
from hermes_cli.programs.starts import Run


def run(pid, at, *, lasted=1.0, code=1):
    return Run(pid, at, "boot", at + lasted, code)


def names(runs):
    return [one.name for one in events.of_runs(runs)]


def test_three_crashes_soon_after_a_start_are_a_loop_and_it_is_told_once():
    runs = [run(number, number * 10.0) for number in range(1, 6)]
    assert names(runs[:2]) == ["crashed", "crashed"]
    assert names(runs) == ["crashed", "crashed", "crashed", "crash-loop", "crashed", "crashed"]
    assert len({one.id for one in events.of_runs(runs)}) == 6


@pytest.mark.parametrize(
    "between",
    [run(9, 25.0, code=0), run(9, 25.0, code=75), run(9, 25.0, lasted=3600.0)],
    ids=["stop", "restart", "long"],
)
def test_what_was_no_crash_or_lasted_ends_the_row(between):
    assert "crash-loop" not in names([run(1, 10.0), run(2, 20.0), between, run(3, 30.0)])


def test_a_crash_has_the_same_id_whenever_it_is_seen():
    first = events.of_runs([Run(7, 100.25, "boot", 200.0, None)])
    later = events.of_runs([Run(7, 100.25, "boot", 205.0, None)])
    assert next(first).id == next(later).id


def test_what_happened_before_it_was_switched_on_is_nobodys_news(paths):
    outbox = Outbox(paths)
    found = [events.Event("old", "restarted", 50.0, ""), events.Event("new", "restarted", 150.0, "")]
    assert [one.id for one in outbox.undone(found, 100.0)] == ["new"]
    assert [one.id for one in outbox.undone(found, 200.0)] == ["new"]
    outbox.done("new")
    assert outbox.undone(found, 300.0) == []


@pytest.mark.parametrize(
    ("meanwhile", "told"), [("", ["new"]), ("[notify", ["between", "new"])], ids=["nobody", "unknown"]
)
def test_who_is_to_be_told_again_hears_nothing_of_the_time_between(paths, meanwhile, told):
    def write(text: str, at: float) -> None:
        Path(paths.config).parent.mkdir(parents=True, exist_ok=True)
        Path(paths.config).write_text(text)
        os.utime(paths.config, (at, at))

    now = time.time()
    write('[notify]\ncommand = ["true"]\n', now - 100)
    assert deliver.deliver(paths) == []
    write(meanwhile, now - 80)
    deliver.by_driver(paths)
    events.note_update(paths, "1", "between", now - 50)
    write('[notify]\ncommand = ["true"]\n', now - 20)
    events.note_update(paths, "2", "new", now)
    assert [(one.event.text, one.why) for one in deliver.deliver(paths)] == [(text, None) for text in told]


def test_a_failure_is_tried_again_later_and_given_up_at_last(paths):
    outbox = Outbox(paths)
    event = events.Event("x", "restarted", 150.0, "")
    assert outbox.undone([event], 100.0) == [event]
    now = 1000.0
    for _ in range(TRIES - 1):
        outbox.failed("x", outbox.tried("x"), now)
        assert not outbox.tried("x").is_due(now + 1)
        now += 1000
        assert outbox.tried("x").is_due(now)
        assert outbox.undone([event], now) == [event]
    outbox.failed("x", outbox.tried("x"), now)
    assert outbox.undone([event], now) == []


def test_a_clock_that_went_back_delays_nothing():
    assert Tried(1, at=5000.0).is_due(10.0)


def test_an_update_is_noted_once_for_each_revision(paths):
    for _ in range(2):
        events.note_update(paths, "1.2", "1.1 → 1.2", 10.0)
    events.note_update(paths, "1.3/../x", "1.1 → 1.3", 20.0)
    assert [(one.at, one.more["revision"]) for one in sorted(events.of_spool(paths), key=lambda one: one.at)] == [
        (10.0, "1.2"),
        (20.0, "1.3/../x"),
    ]


def test_marks_and_notes_are_bounded(paths, monkeypatch):
    monkeypatch.setattr(outbox_module, "_KEPT", 5)
    outbox = Outbox(paths)
    for number in range(12):
        outbox.done(f"x{number}")
        os.utime(f"{outbox.folder}/done/x{number}", (number, number))
    assert len(os.listdir(f"{outbox.folder}/done")) <= 6
    for number in range(60):
        events.note_update(paths, f"1.{number}", "", float(number))
    assert len(list(events.of_spool(paths))) == 50
