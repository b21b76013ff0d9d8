"""Decide what to do next about one intent: the first rule that applies, of a flat list over one `Facts`.

Nothing here touches the world, so every combination of facts can be tested, and any reader of a record comes to the
same end (rule 4). A rule's name is what `status` shows of an intent that waits; its docstring is its line in the
documents. Three phases share the list: plain, trial (new code has to prove itself: what would fail is put back), and
repair (the old code was put back and has to run again: the update has failed all the same).
"""

from collections.abc import Callable

from hermes_cli.intents.facts import PERSON_LIMIT_FACTOR, TRIAL_ATTEMPTS, Facts
from hermes_cli.intents.instance import Instance, drain_text
from hermes_cli.intents.record import LONGEST_DRAIN
from hermes_cli.intents.request import UPDATE, timestamp
from hermes_cli.intents.step import Kill, LookAhead, Outcome, PutBack, Settle, Signal, Start, Step, Wait

MAX_SIGNAL_REPEATS = 3
_LOOK_AGAIN = 1.0  # seconds; nobody tells that a process goes on
SIGNAL_REPEAT_INTERVAL = 5.0  # seconds without any sign of a drain

Rule = Callable[[Facts], Step | None]


def decide(facts: Facts) -> Step:
    """Return the step of the first rule that applies, with the rule's name. The last one always applies."""
    for rule in RULES:
        step = rule(facts)
        if step is not None:
            return step.by(rule.__name__)
    return demand_start(facts).by(demand_start.__name__)


# --- may anything happen at all?


def stop_wins(facts: Facts) -> Step | None:
    """Cancel: the user stopped the gateway (rule 7)."""
    if facts.seen.desired != "stopped":
        return None
    return Settle("cancelled", "the gateway was stopped: stop wins over a restart")


def update_in_progress(facts: Facts) -> Step | None:
    """Wait while an updater changes the code."""
    if not facts.seen.held:
        return None
    return Wait("the update that is changing the code", facts.now + facts.policy.start_timeout)


def code_half_changed(facts: Facts) -> Step | None:
    """Fail an update's intent whose change of code can be neither finished nor undone."""
    if facts.intent.reason != UPDATE or facts.seen.unsound is None:
        return None
    why = f"the code is half changed, so nothing was restarted ({facts.seen.unsound}): {facts.policy.mends.update}"
    return Settle("failed", why)


def new_code_does_not_stay(facts: Facts) -> Step | None:
    """Put the old code back: fresh instances on the new code were ready and ended by themselves."""
    if facts.phase != "trial" or facts.progress.lost < TRIAL_ATTEMPTS:
        return None
    return PutBack(f"the new gateway was ready and ended by itself, {facts.progress.lost} times")


def update_changed_nothing(facts: Facts) -> Step | None:
    """Cancel: the updater died, or gave up, before it changed the code, and the gateway runs."""
    installed, running = facts.seen.installed, facts.running
    if facts.intent.reason != UPDATE or facts.phase != "plain" or running is None:
        return None
    if installed is None or installed != facts.intent.revision or facts.progress.signals:
        return None
    if running.state not in {"starting", "ready"}:
        return None
    return Settle("cancelled", f"the update left the code at {installed}")


# --- the instance that must go runs


def old_instance_leaves(facts: Facts) -> Step | None:
    """Wait while the old instance drains or exits; kill it when every clock of its own has run out."""
    old = facts.outdated
    if old is None or old.state not in {"draining", "exited"}:
        return None
    clocks, drain = facts.policy.clocks(facts.intent), old.drain
    since = facts.latest_beginning(drain.since if drain else 0.0)
    lasts = drain.deadline - drain.since if drain else clocks.drain
    if not 0 <= lasts <= LONGEST_DRAIN:
        lasts = clocks.drain
    kill_at = since + max(lasts, clocks.drain) + clocks.driver_deadline - clocks.drain
    if facts.now >= kill_at:
        return _kill(facts, old)
    if old.state == "exited":
        return Wait("the old process to exit", kill_at)
    turns = drain.turns if drain else old.active_turns
    return Wait(drain_text(turns, facts.now - since, lasts), kill_at)


