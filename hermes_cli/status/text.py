"""Status for a person."""

import time

from hermes_cli import mends
from hermes_cli.intents.instance import Instance
from hermes_cli.mends import home_to_name
from hermes_cli.programs import description
from hermes_cli.programs.own import RESTART_EXIT_CODE
from hermes_cli.programs.starts import crashes_in_a_row, last_ended
from hermes_cli.status.gather import Status
from hermes_cli.status.problems import problems
from hermes_cli.status.telegram import TelegramState
from hermes_cli.system.printable import printable

_SHOWN = 20  # pending intents


def text(status: Status) -> str:
    """Return the lines that `hermes gateway status` prints."""
    lines = [f"gateway    {_state(status)}", *(f"           {line}" for line in status.log)]
    where = f" in {status.service.domain}" if status.service.domain else ""
    installed = "installed" if status.service.installed else "not installed"
    lines.append(
        f"service    {status.service.label}{where}, {status.manager}, {installed}, {status.service.service.state}, "
        f"desired {status.desired}, profile {status.profile}"
    )
    lines += _of_adopted(status)
    if status.taken_over is not None:
        program = status.taken_over.program or "a program that its file does not tell"
        command = f", runs {status.taken_over.command}" if status.taken_over.command else ""
        lines.append(f"taken over {program}, its file {status.taken_over.file}{command}")
    if status.telegram is not None:
        lines.append(f"telegram   {telegram_line(status.telegram, status.now)}")
    lines.append(f"restarter  {_restarter(status)}")
    lines += _pending(status)
    if status.last is not None:
        ago = span(status.last.ago)
        took = f"took {status.last.took:.1f} s, {ago} ago, trigger {status.last.trigger}"
        lines.append(f"last       {status.last.outcome}: {status.last.detail}; {took} ({status.last.intent.id})")
    places = status.places
    lines.append(f"files      state {places.state}, config {places.config}, log {places.log}")
    lines += _what_now(status)
    return "\n".join(printable(line) for line in lines)


def _state(status: Status) -> str:
    service = status.service.service
    if status.instance is not None:
        return _of_instance(status, status.instance)
    if status.is_elsewhere:
        return f"cannot tell, {description.ELSEWHERE}"
    if status.is_undescribed:
        pid = f", pid {service.pid}" if service.pid is not None else ""
        return f"running{pid}, and gateway.json, which describes it, {status.undescribed}"
    state = {"running": "starting", "stopped": "not running", "unknown": "cannot tell"}[service.state]
    if status.is_crash_looping and service.state == "running":
        state = _tries(status)
    detail = "" if service.detail == "start" else service.detail  # systemd's word for starting
    return f"{state}, {mends.shown(detail, status.profile)}" if detail else state


def _restarter(status: Status) -> str:
    found = status.restarter
    if found.state == "missing" and (status.desired == "stopped" or not status.service.installed):
        return "not running, and nothing is to be restarted"
    return f"{found.state}, {found.detail}" if found.detail else found.state


def _pending(status: Status) -> list[str]:
    lines = [f"pending    {len(status.pending) or 'none'}"]
    lines += [
        f"  {one['id']}  {one['reason']} by {one['requester']}, {span(one['age'])} ago, "
        f"{one['attempts']} attempts, waiting for {one['waiting_for']}"
        for one in status.pending[:_SHOWN]
    ]
    if len(status.pending) > _SHOWN:
        lines.append(f"  and {len(status.pending) - _SHOWN} more: hermes gateway intents list")
    return lines


def _what_now(status: Status) -> list[str]:
    """Return what is wrong, with its mends; where nothing is, and nothing runs, how that is started."""
    home = home_to_name()
    found = [line for one in problems(status, home) for line in (f"problem    {one.text}", f"           {one.mend}")]
    if found or (following := _next(status)) is None:
        return found
    return [f"next       {mends.pasteable(following, status.profile, program=mends.program(), home=home)}"]


def _next(status: Status) -> str | None:
    """Return what a person can do who sees that nothing runs, and that nothing is wrong with that."""
    if status.instance is not None or status.service.service.state != "stopped" or status.adopted is not None:
        return None
    return "hermes gateway start" if status.service.installed else "hermes gateway install"


def _of_instance(status: Status, running: Instance) -> str:
    state = running.state if not status.is_crash_looping else _tries(status)
    words = [state, f"pid {running.identity.pid}"]
    is_ours = status.adopted is None  # of another program's turns nobody knows
    if is_ours or running.revision is not None:
        words.append(f"revision {running.revision or 'unknown'}")
    words.append(f"up {span(running.uptime(status.now))}{_starts(status)}")
    if is_ours and status.taken_over is None:
        words.append(f"{running.active_turns} active turn{'' if running.active_turns == 1 else 's'}")
    return ", ".join(words)


def _of_adopted(status: Status) -> list[str]:
    found = status.adopted
    if found is None:
        return []
    wish = f", asked to restart in {found.wish}" if found.wish else ""
    lines = [f"adopted    {found.program}, its own definition {found.definition}{wish}"]
    is_meant = status.desired == "stopped" or not status.service.installed or status.service.service.state == "running"
    if found.verdict is not None and is_meant:
        mend = f": {mends.shown(found.mend, status.profile)}" if found.mend else ""
        lines.append(f"           {found.verdict}{mend}")
    return lines


def telegram_line(found: TelegramState, now: float) -> str:
    """Return how a bot stands, in one line."""
    words = [f"{found.state} as @{found.username}" if found.username else found.state]
    words += [f"last poll {span(now - found.last_poll)} ago"] if found.last_poll is not None else []
    held_up = f" ({', '.join(found.held_up)})" if found.held_up else ""
    words += [f"{found.undelivered} undelivered{held_up}"]
    words += [f"{found.undeliverable} undeliverable"] if found.undeliverable else []
    words += [f"{found.paired} let in by a code"] if found.paired else []
    words += [f"{found.codes} open code{'' if found.codes == 1 else 's'}"] if found.codes else []
    return ", ".join(words)


def _tries(status: Status) -> str:
    """Return what is said of a gateway that has ended soon after its start, and is started again."""
    last = last_ended(status.runs)
    how = f", last: {last.end}" if last is not None else ""
    return f"starting, {ordinal(crashes_in_a_row(status.runs) + 1)} try{how}"


def _starts(status: Status) -> str:
    """Return how often it was started since somebody said so, and how the run before ended; "" for the first."""
    last = last_ended(status.runs)
    if status.series is None or status.series.starts < 2 or last is None or last.ended_at is None:
        return ""
    said = last.end if last.crashed else {0: "a stop", RESTART_EXIT_CODE: "a restart"}.get(last.code or 0, last.end)
    count = f"{ordinal(status.series.starts)} start since {moment(status.series.since, status.now)}"
    return f" ({count}; last exit: {said}, {span(last.ended_before(status.now))} ago)"


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th and so on."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def moment(at: float, now: float) -> str:
    """Return a local time as a person says it: with the date if that is not today's."""
    then, today = time.localtime(at), time.localtime(now)
    is_today = then[:3] == today[:3]
    return time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", then)


def span(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} d"
