"""Kill the restarter's program at every call that matters, and refuse it each: the `sh` script, and its Python.

Nobody else drives but the program itself, run once more. By default some calls are passed over, with HERMES_PROOF=full
none is.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.faults import injected
from support.faults.injected import Point, Strikes, chosen, kills, points, refusals
from support.faults.places import all_of, fault
from support.faults.recorded import need_strace
from support.machines.installation import PATIENCE, Installation

from hermes_cli.restart import send
from hermes_cli.services.embedded.driver_runs import DriverRuns
from hermes_cli.services.job import restarter_program

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600 if os.environ.get("HERMES_PROOF") == "full" else 900)]
NO_DRIVER = fault("skip", DriverRuns.demand)
# The driver sends the signal, one more call to be struck at, and the requester starts none where it sees none.
ONLY_THE_RECORD = all_of(fault("skip", send.signal_target), fault("skip", send.look_after))


class Restarter(NamedTuple):
    """An installation, what launchd and systemd would start there, and the part of it that is struck."""

    hermes: Installation
    program: list[str]
    struck: list[str]
    stride: int

    @property
    def log(self) -> Path:
        return self.hermes.home / "log"

    def run(self, options: list[str], argv: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*injected.argv(options, self.log), *argv],
            env=self.hermes.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def restart(self, options: list[str], said: str) -> str:
        """One request, one run with one fault, one without, and what must hold; the home."""
        hermes = self.hermes
        before, starts = hermes.ready(), hermes.starts()
        had = {one.intent.id for one in hermes.paths.queue.history()}
        assert hermes.run("gateway", "restart", "--no-wait", fault=ONLY_THE_RECORD).returncode == 0
        (asked,) = hermes.pending()
        done = self.run(options, self.struck)
        assert "Traceback" not in done.stderr, f"{said}\n{done.stderr}"
        last = subprocess.run(
            self.program,
            env=hermes.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert last.returncode == 0, said
        assert os.listdir(hermes.paths.pending) == [], said
        (fresh,) = [one for one in hermes.paths.queue.history() if one.intent.id not in had]
        assert fresh.intent.id == asked.id, said
        assert fresh.outcome == "restarted", f"{said}: {fresh}"
        hermes.ready(other_than=before)
        assert hermes.starts() == starts + 1, said
        return str(hermes.home)

    def points(self) -> list[Point]:
        """The calls of a run that nothing is done to."""
        self.restart([], "nothing is wrong")
        return points(self.log, str(self.hermes.home))


@pytest.fixture(params=["script", "python"])
def restarter(request: pytest.FixtureRequest, make_installation: Callable[..., Installation]) -> Restarter:
    need_strace()
    hermes = make_installation("home")
    hermes.install(fault=NO_DRIVER)
    restarter_program.install(hermes.paths)
    start = [sys.executable, "-m", "hermes_cli", "gateway", "start"]
    program = restarter_program.argv(hermes.paths, sys.executable, start)
    python = [sys.executable, "-P", "-m", "hermes_cli.restarter", "-p", "default", "--trigger", "watch"]
    if request.param == "script":
        return Restarter(hermes, program, ["/bin/sh", *program], stride=3)
    return Restarter(hermes, program, python, stride=64)


def test_a_restarter_killed_at_every_call(restarter: Restarter) -> None:
    strikes = Strikes(restarter.log)
    for point in chosen(kills(restarter.points()), restarter.stride):
        strikes.strike(point, None, restarter.restart)
    strikes.told("killed")


def test_a_restarter_that_is_refused_every_call(restarter: Restarter) -> None:
    strikes = Strikes(restarter.log)
    for point, error in chosen(refusals(restarter.points()), 4 * restarter.stride):
        strikes.strike(point, error, restarter.restart)
    strikes.told("refused")