def old_instance_was_signalled(facts: Facts) -> Step | None:
    """Wait for the drain to begin; signal again, since the driver that noted the signal may have died before it."""
    old, progress = facts.outdated, facts.progress
    if old is None or progress.signalled_pid != old.identity.pid:
        return None
    kill_at = progress.signalled_at + facts.policy.clocks(facts.intent).driver_deadline
    if facts.now >= kill_at:
        return _kill(facts, old)
    if not old.handles_signal or progress.repeats >= MAX_SIGNAL_REPEATS:
        return Wait("the gateway to begin its drain", kill_at)
    repeat_at = progress.signalled_at + SIGNAL_REPEAT_INTERVAL * (progress.repeats + 1)
    if facts.now >= repeat_at:  # the gateway may have refused the first one
        return (
            look_ahead(facts) or next_would_not_start_now(facts) or next_would_not_start(facts) or _signal(facts, old)
        )
    return Wait("the gateway to begin its drain", min(repeat_at, kill_at))


def not_yet(facts: Facts) -> Step | None:
    """Wait for the time, or for the end of the last turn, that the request has set."""
    old, intent = facts.outdated, facts.intent
    if old is None:
        return None
    if intent.not_before is not None and facts.now < intent.not_before:
        return Wait(f"its time, {timestamp(intent.not_before)[:16]} UTC", intent.not_before)
    if intent.when_idle and old.active_turns:
        turns = f"{old.active_turns} turn{'' if old.active_turns == 1 else 's'}"
        return Wait(f"the gateway to be idle: {turns}", facts.now + facts.policy.start_timeout)
    return None


def restart_refused(facts: Facts) -> Step | None:
    """Settle a restart that must not begin: expired, answered before, or one of too many."""
    return _refusal(facts) if facts.outdated is not None else None


def old_code_stays(facts: Facts) -> Step | None:
    """Fail: instances were restarted as often as is tried, and the wanted revision does not run."""
    old = facts.outdated
    if old is None or facts.progress.signals < facts.max_attempts:
        return None
    revision = old.revision or "unknown"
    return _fail(facts, f"still on {revision} after {facts.progress.signals} restarts, not {facts.seen.installed}")


def old_instance_still_starts(facts: Facts) -> Step | None:
    """Wait until the old instance handles the signal, which would kill it before; kill it when it never does."""
    old = facts.outdated
    if old is None or old.handles_signal:
        return None
    deadline = facts.latest_beginning(old.started_at) + facts.policy.start_timeout
    if facts.now >= deadline:
        return _kill(facts, old)
    return Wait("the gateway to finish starting", deadline)


def reload_refused(facts: Facts) -> Step | None:
    """Settle a reload that must not begin."""
    return _refusal(facts) if facts.wants_reload and not facts.progress.signals else None


def look_ahead(facts: Facts) -> Step | None:
    """Look whether another instance could start, before one that is ready is taken down (rule 10)."""
    if not facts.leaps or facts.seen.looked_ahead:
        return None
    return LookAhead()


def next_would_not_start_now(facts: Facts) -> Step | None:
    """Wait, and leave the instance that is ready alone: whoever would start another one stands still (rule 10)."""
    if not facts.leaps or facts.seen.not_now is None:
        return None
    return Wait(facts.seen.not_now, facts.now + _LOOK_AGAIN)


def next_would_not_start(facts: Facts) -> Step | None:
    """Fail, and leave the instance that is ready alone: another one would not start (rule 10)."""
    if not facts.leaps or facts.seen.obstacle is None:
        return None
    return _fail(facts, not_restarted(facts.seen.obstacle))


def not_restarted(obstacle: str) -> str:
    """Return the words for a restart that was not begun."""
    return f"nothing was restarted, the next gateway would not start: {obstacle}"


def signal_old_instance(facts: Facts) -> Step | None:
    """Ask the old instance to drain and exit."""
    return _signal(facts, facts.outdated) if facts.outdated is not None else None


# --- another instance runs


def reload_definition(facts: Facts) -> Step | None:
    """Reload: whatever came up meanwhile runs under the definition that is to go."""
    return Start(reload=True) if facts.wants_reload else None


def fresh_instance_ready(facts: Facts) -> Step | None:
    """Settle as restarted; new code first has to stay ready, and to say that it is the revision that was brought."""
    fresh = facts.fresh
    if fresh is None or not fresh.ready:
        return None
    if facts.phase == "trial":
        return _other_code(facts, fresh) or _stays_ready(facts, fresh) or _restarted(facts, fresh)
    return _restarted(facts, fresh)


