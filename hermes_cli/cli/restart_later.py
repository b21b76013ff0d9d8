"""`hermes gateway restart --when-idle`, `--at TIME`: recorded now, carried out later."""

import time
from datetime import datetime, timedelta

from hermes_cli.errors import NotRunningError, UsageError
from hermes_cli.paths import Paths
from hermes_cli.restart import ask, send
from hermes_cli.services import choose

_FURTHEST = 30 * 86400.0  # seconds


def restart_later(paths: Paths, *, timeout: float | None, idle: bool, at: str | None) -> tuple[send.Submitted, str]:
    """Record a restart that is to wait. Return the request, and what to say of it. Raises HermesError."""
    due = None if at is None else moment(at, time.time())
    record = ask.ask(paths, reason="manual", command="hermes gateway restart", drain_timeout=timeout)
    if record["target"] is None:
        raise NotRunningError("nothing runs that could be restarted later: hermes gateway start")
    submitted = send.send_for_later(paths, record, idle=idle, at=due)
    when = [] if due is None else [time.strftime("from %Y-%m-%d %H:%M on", time.localtime(due))]
    when += ["when no turn runs"] if idle else []
    by = choose(paths).completed_by
    return submitted, f"recorded, will be completed by {by} {', '.join(when)} (intent {submitted.id})"


def moment(text: str, now: float) -> float:
    """Return when `text` is next, in epoch seconds: a time of day, or a date and time. Raises UsageError."""
    try:
        if "T" not in text and "-" not in text:
            clock = datetime.strptime(text, "%H:%M")  # noqa: DTZ007  local, whatever summer time does until then
            today = datetime.fromtimestamp(now)  # noqa: DTZ006  the same
            found = today.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
            return (found if found.timestamp() > now else found + timedelta(days=1)).timestamp()
        found = datetime.fromisoformat(text)
        at = (found if found.tzinfo else found.astimezone()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"--at {text!r} is no time: use for example 04:00 or 2026-11-23T16:05") from None
    if not now < at < now + _FURTHEST:
        raise UsageError(f"--at {text!r} is not within the next 30 days")
    return at
