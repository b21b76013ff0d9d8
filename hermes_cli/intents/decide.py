"""What to do next about one intent: a pure function of (intent, progress, observation, policy).

Read it as a table, top to bottom: the first line that fits decides. Nothing here touches the world, so every
combination of facts can be tested, and any reader of a record comes to the same end (rule 4).
"""

from dataclasses import replace

from hermes_cli.intents.observation import Observation, Policy
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import Intent, Requester
from hermes_cli.intents.request import UPDATE
from hermes_cli.intents.step import Kill, PutBack, Settle, Signal, Start, Step, Wait
from hermes_cli.programs.own import Instance

EX_CONFIG = 78
_LONGEST_DRAIN = 86400.0  # seconds; what a gateway says of itself is believed up to this
_PERSON = 5  # a person may restart so many times as often as programs; who claims to be one, too
_REPEATS, _REPEAT_AFTER = 3, 5.0  # SIGUSR1 to a gateway that shows nothing, and after how many seconds
_TRIES = 2  # of code that worked nowhere yet: starts that fail, or fresh gateways that end by themselves


def decide(intent: Intent, progress: Progress, seen: Observation, policy: Policy) -> Step:
    """The next step towards this intent's end."""
    progress = progress.not_ahead_of(seen.now)
    if seen.change is None or seen.held or seen.unsound is not None or seen.desired == "stopped":
        return _next(intent, progress, seen, policy)
    if seen.change.undone is not None:
        return _after_putting_back(intent, progress, seen, policy, seen.change.undone)
    return _on_trial(intent, progress, seen, policy)


def witnessed(before: Progress, intent: Intent, seen: Observation) -> Progress:
    """What a look shows of how long the fresh instance has been ready. A restart that was asked for is no loss."""
    running = seen.instance
    if running is not None and running.identity.pid == before.ready_pid:
        return before if running.ready else replace(before, ready_pid=0)
    lost = before.lost + (before.ready_pid != 0)
    if running is not None and running.ready and not _is_outdated(intent, running, seen):
        return replace(before, ready_pid=running.identity.pid, ready_since=seen.now, lost=lost)
    return replace(before, ready_pid=0, lost=lost) if before.ready_pid else before


def counted(before: Progress, intent: Intent, seen: Observation) -> Progress:
    """What a look shows of starts that failed unseen: launchd starts at once what took a while to crash."""
    running, service = seen.instance, seen.service
    if running is not None:
        pid = 0 if _is_outdated(intent, running, seen) else running.identity.pid
    elif service.state == "unknown":
        return before
    else:
        pid = service.pid or 0 if service.state == "running" else 0
        if intent.target is not None and pid == intent.target.pid:
            pid = 0
    died = 0 not in {pid, before.start_pid} and pid != before.start_pid
    return replace(before, start_pid=pid, died=before.died + died)


def _on_trial(intent: Intent, progress: Progress, seen: Observation, policy: Policy) -> Step:
    """New code that no gateway has stayed ready on yet: what would fail goes back instead."""
    if progress.lost >= _TRIES:
        return PutBack(f"the new gateway was ready and ended by itself, {progress.lost} times")
    # The code was changed, whatever its revision is called: nothing is cancelled for being what it was.
    changed = replace(intent, revision=None)
    step = _next(changed, progress, seen, replace(policy, max_attempts=min(_TRIES, policy.max_attempts)))
    if not isinstance(step, Settle):
        return step
    if step.outcome == "failed":
        return PutBack(step.detail)
    running = seen.instance
    if step.outcome == "cancelled" or running is None:
        return step
    since = max(progress.ready_since if progress.ready_pid == running.identity.pid else seen.now, running.started_at)
    if running.revision is None:
        deadline = since + policy.start_timeout
        if seen.now >= deadline:
            return PutBack(f"the new gateway, pid {running.identity.pid}, does not say which revision it runs")
        return Wait("the fresh instance to say its revision", deadline)
    stays = min(since, seen.now) + policy.stay_ready
    return step if seen.now >= stays else Wait("the fresh instance to stay ready", stays)


def _after_putting_back(intent: Intent, progress: Progress, seen: Observation, policy: Policy, why: str) -> Step:
    """A gateway on the old code has to run again, whichever it is; and then the update has failed all the same."""
    running = seen.instance
    if running is not None and running.revision is None and running.started_at < progress.since:
        seen = replace(seen, instance=replace(running, revision="unknown"))  # it may run what was just put away
    # Nobody's wish any more: neither the instance that it named nor who asked for it counts.
    repair = replace(intent, target=None, revision=None, origin=None, requester=Requester(in_tree=False))
    step = _next(repair, progress, seen, policy)
    if isinstance(step, Signal) and running is not None and running.state == "starting":
        return Kill(running.identity)  # it never had a turn, and it may never look at a signal
    if not isinstance(step, Settle):
        return step
    if step.outcome == "failed":
        return Settle("failed", f"{why}; the old code was put back, and does not come up either: {step.detail}")
    return Settle("failed", f"{why}; the old code was put back: {step.detail}")


