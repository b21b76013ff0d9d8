"""The next moment that a StartCalendarInterval names."""

import datetime as dt
from collections.abc import Iterable, Mapping

_MINUTE = dt.timedelta(minutes=1)
_DAYS_AHEAD = 366 * 8 + 2  # beyond the next 29 February, whatever the century


def next_time(entries: Iterable[Mapping[str, int]], after: dt.datetime) -> dt.datetime | None:
    """Return the first minute later than `after` that an entry names. A key that is missing allows any value."""
    found = [one for entry in entries if (one := _next(entry, after)) is not None]
    return min(found, default=None)


def _next(entry: Mapping[str, int], after: dt.datetime) -> dt.datetime | None:
    first = after.replace(second=0, microsecond=0) + _MINUTE
    day = first.date()
    for _ in range(_DAYS_AHEAD):
        if _day_matches(entry, day):
            for hour in _values(entry, "Hour", 24):
                for minute in _values(entry, "Minute", 60):
                    time = dt.datetime.combine(day, dt.time(hour, minute), after.tzinfo)
                    if time >= first:
                        return time
        day += dt.timedelta(days=1)
    return None


def _values(entry: Mapping[str, int], name: str, count: int) -> Iterable[int]:
    return (entry[name],) if name in entry else range(count)


def _day_matches(entry: Mapping[str, int], day: dt.date) -> bool:
    return (
        entry.get("Month", day.month) == day.month
        and entry.get("Day", day.day) == day.day
        and entry.get("Weekday", day.isoweekday()) % 7 == day.isoweekday() % 7  # Sunday is 0 and 7
    )
