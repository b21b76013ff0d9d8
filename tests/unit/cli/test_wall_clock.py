"""When `--at` is."""

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from hermes_cli.cli.restart_later import moment
from hermes_cli.errors import UsageError

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ("2026-06-01T03:59", "2026-06-01T04:00"),
        ("2026-06-01T04:00", "2026-06-02T04:00"),
        ("2026-10-24T23:00", "2026-10-25T04:00"),  # the night has 25 hours from midnight to midnight
        ("2026-03-28T23:00", "2026-03-29T04:00"),  # and this one 23
    ],
)
@pytest.mark.usefixtures("berlin")
def test_a_time_of_day_is_the_next_one_on_the_wall_also_over_summer_time(asked: str, due: str) -> None:
    now = datetime.fromisoformat(asked).replace(tzinfo=BERLIN).timestamp()
    assert moment("04:00", now) == datetime.fromisoformat(due).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize("text", ["4 am", "25:00", "2020-01-01T00:00", "2099-01-01T00:00", "", "T"])
def test_what_is_no_time_ahead_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        moment(text, time.time())