def _next(intent: Intent, progress: Progress, seen: Observation, policy: Policy) -> Step:
    if seen.desired == "stopped":
        return Settle("cancelled", "the gateway was stopped: stop wins over a restart")
    if seen.held:
        return Wait("the update that is changing the code", seen.now + policy.start_timeout)
    if intent.reason == UPDATE and seen.unsound is not None:
        return Settle("failed", f"the code is half changed, so nothing was restarted ({seen.unsound}): hermes update")
    if intent.reason == UPDATE and _changed_nothing(intent, progress, seen):
        return Settle("cancelled", f"the update left the code at {seen.installed}")
    running = seen.instance
    if running is not None and _is_outdated(intent, running, seen):
        return _retire(intent, progress, seen, policy, running)
    if running is not None and intent.action == "reload" and not progress.attempts:
        # Whatever came up meanwhile runs under the definition that is to go.
        refused = None if progress.signals else _refusal(intent, seen, policy)
        return refused or Start(reload=True)
    if running is not None:
        return _judge_fresh(intent, progress, seen, policy, running)
    if seen.target_alive:
        return _await_description(intent, progress, seen, policy)
    return _revive(intent, progress, seen, policy)


def storm(restarts: tuple[float, ...], now: float, policy: Policy, times: int = 1) -> str | None:
    """Why no further restart is admitted now, at `times` the limit, or None (failure mode B6)."""
    recent = [at for at in restarts if now - policy.storm_window < at <= now]
    if len(recent) < times * policy.storm_limit:
        return None
    return (
        f"refused: {len(recent)} restarts within {policy.storm_window / 60:.0f} min, something asks again and again; "
        "see hermes gateway intents list"
    )


def _changed_nothing(intent: Intent, progress: Progress, seen: Observation) -> bool:
    """An updater that died, or gave up, before the code was changed: a gateway that runs is to be left alone."""
    if seen.installed is None or seen.installed != intent.revision or progress.signals:
        return False
    return seen.instance is not None and seen.instance.state in {"starting", "ready"}


def _is_outdated(intent: Intent, running: Instance, seen: Observation) -> bool:
    """Whether the running instance is one that this intent wants gone."""
    if intent.target is not None and intent.target.is_same_as(running.identity):
        return True
    # A crash during an update may have brought up an instance on half the change: it is not fresh either.
    return (
        intent.reason == UPDATE
        and seen.installed is not None
        and running.revision is not None
        and running.revision != seen.installed
    )


def _retire(intent: Intent, progress: Progress, seen: Observation, policy: Policy, running: Instance) -> Step:
    if running.state in {"draining", "exited"}:
        return _await_exit(intent, progress, seen, policy, running)
    if progress.signalled_pid == running.identity.pid:
        return _await_drain(intent, progress, seen, policy, running)
    refused = _refusal(intent, seen, policy)
    if refused is not None:
        return refused
    if progress.signals >= policy.max_attempts:
        return Settle("failed", f"still on {running.revision} after {progress.signals} restarts, not {seen.installed}")
    if not running.handles_signal:
        deadline = _first(running.started_at, progress, seen) + policy.start_timeout
        if seen.now >= deadline:
            return Kill(running.identity)
        return Wait("the gateway to finish starting", deadline)
    return Signal(running.identity)


def _await_exit(intent: Intent, progress: Progress, seen: Observation, policy: Policy, running: Instance) -> Step:
    """It drains, or has said that it exits; killed when every clock of its own has run out."""
    clocks = policy.clocks(intent)
    drain = running.drain
    since = _first(drain.since if drain else 0.0, progress, seen)
    lasts = drain.deadline - drain.since if drain else clocks.drain
    if not 0 <= lasts <= _LONGEST_DRAIN:
        lasts = clocks.drain
    kill_at = since + max(lasts, clocks.drain) + clocks.driver_deadline - clocks.drain
    if seen.now >= kill_at:
        return _kill(progress, policy, running)
    if running.state == "exited":
        return Wait("the old process to exit", kill_at)
    turns = drain.turns if drain else running.active_turns
    passed = f"{max(0.0, seen.now - since):.0f} s of {lasts:.0f} s"
    return Wait(f"drain: {turns} turn{'' if turns == 1 else 's'}, {passed}", kill_at)


def _await_drain(intent: Intent, progress: Progress, seen: Observation, policy: Policy, running: Instance) -> Step:
    """It was signalled and does not drain yet. The driver that noted the signal may have died before it was sent."""
    kill_at = progress.signalled_at + policy.clocks(intent).driver_deadline
    if seen.now >= kill_at:
        return _kill(progress, policy, running)
    if not running.handles_signal or progress.repeats >= _REPEATS:
        return Wait("the gateway to begin its drain", kill_at)
    repeat_at = progress.signalled_at + _REPEAT_AFTER * (progress.repeats + 1)
    if seen.now >= repeat_at:
        return Signal(running.identity)
    return Wait("the gateway to begin its drain", min(repeat_at, kill_at))


def _kill(progress: Progress, policy: Policy, running: Instance) -> Step:
    if progress.signals >= 2 * policy.max_attempts:
        return Settle("failed", f"pid {running.identity.pid} survives SIGKILL: see what it waits for in the kernel")
    return Kill(running.identity)