def fresh_instance_leaves(facts: Facts) -> Step | None:
    """Wait while the fresh instance itself is being restarted."""
    if facts.fresh is None or facts.fresh.state != "draining":
        return None
    return Wait("another restart under way", facts.now + facts.policy.start_timeout)


# --- nothing runs, or nothing that is ready


def instance_undescribed(facts: Facts) -> Step | None:
    """Wait for the named process, which runs, to describe itself again: unknown, so no signal (rule 5)."""
    if facts.running is not None or not facts.seen.target_alive:
        return None
    deadline = facts.progress.since + facts.policy.clocks(facts.intent).driver_deadline
    if facts.now >= deadline:
        return _fail(facts, f"the gateway runs but does not describe itself: {facts.policy.mends.undescribed}")
    return Wait(facts.policy.mends.describing, deadline)


def wish_unknown(facts: Facts) -> Step | None:
    """Wait until it can be read whether the gateway was stopped, for as long as a drain may last; then fail (rule 7)."""
    if facts.running is not None or facts.seen.desired is not None:
        return None
    deadline = facts.latest_beginning(0.0) + facts.policy.clocks(facts.intent).driver_deadline
    if facts.now >= deadline:
        return Settle("failed", "nothing was started, it cannot be read whether the gateway was stopped")
    return Wait("what is wanted to be readable", deadline)


def start_refused(facts: Facts) -> Step | None:
    """Settle a start that must not begin, when no instance ran at the time of the request."""
    if facts.running is not None or facts.progress.attempts:
        return None
    return _refusal(facts) if facts.intent.target is None or facts.phase == "repair" else None


def crash_loop(facts: Facts) -> Step | None:
    """Fail: as many starts have ended as are tried, even if each look has found another one at work."""
    return _fail(facts, facts.start_failure) if facts.keeps_crashing else None


def fresh_instance_late(facts: Facts) -> Step | None:
    """Wait for the fresh instance to be ready; fail when it takes longer than a start may."""
    fresh, progress = facts.fresh, facts.progress
    if fresh is None:
        return None
    started = fresh.started_at if fresh.started_at <= facts.now else 0.0
    begun = max(started, progress.attempted_at) or progress.since
    timeout = facts.policy.start_timeout
    if facts.now - begun >= timeout:
        return _fail(facts, f"pid {fresh.identity.pid} runs, but was not ready after {timeout:.0f} s")
    return Wait("the fresh instance to be ready", begun + timeout)


def starts_failed(facts: Facts) -> Step | None:
    """Fail: the starts that were tried have ended, or the program itself refuses to run."""
    if not facts.progress.attempts or facts.seen.service.state != "stopped" or facts.start_is_scheduled:
        return None
    if facts.start_is_refused or facts.progress.attempts >= facts.max_attempts:
        return _fail(facts, facts.start_failure)
    return None


def manager_will_start(facts: Facts) -> Step | None:
    """Wait for the start that the service manager has scheduled."""
    if not facts.start_is_scheduled:
        return None
    return Wait("the service manager's interval between two starts", facts.next_start)


def start_under_way(facts: Facts) -> Step | None:
    """Wait for what the manager started to describe itself; fail when the last attempt takes too long."""
    progress = facts.progress
    if not progress.attempts or facts.seen.service.state == "stopped":
        return None
    ready_by = progress.attempted_at + facts.policy.start_timeout
    if facts.now < ready_by:
        return Wait("the fresh instance to be ready", ready_by)
    return _fail(facts, facts.start_failure) if progress.attempts >= facts.max_attempts else None


def pause_before_start(facts: Facts) -> Step | None:
    """Wait between two demand starts."""
    if facts.seen.service.state != "stopped" or not facts.start_is_paused:
        return None
    return Wait(f"the pause before demand start {facts.progress.attempts + 1}", facts.next_start)


def demand_start(facts: Facts) -> Step:
    """Start: nothing runs, and something should."""
    return Start(reload=facts.intent.action == "reload")


RULES: tuple[Rule, ...] = (
    stop_wins,
    update_in_progress,
    code_half_changed,
    new_code_does_not_stay,
    update_changed_nothing,
    old_instance_leaves,
    old_instance_was_signalled,
    not_yet,
    restart_refused,
    old_code_stays,
    old_instance_still_starts,
    reload_refused,
    look_ahead,
    next_would_not_start_now,
    next_would_not_start,
    signal_old_instance,
    reload_definition,
    fresh_instance_ready,
    fresh_instance_leaves,
    instance_undescribed,
    wish_unknown,
    start_refused,
    crash_loop,
    fresh_instance_late,
    starts_failed,
    manager_will_start,
    start_under_way,
    pause_before_start,
    demand_start,
)


