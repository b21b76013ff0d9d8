"""What each look and each step adds to an intent's progress. Pure, like `decide`."""

from hermes_cli.intents.facts import Facts
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.request import UPDATE
from hermes_cli.intents.step import Kill, PutBack, Signal, Start, Step


def with_look(facts: Facts) -> Facts:
    """Return the facts with what this look adds to the progress: nothing while an updater changes the code."""
    if facts.seen.held:
        return facts
    facts = facts.known(with_deaths(facts))
    facts = facts.known(with_departure(facts))
    return facts.known(with_stay(facts)) if facts.intent.reason == UPDATE else facts


def with_stay(facts: Facts) -> Progress:
    """Return the progress with how long the fresh instance has been ready. A restart that was asked for is no loss."""
    before, running = facts.progress, facts.running
    if running is not None and running.identity.pid == before.ready_pid:
        return before if running.ready else before._replace(ready_pid=0)
    lost = before.lost + (before.ready_pid != 0)
    if running is not None and running.ready and facts.outdated is None:
        return before._replace(ready_pid=running.identity.pid, ready_since=facts.now, lost=lost)
    return before._replace(ready_pid=0, lost=lost) if before.ready_pid else before


def with_deaths(facts: Facts) -> Progress:
    """Return the progress with starts that failed between two looks: launchd starts at once what took long to crash."""
    before, running, service = facts.progress, facts.running, facts.seen.service
    if running is not None:
        pid = 0 if facts.outdated is not None else running.identity.pid
    elif service.state == "unknown":
        return before
    else:
        pid = service.pid or 0 if service.state == "running" else 0
        if facts.intent.target is not None and pid == facts.intent.target.pid:
            pid = 0
    died = 0 not in {pid, before.start_pid} and pid != before.start_pid
    return before._replace(start_pid=pid, died=before.died + died)


def with_departure(facts: Facts) -> Progress:
    """Return the progress with when the named instance was first seen to be gone."""
    before, target, running = facts.progress, facts.intent.target, facts.running
    if before.gone_at or target is None or facts.seen.target_alive:
        return before
    if running is not None and target.is_same_as(running.identity):
        return before
    return before._replace(gone_at=facts.now)


def with_step(before: Progress, step: Step, now: float) -> Progress:
    """Return the progress to note before the step is taken: a driver that is killed in between has counted it."""
    match step:
        case Signal(target) if target.pid == before.signalled_pid:
            return before._replace(repeats=before.repeats + 1)
        case Signal(target) | Kill(target):
            return before._replace(signals=before.signals + 1, repeats=0, signalled_pid=target.pid, signalled_at=now)
        case Start():
            return before._replace(attempts=before.attempts + 1, attempted_at=now, start_pid=0)
        case PutBack():  # the old code has all its attempts
            return Progress(since=now)
        case _:
            return before