def _first(stamp: float, progress: Progress, seen: Observation) -> float:
    """The latest of what is known of a beginning: a gateway's stamp (unless missing or ahead), our look, our signal."""
    return max(stamp if stamp <= seen.now else 0.0, progress.since, progress.signalled_at)


def _refusal(intent: Intent, seen: Observation, policy: Policy) -> Settle | None:
    """Why a restart that has not begun must not begin."""
    if intent.expires_at is not None and seen.now >= intent.expires_at:
        return Settle("expired", f"nothing came to carry it out within {intent.expires_at - intent.requested_at:.0f} s")
    if intent.origin is not None and intent.origin.key in seen.answered:
        return Settle("already-satisfied", "this message's request was carried out before")
    refused = storm(seen.all_restarts, seen.now, policy, _PERSON)
    if intent.is_automatic and refused is None:
        refused = storm(seen.restarts, seen.now, policy)
    return None if refused is None else Settle("failed", refused)


def _judge_fresh(intent: Intent, progress: Progress, seen: Observation, policy: Policy, running: Instance) -> Step:
    """Another instance than the named one runs."""
    if running.ready:
        described = f"pid {running.identity.pid}, revision {running.revision}"
        if running.started_at >= intent.requested_at:
            return Settle("restarted", described)
        return Settle("already-satisfied", f"{described} was fresh when it was asked")
    if running.state == "draining":
        return Wait("another restart under way", seen.now + policy.start_timeout)
    if _crashes_again_and_again(progress, seen, policy):
        return Settle("failed", _failure(progress, seen))
    begun = max(running.started_at if running.started_at <= seen.now else 0.0, progress.attempted_at) or progress.since
    if seen.now - begun >= policy.start_timeout:
        return Settle(
            "failed", f"pid {running.identity.pid} runs, but was not ready after {policy.start_timeout:.0f} s"
        )
    return Wait("the fresh instance to be ready", begun + policy.start_timeout)


def _await_description(intent: Intent, progress: Progress, seen: Observation, policy: Policy) -> Step:
    """The named process holds the gateway's lock but gateway.json does not say so: unknown, so no signal (rule 5)."""
    deadline = progress.since + policy.clocks(intent).driver_deadline
    if seen.now >= deadline:
        return Settle("failed", "the gateway runs but does not describe itself: hermes gateway stop, then start")
    return Wait("gateway.json to be written again", deadline)


def _revive(intent: Intent, progress: Progress, seen: Observation, policy: Policy) -> Step:
    """Nothing runs, and something should."""
    if intent.target is None and not progress.attempts:
        refused = _refusal(intent, seen, policy)
        if refused is not None:
            return refused
    if _crashes_again_and_again(progress, seen, policy):
        return Settle("failed", _failure(progress, seen))
    due = progress.attempted_at + policy.pause(progress.attempts, seen.service)
    scheduled = progress.attempts > 0 and seen.service.scheduled and progress.attempted_at <= seen.now < due
    failing = progress.attempts > 0 and seen.service.state == "stopped" and not scheduled
    if failing and (seen.service.exit_code == EX_CONFIG or progress.attempts >= policy.max_attempts):
        return Settle("failed", _failure(progress, seen))
    if scheduled:
        return Wait("the service manager's interval between two starts", due)
    if progress.attempts and seen.service.state != "stopped":
        ready_by = progress.attempted_at + policy.start_timeout
        if seen.now < ready_by:
            return Wait("the fresh instance to be ready", ready_by)
        if progress.attempts >= policy.max_attempts:
            return Settle("failed", _failure(progress, seen))
    elif progress.attempts and progress.attempted_at <= seen.now < due:
        return Wait(f"the pause before demand start {progress.attempts + 1}", due)
    return Start(reload=intent.action == "reload")


def _crashes_again_and_again(progress: Progress, seen: Observation, policy: Policy) -> bool:
    """Whether as many starts have failed as are tried, though every look saw one at work."""
    if not progress.died:
        return False
    return seen.service.exit_code == EX_CONFIG or progress.attempts + progress.died > policy.max_attempts


def _failure(progress: Progress, seen: Observation) -> str:
    starts = f"{progress.attempts} demand start{'' if progress.attempts == 1 else 's'}"
    if progress.died:
        starts += f" and {progress.died} by the service manager"
    return f"no ready gateway after {starts}: {seen.service.reason}"


def noted(before: Progress, step: Step, now: float) -> Progress:
    """What is to be noted of a step before it is taken: a driver that is killed in between has counted it."""
    match step:
        case Signal(target) if target.pid == before.signalled_pid:
            return replace(before, repeats=before.repeats + 1)
        case Signal(target) | Kill(target):
            return replace(before, signals=before.signals + 1, repeats=0, signalled_pid=target.pid, signalled_at=now)
        case Start():
            return replace(before, attempts=before.attempts + 1, attempted_at=now, start_pid=0)
        case PutBack():  # the old code has all its attempts
            return Progress(since=now)
        case _:
            return before
