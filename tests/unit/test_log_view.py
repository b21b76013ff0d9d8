"""A line of a log as it is shown: local time for a person, an object for a script."""

import json
import time

import pytest

from hermes_cli.status import log_view

LINE = b"2026-07-23T16:05:11.123Z [4242] WARNING hermes.local: a client: with a colon\n"


@pytest.fixture
def somewhere_east(monkeypatch):
    monkeypatch.setenv("TZ", "UTC-02:00")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("somewhere_east")
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (LINE, b"2026-07-23 18:05:11.123 [4242] WARNING hermes.local: a client: with a colon\n"),
        (b"2026-07-23T16:05:11Z [1] INFO x: y\n", b"2026-07-23 18:05:11 [1] INFO x: y\n"),
        (b"2026-99-23T16:05:11Z no such day\n", b"2026-99-23T16:05:11Z no such day\n"),
        (b'  File "x", line 1\n', b'  File "x", line 1\n'),
        (b"\xff\n", b"\xff\n"),
    ],
)
def test_a_person_reads_the_clock_on_the_wall(line, shown):
    assert log_view.local(line) == shown


@pytest.mark.parametrize(
    ("line", "at", "pid", "level", "logger", "message"),
    [
        (LINE, "2026-07-23T16:05:11.123Z", 4242, "WARNING", "hermes.local", "a client: with a colon"),
        (b"2026-07-23T16:05:11Z words\n", "2026-07-23T16:05:11Z", None, None, None, "words"),
        (b"Traceback\n", None, None, None, None, "Traceback"),
        (b"\xff half", None, None, None, None, "\ufffd half"),
    ],
)
def test_a_script_gets_one_object_for_each_line(line, at, pid, level, logger, message):
    found = log_view.as_json(line, "update")
    assert found.endswith(b"\n")
    assert found.count(b"\n") == 1
    expected = {"at": at, "log": "update", "pid": pid, "level": level, "logger": logger, "message": message}
    assert json.loads(found) == expected
