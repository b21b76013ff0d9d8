"""Status for a person."""

from hermes_cli.mends import home_to_name
from hermes_cli.programs.starts import last_crash
from hermes_cli.status.gather import Status
from hermes_cli.status.problems import problems
from hermes_cli.system.printable import printable

_SHOWN = 20  # pending intents


def text(status: Status) -> str:
    """Return the lines that `hermes gateway status` prints."""
    service, running = status.service.service, status.instance
    lines = []
    if running is not None:
        turns = f"{running.active_turns} active turn{'' if running.active_turns == 1 else 's'}"
        up = span(status.now - running.started_at)
        state = (
            f"{running.state}, pid {running.identity.pid}, revision {running.revision or 'unknown'}, up {up}, {turns}"
        )
        crash = last_crash(status.runs)
        if crash is not None and crash.ended_at is not None:
            state += f"; the one before it, pid {crash.pid}: {crash.end}, {span(status.now - crash.ended_at)} ago"
    elif status.is_undescribed:
        pid = f", pid {service.pid}" if service.pid is not None else ""
        state = f"running{pid}, and gateway.json, which describes it, is missing"
    else:
        state = {"running": "starting", "stopped": "not running", "unknown": "cannot tell"}[service.state]
        state += f", {service.detail}" if service.detail else ""
    lines.append(f"gateway    {state}")
    where = f" in {status.service.domain}" if status.service.domain else ""
    installed = "installed" if status.service.installed else "not installed"
    lines.append(
        f"service    {status.service.label}{where}, {status.manager}, {installed}, {service.state}, "
        f"desired {status.desired}, profile {status.profile}"
    )
    if status.adopted is not None:
        wish = f", asked to restart in {status.adopted.wish}" if status.adopted.wish else ""
        lines.append(f"adopted    {status.adopted.program}, its own definition {status.adopted.definition}{wish}")
    detail = f", {status.restarter.detail}" if status.restarter.detail else ""
    lines.append(f"restarter  {status.restarter.state}{detail}")
    lines.append(f"pending    {len(status.pending) or 'none'}")
    lines += [
        f"  {one['id']}  {one['reason']} by {one['requester']}, {span(one['age'])} ago, "
        f"{one['attempts']} attempts, waiting for {one['waiting_for']}"
        for one in status.pending[:_SHOWN]
    ]
    if len(status.pending) > _SHOWN:
        lines.append(f"  and {len(status.pending) - _SHOWN} more: hermes gateway intents list")
    if status.last is not None:
        ago = span(status.now - status.last.settled_at)
        took = f"took {status.last.took:.1f} s, {ago} ago, trigger {status.last.trigger}"
        lines.append(f"last       {status.last.outcome}: {status.last.detail}; {took} ({status.last.intent.id})")
    for one in problems(status, home_to_name()):
        lines += [f"problem    {one.text}", f"           {one.mend}"]
    return "\n".join(printable(line) for line in lines)


def span(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} d"
