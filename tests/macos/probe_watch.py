"""What starts a job by itself: on-demand-only mode, WatchPaths, crashes."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probe_lab import Job, Lab

LOST = 15.0  # seconds without a run: the event was lost, or is held
HELD = "cannot be told: on-demand-only mode holds these events"
_DEEPER = "deeper"
MACHINE = 0.3  # seconds of which none are launchd's


def on_demand_only(lab: Lab) -> tuple[str, dict[str, Any]]:
    """Is the domain in on-demand-only mode, and what does that hold back?"""
    job = lab.load("exit", "0", RunAtLoad=True)
    if job.started():
        lab.holds = "nothing"
        return "no", {}
    pended = job.field("pended nondemand spawn")
    if pended is None:
        raise RuntimeError(f"RunAtLoad starts nothing, and nothing is pended: state = {job.field('state')}")
    demand = job.kickstart()
    admitted = job.started() is not None
    folder = lab.make_folder()
    watching = _watching(lab, folder)
    _change(lab, folder)
    by_watch = watching.started(patience=LOST) is not None
    queue = lab.make_folder()
    queued = lab.load("work", "0", QueueDirectories=[queue])
    _change(lab, queue)
    by_queue = queued.started(patience=LOST) is not None
    queued.remove()
    timed = lab.load("exit", "0", StartInterval=2)
    by_interval = timed.started(patience=LOST) is not None
    lab.holds = "keepalive+load" if by_watch else "all"
    evidence = {
        "pended": pended,
        "kickstart": f"{demand}, starts it: {_word(admitted)}",
        "WatchPaths admitted": _word(by_watch),
        "QueueDirectories admitted": _word(by_queue),
        "StartInterval admitted": _word(by_interval),
    }
    return f"yes; it holds {lab.holds}; kickstart is {'admitted' if admitted else 'NOT admitted'}", evidence


def watch_latency(lab: Lab, samples: int) -> tuple[str, dict[str, Any]]:
    """WatchPaths: how long from a new entry to the job's start, and are events lost?"""
    if lab.holds == "all":
        return HELD, {}
    folder = lab.make_folder()
    job = _watching(lab, folder)
    latencies: list[float | None] = []
    for _ in range(samples + 1):  # the first one comes right after the load
        latencies.append(_latency(job, folder))
        lab.pause(2)  # the throttle of 1 s is not to be measured along
    first, *later = latencies
    heard = [one for one in later if one is not None]
    median = f"{statistics.median(heard):.2f} s" if heard else "-"
    evidence = {
        "right after load": _seconds(first),
        "seconds": [_seconds(one) for one in later],
        "lost": sum(one is None for one in latencies),
    }
    return f"median {median}, {evidence['lost']} of {samples + 1} lost", evidence


def watch_depth(lab: Lab) -> tuple[str, dict[str, Any]]:
    """WatchPaths on a directory: do changes below its entries count?"""
    if lab.holds == "all":
        return HELD, {}
    folder = lab.make_folder()
    os.mkdir(f"{folder}/{_DEEPER}")
    job = _watching(lab, folder)
    lab.pause(2)
    _change(lab, f"{folder}/{_DEEPER}")
    return ("subtree" if job.started(patience=LOST) else "children"), {}


def watch_missing(lab: Lab) -> tuple[str, dict[str, Any]]:
    """WatchPaths on a path that is missing at load: does its appearance start the job?"""
    if lab.holds == "all":
        return HELD, {}
    missing = f"{lab.make_folder()}/missing"
    job = _watching(lab, missing)
    lab.pause(2)
    at_load = job.starts()
    os.mkdir(missing)
    answer = "fires" if job.started(at_load + 1, LOST) else "never"
    return answer, {"runs at load": at_load}


def watch_while_running(lab: Lab) -> tuple[str, dict[str, Any]]:
    """WatchPaths: what becomes of a change while the job runs?"""
    if lab.holds == "all":
        return HELD, {}
    folder = lab.make_folder()
    # Long enough for the latest event to come while it still runs.
    job = lab.load("work", str(8 * lab.scale), WatchPaths=[folder], ThrottleInterval=1)
    job.kickstart()
    if job.started() is None:
        raise RuntimeError("kickstart starts nothing")
    _change(lab, folder)
    return ("coalesce" if job.started(2, 8 + LOST) else "drop"), {}


def watch_own_changes(lab: Lab) -> tuple[str, dict[str, Any]]:
    """WatchPaths: do the job's own changes of the watched path start it again?"""
    if lab.holds == "all":
        return HELD, {}
    folder = lab.make_folder()
    job = lab.load("change", folder, WatchPaths=[folder], ThrottleInterval=1)
    job.kickstart()
    again = job.started(2, LOST) is not None
    if again:
        job.started(4, LOST)  # it stops changing after three
    return ("yes" if again else "no"), {"runs": job.starts()}


def watch_in_user_domain(lab: Lab) -> tuple[str, dict[str, Any]]:
    """WatchPaths in user/UID: does it work there?"""
    if lab.holds == "all":
        return HELD, {}
    domain = next((name for name in lab.domains if name.startswith("user/")), None)
    if domain is None:
        return "there is no such domain", {}
    folder = lab.make_folder()
    job = lab.job("exit", "0", domain=domain, WatchPaths=[folder], ThrottleInterval=1)
    done = job.bootstrap()
    if done.code != 0:
        return f"not loaded: {done}", {}
    lab.pause(2)
    latency = _latency(job, folder)
    return ("yes" if latency is not None else "no"), {"seconds": _seconds(latency)}


def crash_spacing(lab: Lab, crashes: int) -> tuple[str, dict[str, Any]]:
    """KeepAlive true, ThrottleInterval 1, exit 1 each time: how far apart are the starts?"""
    if lab.holds in {"all", "keepalive+load"}:
        return "cannot be told: on-demand-only mode holds KeepAlive", {}
    job = lab.load("exit", "1", KeepAlive=True, ThrottleInterval=1)
    times = []
    for count in range(1, crashes + 1):
        event = job.started(count, patience=90)
        if event is None:
            break
        times.append(event.t)
    job.remove()
    spaces = [(later - earlier) / lab.scale for earlier, later in zip(times, times[1:])]  # noqa: B905, RUF007  Python 3.9
    evidence = {"seconds": [_seconds(one) for one in spaces]}
    if len(times) < crashes:
        return f"given up after {len(times)} starts", evidence
    return shape(spaces, MACHINE / lab.scale), evidence


def shape(spaces: list[float], noise: float) -> str:
    """Whether the starts come further and further apart."""
    third = max(1, len(spaces) // 3)
    first, last = statistics.median(spaces[:third]), statistics.median(spaces[-third:])
    word = "grows" if last > 1.5 * first + noise else "constant"
    return f"{word}, {first:.1f} s at first, {last:.1f} s at last"


def _watching(lab: Lab, path: str) -> Job:
    return lab.load("exit", "0", WatchPaths=[path], ThrottleInterval=1)


def _change(lab: Lab, folder: str) -> None:
    """A new entry, made elsewhere and renamed in, as a record is."""
    made = lab.make_folder()
    os.rename(made, f"{folder}/{os.path.basename(made)}")


def _latency(job: Job, folder: str) -> float | None:
    before = job.starts()
    began = time.monotonic()
    _change(job.lab, folder)
    event = job.started(before + 1, LOST)
    return None if event is None else (event.t - began) / job.lab.scale


def _seconds(found: float | None) -> float | None:
    return None if found is None else round(found, 2)


def _word(holds: bool) -> str:
    return "yes" if holds else "no"
