"""How jobs end, what ends with them, and what launchctl answers meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from probe_agent import KINDS
from probe_lab import ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe_lab import Job, Lab

_SETTLES = 3.0  # seconds in which launchd ends what it ends
_THROTTLE = 10  # seconds, launchd's default
_OUTRUN = 6.0  # seconds of this machine that two starts and a look at launchd do not take, however busy it is


def survivors_of_exit(lab: Lab) -> tuple[str, dict[str, Any]]:
    """The main process exits by itself: which descendants live?"""
    return _survivors(lab, lambda job: job.kill("USR1"), _idle)


def survivors_of_bootout(lab: Lab) -> tuple[str, dict[str, Any]]:
    """`bootout`: which descendants live?"""
    return _survivors(lab, lambda job: job.bootout(), lambda job: job.gone() is not None)


def survivors_of_kickstart(lab: Lab) -> tuple[str, dict[str, Any]]:
    """`kickstart -k`: which descendants of the old run live?"""
    return _survivors(lab, lambda job: job.kickstart("-k"), lambda job: job.started(2, 30) is not None)


def _survivors(lab: Lab, act: Callable[[Job], object], done: Callable[[Job], bool]) -> tuple[str, dict[str, Any]]:
    folder = lab.make_folder()
    job = lab.load("family", folder)
    job.kickstart()
    if lab.wait_for(job.label, "descendant", len(KINDS)) is None:
        raise RuntimeError("the job has no descendants")
    act(job)
    if not done(job):
        raise RuntimeError("the main process does not end")
    deadline = time.monotonic() + lab.patience(_SETTLES)
    dead = {kind for kind in KINDS if ended(f"{folder}/{kind}", max(0.0, deadline - time.monotonic()))}
    lab.count(job.label, "SIGTERM")
    told = {one.more.get("kind") for one in lab.events if (one.label, one.event) == (job.label, "SIGTERM")}
    fates = {kind: "dies" if kind in dead else "lives, had SIGTERM" if kind in told else "lives" for kind in KINDS}
    return "; ".join(f"{kind}: {fate}" for kind, fate in fates.items()), fates


def kickstart_throttle(lab: Lab) -> tuple[str, dict[str, Any]]:
    """Does `kickstart` of a job that ended at once wait for the throttle (10 s; longer where the clock is scaled)?"""
    throttle = max(_THROTTLE, round(_OUTRUN / lab.scale))
    job = lab.load("exit", "0", ThrottleInterval=throttle)
    job.kickstart()
    first = job.started()
    if first is None or not _idle(job):
        raise RuntimeError("kickstart starts nothing")
    done = job.kickstart()
    second = job.started(2, throttle + 5)
    after = None if second is None else round((second.t - first.t) / lab.scale, 1)
    evidence = {"kickstart": str(done), "seconds between the starts": after}
    if done.code != 0:
        return "fail", evidence
    return ("never starts" if after is None else "bypass" if after < throttle * 0.6 else "block"), evidence


def exit_timeouts(lab: Lab) -> tuple[str, dict[str, Any]]:
    """ExitTimeOut: its default, whether 120 is clamped, and when SIGKILL really comes."""
    long = lab.load("stay", ExitTimeOut=120).field("exit timeout")
    job = lab.load("stubborn")
    default = job.field("exit timeout")
    job.kickstart()
    job.started()
    job.bootout()
    told = lab.wait_for(job.label, "SIGTERM")
    gone = job.gone(60)
    took = None if told is None or gone is None else round((gone - told.t) / lab.scale, 1)
    return f"120 is loaded as {long}; default {default}; SIGKILL after {took} s", {"120": long, "default": default}


def bootout_wait(lab: Lab) -> tuple[str, dict[str, Any]]:
    """Is there `bootout --wait`?"""
    job = lab.load("stay")
    done = lab.launchctl("bootout", "--wait", job.target)
    loaded = lab.launchctl("print", job.target).code == 0
    word = "yes" if done.code == 0 and not loaded else "no" if done.code == 64 else "unclear"
    return word, {"launchctl": str(done), "still loaded": loaded}


def codes(lab: Lab) -> tuple[str, dict[str, Any]]:
    """Exit codes and texts of launchctl, case by case."""
    found: dict[str, str] = {}
    unknown = lab.job("stay")
    found["print of an unknown label"] = str(lab.launchctl("print", unknown.target))
    found["bootout of an unknown label"] = str(unknown.bootout())
    found["kickstart of an unknown label"] = str(unknown.kickstart())
    loaded = lab.load("stay")
    found["bootstrap of a loaded label"] = str(loaded.bootstrap())
    found["kill without a process"] = str(loaded.kill("TERM"))
    refused = lab.job("stay", LimitLoadToSessionType="LoginWindow")
    found["bootstrap for another session type"] = str(refused.bootstrap())
    off = lab.job("stay")
    off.disable()
    found["bootstrap of a disabled label"] = str(off.bootstrap())
    off.enable()
    found["bootstrap once it is enabled"] = str(off.bootstrap())
    _codes_of_teardown(lab, found)
    return f"{len(found)} cases, below", found


def _codes_of_teardown(lab: Lab, found: dict[str, str]) -> None:
    job = lab.load("stubborn", ExitTimeOut=20)
    job.kickstart()
    if job.started() is None:
        raise RuntimeError("kickstart starts nothing")
    done = job.bootout()
    found["bootout of a process that ignores SIGTERM"] = str(done)
    found["how long that bootout took"] = f"{done.took:.2f} s"
    found["print of a label being removed"] = f"{lab.launchctl('print', job.target)}, state = {job.field('state')}"
    found["bootstrap of a label being removed"] = str(job.bootstrap())
    found["kickstart of a label being removed"] = str(job.kickstart())
    found["second bootout"] = str(job.bootout())


def coalitions(lab: Lab) -> tuple[str, dict[str, Any]]:
    """Does a job have a coalition of its own, and do setsid and a lost parent leave it?"""
    job = lab.load("family", lab.make_folder())
    job.kickstart()
    lab.wait_for(job.label, "descendant", len(KINDS))
    started = job.started()
    ids = {
        one.more["kind"]: one.more["coalition"] for one in lab.events if one.label == job.label and "kind" in one.more
    }
    ids["job"] = None if started is None else started.more["coalition"]
    if ids["job"] is None:
        return "cannot be told here", ids
    stay = all(ids.get(kind) == ids["job"] for kind in KINDS)
    return f"descendants {'stay in' if stay else 'LEAVE'} the job's", ids


def _idle(job: Job) -> bool:
    """Wait until its process has ended, and launchd knows."""
    deadline = time.monotonic() + job.lab.patience(30)
    while job.field("pid") is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)  # launchd tells nobody
    return True
