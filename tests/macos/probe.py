"""Answers what cannot be known of launchd without a Mac, in one run: docs/contributing/macos-probe.md.

Loads jobs of its own (ai.hermes.probe.*) into the caller's domain, and removes them. Plain Python, from 3.9 on; no root.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import probe_stop
import probe_watch
from probe_lab import Lab

Ask = Callable[[Lab], "tuple[str, dict[str, Any]]"]


class Answer(NamedTuple):
    """One question, answered or not."""

    name: str
    question: str
    answer: str
    evidence: dict[str, Any]
    took: float


def questions(samples: int, crashes: int) -> dict[str, Ask]:
    """By name, in the order in which they are asked: the first one decides what can be asked at all."""
    return {
        "on-demand-only": probe_watch.on_demand_only,
        "watch-latency": partial(probe_watch.watch_latency, samples=samples),
        "watch-depth": probe_watch.watch_depth,
        "watch-missing": probe_watch.watch_missing,
        "watch-while-running": probe_watch.watch_while_running,
        "watch-own-changes": probe_watch.watch_own_changes,
        "watch-in-user-domain": probe_watch.watch_in_user_domain,
        "survivors-of-exit": probe_stop.survivors_of_exit,
        "survivors-of-bootout": probe_stop.survivors_of_bootout,
        "survivors-of-kickstart-k": probe_stop.survivors_of_kickstart,
        "kickstart-throttle": probe_stop.kickstart_throttle,
        "crash-spacing": partial(probe_watch.crash_spacing, crashes=crashes),
        "exit-timeouts": probe_stop.exit_timeouts,
        "bootout-wait": probe_stop.bootout_wait,
        "coalitions": probe_stop.coalitions,
        "codes": probe_stop.codes,
    }


def ask(lab: Lab, name: str, question: Ask) -> Answer:
    """One answer; whatever goes wrong is the answer, and the next question is asked all the same."""
    text = (question.func if isinstance(question, partial) else question).__doc__ or ""
    began = time.monotonic()
    try:
        answer, evidence = question(lab)
    except Exception as error:  # noqa: BLE001  a report with a hole is worth more than none
        answer, evidence = f"not answered: {type(error).__name__}: {error}", {}
    return Answer(name, text.strip(), answer, evidence, time.monotonic() - began)


def facts(lab: Lab) -> dict[str, str]:
    """About this machine; nothing that names it or its user."""
    return {
        "system": _said("sw_vers", "-productVersion") or platform.system(),
        "build": _said("sw_vers", "-buildVersion"),
        "kernel": f"{platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "launchctl": _said("launchctl", "version"),
        "managername": lab.launchctl("managername").out.strip(),
        "domains": ", ".join(lab.domains),
        "asked in": lab.domain,
        "over ssh": "yes" if "SSH_CONNECTION" in os.environ else "no",
        "a second of launchd's lasts": f"{lab.scale:g} s",
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),  # noqa: UP017  Python 3.9
    }


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def report(known: dict[str, str], answers: list[Answer]) -> str:
    """Markdown, with everything once more as JSON for a program."""
    rows = [f"| {name} | {value} |" for name, value in known.items()]
    lines = ["# launchd probe", "", "| fact | value |", "| --- | --- |", *rows, ""]
    lines += ["| question | answer | took |", "| --- | --- | --- |"]
    lines += [f"| {one.question} | {one.answer} | {one.took:.0f} s |" for one in answers]
    for one in answers:
        if one.name == "codes":
            lines += ["", "| case | launchctl's exit code and text |", "| --- | --- |"]
            lines += [f"| {case} | `{text}` |" for case, text in one.evidence.items()]
    document = {"facts": known, "answers": {one.name: {"answer": one.answer, **one.evidence} for one in answers}}
    details = [
        "<details><summary>as JSON</summary>",
        "",
        "```json",
        json.dumps(document, indent=1),
        "```",
        "</details>",
    ]
    return "\n".join([*lines, "", *details, ""])


def main() -> int:
    """Ask everything; print the report."""
    parser = argparse.ArgumentParser(description="Answer what is not known of launchd, on this Mac, in a few minutes.")
    parser.add_argument("--only", action="append", help="this question (repeat for more)", metavar="NAME")
    parser.add_argument("--samples", type=int, default=8, help="events whose latency is measured (default 8)")
    parser.add_argument("--crashes", type=int, default=12, help="crashes whose spacing is measured (default 12)")
    parser.add_argument("--scale", type=float, default=1.0, help="how long launchd's seconds last (an emulator's)")
    options = parser.parse_args()
    known = questions(options.samples, options.crashes)
    unknown = set(options.only or ()) - set(known)
    if unknown:
        parser.error(f"no question {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    if shutil.which("launchctl") is None:
        parser.error("there is no launchctl on PATH: run this on a Mac")
    if sys.platform == "darwin" and os.getuid() == 0:
        parser.error("run this as the user who logs in, without sudo")
    lab = Lab(options.scale)
    try:
        if not lab.domains:
            parser.error("launchd has neither gui/UID nor user/UID here: log in, and repeat")
        answers = []
        for name, question in known.items():
            # What on-demand-only mode holds back must be known for every other question.
            if options.only is None or name in options.only or name == "on-demand-only":
                print(f"probe: {name} ...", file=sys.stderr, flush=True)
                answers.append(ask(lab, name, question))
        print(report(facts(lab), answers))
    finally:
        lab.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
