"""The probe is asked about an emulated launchd, whose answers are known: they are its knobs."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import probe_watch
import pytest
from launchd_emulator import Launchd
from support import PATIENCE

PROBE = Path(__file__).parent / "probe.py"
SCALE = 0.1
QUICK = ["--samples", "3", "--crashes", "5"]
Ask = Callable[..., dict[str, Any]]
STARTS_UP = 3  # of launchd's seconds, by which the jobs' own starts differ on a busy machine
GROUP_TERM = "group: lives, had SIGTERM; session: lives; orphan: lives"
ALL_DIE = "group: dies; session: dies; orphan: dies"
CODES = {
    "print of an unknown label": 113,
    "bootout of an unknown label": 3,
    "kickstart of an unknown label": 113,
    "bootstrap of a loaded label": 5,
    "kill without a process": 3,
    "bootstrap for another session type": 134,
    "bootstrap of a disabled label": 5,
    "bootstrap once it is enabled": 0,
    "bootout of a process that ignores SIGTERM": 0,
    "print of a label being removed": 0,
    "bootstrap of a label being removed": 5,
    "kickstart of a label being removed": 37,
    "second bootout": 36,
}


class Probed:
    """One run of the probe."""

    def __init__(self, launchd: Launchd, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, PROBE, "--scale", str(SCALE), *arguments],
            env={**os.environ, "PATH": f"{launchd.bin}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.report = done.stdout
        found = re.search(r"^```json\n(.*?)^```", done.stdout, re.MULTILINE | re.DOTALL)
        assert found is not None, done.stdout
        self._document = json.loads(found[1])
        self.facts = self._document["facts"]

    def answer(self, name: str) -> str:
        return self._document["answers"][name]["answer"]

    def evidence(self, name: str) -> dict[str, Any]:
        return self._document["answers"][name]

    def codes(self) -> dict[str, int]:
        """Exit codes by case."""
        known = self.evidence("codes")
        return {case: int(known[case].split()[0].rstrip(",")) for case in CODES}


@pytest.fixture
def probe(make_launchd: Callable[..., Launchd]) -> Callable[..., Probed]:
    """Run it against an emulator with these knobs; nothing of it may stay."""

    def run(*arguments: str, **knobs: Any) -> Probed:
        launchd = make_launchd(time_scale=SCALE, **knobs)
        found = Probed(launchd, *arguments, *QUICK)
        assert launchd.launchctl("list").stdout == "PID\tStatus\tLabel\n"
        loaded = {one.label for one in launchd.events("bootstrap")}
        assert loaded
        assert all(label.startswith("ai.hermes.probe.") for label in loaded)
        assert "=> disabled" not in launchd.launchctl("print-disabled", launchd.domain).stdout
        return found

    return run


def only(*names: str) -> list[str]:
    return [part for name in names for part in ("--only", name)]


WATCH = only("watch-latency", "watch-depth", "watch-missing", "watch-while-running", "watch-own-changes")
ENDS = only("survivors-of-exit", "survivors-of-bootout", "survivors-of-kickstart-k", "kickstart-throttle")


def test_path_events_as_a_modern_mac_has_them(probe) -> None:
    found = probe(*WATCH, *only("watch-in-user-domain"), fs_latency_ms=100)
    assert found.answer("on-demand-only") == "no"
    assert found.evidence("watch-latency")["lost"] == 0
    assert all(one < 15 for one in found.evidence("watch-latency")["seconds"])
    assert found.answer("watch-depth") == "children"
    assert found.answer("watch-missing") == "fires"
    assert found.answer("watch-while-running") == "coalesce"
    assert found.answer("watch-own-changes") == "yes"
    assert found.answer("watch-in-user-domain") == "yes"
    assert found.facts["managername"] == "Aqua"
    assert found.facts["asked in"].startswith("gui/")


def test_path_events_as_they_may_be_otherwise(probe) -> None:
    found = probe(
        *WATCH,
        *only("watch-in-user-domain"),
        fs_latency_ms=3000,
        drop_watch_events=2,
        watch_depth="subtree",
        watch_missing="never",
        watch_while_running="drop",
        gui_domain="absent",
    )
    assert found.evidence("watch-latency")["lost"] == 2
    assert all(one >= 3 for one in found.evidence("watch-latency")["seconds"] if one is not None)
    assert found.answer("watch-depth") == "subtree"
    assert found.answer("watch-missing") == "never"
    assert found.answer("watch-while-running") == "drop"
    assert found.answer("watch-in-user-domain") == "yes"
    assert found.facts["managername"] == "Background"
    assert found.facts["asked in"].startswith("user/")


@pytest.mark.parametrize(
    ("knobs", "exits", "bootout", "kickstart", "throttle"),
    [
        ({}, GROUP_TERM, GROUP_TERM, GROUP_TERM, "block"),
        (
            {"group_kill_signal": "KILL", "coalition_kill": "bootout", "kickstart_throttle": "bypass"},
            "group: dies; session: lives; orphan: lives",
            ALL_DIE,
            "group: dies; session: lives; orphan: lives",
            "bypass",
        ),
        (
            {"group_kill_signal": "none", "coalition_kill": "bootout+kickstart", "kickstart_throttle": "fail"},
            "group: lives; session: lives; orphan: lives",
            ALL_DIE,
            ALL_DIE,
            "fail",
        ),
    ],
    ids=["modern", "bootout ends the coalition", "kickstart -k does, too"],
)
def test_who_survives_and_whether_kickstart_waits(probe, knobs, exits, bootout, kickstart, throttle) -> None:
    found = probe(*ENDS, **knobs)
    assert found.answer("survivors-of-exit") == exits
    assert found.answer("survivors-of-bootout") == bootout
    assert found.answer("survivors-of-kickstart-k") == kickstart
    assert found.answer("kickstart-throttle") == throttle


@pytest.mark.parametrize(
    ("knobs", "differs"),
    [
        ({}, {}),
        (
            {"second_bootout_rc": 37, "bootout_rc": 36, "plain_errors": True},
            {
                "second bootout": 37,
                "bootout of a process that ignores SIGTERM": 36,
                "bootstrap for another session type": 5,
            },
        ),
    ],
    ids=["modern", "otherwise"],
)
def test_exit_codes_case_by_case(probe, knobs, differs) -> None:
    found = probe(*only("codes", "bootout-wait", "exit-timeouts", "coalitions", "crash-spacing"), **knobs)
    assert found.codes() == {**CODES, **differs}
    assert found.answer("bootout-wait") == "no"
    assert found.evidence("exit-timeouts")["120"] == "60"
    assert found.evidence("exit-timeouts")["default"] == "5"
    assert found.answer("crash-spacing").startswith("constant")
    assert sum(found.evidence("crash-spacing")["seconds"]) >= 4 - STARTS_UP
    assert "| kickstart of a label being removed | `37` |" in found.report


@pytest.mark.parametrize(
    ("spaces", "word"),
    [([1.0, 1.1, 0.9, 1.0, 1.2, 1.0], "constant"), ([1.0, 1.0, 2.0, 4.0, 8.0, 10.0], "grows"), ([1.0], "constant")],
)
def test_a_back_off_is_told_from_noise(spaces: list[float], word: str) -> None:
    assert probe_watch.shape(spaces, noise=0.3).startswith(word)


@pytest.mark.parametrize(("holds", "admitted"), [("all", "no"), ("keepalive+load", "yes")])
def test_on_demand_only_mode_and_what_it_holds(probe, holds: str, admitted: str) -> None:
    found = probe(*only("watch-latency", "crash-spacing"), on_demand_only=True, on_demand_holds=holds)
    assert found.answer("on-demand-only") == f"yes; it holds {holds}; kickstart is admitted"
    assert found.evidence("on-demand-only")["pended"] == "speculative"
    for kind in ("WatchPaths", "QueueDirectories", "StartInterval"):
        assert found.evidence("on-demand-only")[f"{kind} admitted"] == admitted
    assert found.answer("watch-latency").startswith("median" if admitted == "yes" else "cannot be told")
    assert found.answer("crash-spacing").startswith("cannot be told")


def test_a_launchd_that_does_not_do_as_asked_leaves_a_hole_in_the_report_and_no_job(probe) -> None:
    found = probe(*only("watch-depth", "bootout-wait"), bootstrap_eio=2)
    assert found.answer("on-demand-only").startswith("not answered: RuntimeError: bootstrap: 5 Bootstrap failed")
    assert found.answer("watch-depth").startswith("not answered: RuntimeError")
    assert found.answer("bootout-wait") == "no"


def test_interrupted_it_removes_its_jobs_all_the_same(make_launchd: Callable[..., Launchd]) -> None:
    launchd = make_launchd(time_scale=SCALE, drop_watch_events="all")
    with subprocess.Popen(
        [sys.executable, PROBE, "--scale", str(SCALE)],
        env={**os.environ, "PATH": f"{launchd.bin}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as probing:
        launchd.wait_for("watch", outcome="dropped")
        probing.send_signal(signal.SIGINT)
        assert probing.wait(60) != 0
    assert launchd.launchctl("list").stdout == "PID\tStatus\tLabel\n"


def test_without_launchctl_it_says_so_and_where_to_run_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROBE],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert "no launchctl on PATH: run this on a Mac" in done.stderr