def _restarted(facts: Facts, fresh: Instance) -> Step:
    described = f"pid {fresh.identity.pid}"
    if facts.policy.tells_revision or fresh.revision is not None:
        described += f", revision {fresh.revision or 'unknown'}"
    # The record names who ran when it was asked: whoever is not that one came later, whatever the clock says.
    if facts.intent.target is not None or facts.progress.attempts or facts.was_started_since(fresh):
        return _end(facts, "restarted", described)
    return _end(facts, "already-satisfied", f"{described} was fresh when it was asked")


def _other_code(facts: Facts, fresh: Instance) -> Step | None:
    """Fail and put nothing back if other code runs than the update has brought: that is not on trial."""
    brought = facts.seen.trial.brought if facts.seen.trial is not None else None
    if brought is None or fresh.revision in {None, brought}:
        return None
    text = f"pid {fresh.identity.pid} runs {fresh.revision}, not {brought} that the update has brought"
    return Settle(
        "failed", f"{text}, for the code was changed since or is another installation's: {facts.policy.mends.update}"
    )


def _stays_ready(facts: Facts, fresh: Instance) -> Step | None:
    """Return what new code still has to show, or None."""
    progress, policy = facts.progress, facts.policy
    known_since = progress.ready_since if progress.ready_pid == fresh.identity.pid else facts.now
    since = max(known_since, fresh.started_at)
    if fresh.revision is None:
        deadline = since + policy.start_timeout
        if facts.now >= deadline:
            return PutBack(f"the new gateway, pid {fresh.identity.pid}, does not say which revision it runs")
        return Wait("the fresh instance to say its revision", deadline)
    proven_at = min(since, facts.now) + policy.stay_ready
    return None if facts.now >= proven_at else Wait("the fresh instance to stay ready", proven_at)


def _refusal(facts: Facts) -> Step | None:
    """Return the end of a restart that has not begun and must not begin, or None."""
    intent, seen, policy = facts.intent, facts.seen, facts.policy
    if intent.expires_at is not None and facts.is_expired:
        waited = f"nothing came to carry it out within {intent.expires_at - intent.requested_at:.0f} s"
        return _end(facts, "expired", waited)
    somebody_asks = facts.phase != "repair"
    if somebody_asks and intent.origin is not None and intent.origin.key in seen.answered:
        return _end(facts, "already-satisfied", "this message's request was carried out before")
    refused = policy.storm(seen.all_restarts, facts.now, PERSON_LIMIT_FACTOR)
    if somebody_asks and intent.is_automatic and refused is None:
        refused = policy.storm(seen.restarts, facts.now)
    return None if refused is None else _fail(facts, refused)


def _signal(facts: Facts, old: Instance) -> Step:
    if facts.phase == "repair" and old.state == "starting":  # it never had a turn, and it may never look at a signal
        return Kill(old.identity)
    return Signal(old.identity)


def _kill(facts: Facts, old: Instance) -> Step:
    if not facts.policy.may_kill:
        return _fail(facts, f"pid {old.identity.pid} does not end, and it is not ours to kill")
    if facts.progress.signals >= 2 * facts.max_attempts:
        return _fail(facts, f"pid {old.identity.pid} survives SIGKILL: see what it waits for in the kernel")
    return Kill(old.identity)


def _fail(facts: Facts, why: str) -> Step:
    """Return the failed outcome; of new code, that it goes back instead."""
    if facts.phase == "trial":
        return PutBack(why)
    if facts.phase == "repair":
        return Settle("failed", f"{_undone(facts)}; the old code was put back, and does not come up either: {why}")
    return Settle("failed", why)


def _end(facts: Facts, outcome: Outcome, detail: str) -> Settle:
    """Return the outcome; after the old code was put back, that the update has failed all the same."""
    if facts.phase == "repair":
        return Settle("failed", f"{_undone(facts)}; the old code was put back: {detail}")
    return Settle(outcome, detail)


def _undone(facts: Facts) -> str:
    return (facts.seen.trial.undone if facts.seen.trial is not None else None) or ""
