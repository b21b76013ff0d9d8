"""Kill the updater at every call that matters, and refuse it each: the code is wholly old or wholly new, and it runs.

Two updaters are struck: one of a whole checkout, and one that finds another updater's half a change. By default some of
the calls are passed over, with HERMES_PROOF=full none is.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest
from support.faults import injected
from support.faults.injected import Point, Strikes, chosen, kills, points, refusals
from support.faults.places import fault
from support.faults.recorded import need_strace
from support.machines.installation import PATIENCE, Installation
from support.releases.checkout import Checkout

from hermes_cli.intents.instance import Instance
from hermes_cli.services.embedded.driver_runs import DriverRuns
from hermes_cli.update import journal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(7200 if os.environ.get("HERMES_PROOF") == "full" else 900)]
VERSION = "hermes_cli/__init__.py"


class Updates:
    """A checkout that runs, and gets one release after the other."""

    def __init__(self, hermes: Installation, checkout: Checkout, root: Path) -> None:
        self.hermes, self.checkout, self.root = hermes, checkout, root
        self.log = hermes.home / "log"
        # To take an old copy of the restarter's code away are 170 calls alike, in a directory that nobody looks at.
        code = (f'{checkout.path}"', f"{checkout.path}>", f"{checkout.path}/hermes_cli")
        self._without = (*code, "/restarter/lib-")
        self.strikes = Strikes(self.log, self._without)
        self.outcomes: set[bool] = set()  # whether an update that was struck came to the new release
        self.number = 0

    def release(self) -> str:
        """One more release; its revision."""
        self.number += 1
        return self.checkout.release(VERSION, '__version__ = "', f'__version__ = "{self.number}.')

    def update(self, options: list[str]) -> subprocess.CompletedProcess[str]:
        """`hermes update`, struck as the options say."""
        return subprocess.run(
            injected.hermes(options, self.log, "update"),
            env=self.hermes.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    def twice(self) -> None:
        """Two updates to which nothing is done: what only the first one makes is there at the second."""
        for _ in range(2):
            before = self.hermes.ready()
            self.release()
            done = self.update([])
            assert done.returncode == 0, done.stderr
            self.hermes.ready(other_than=before)
            self.end("nothing was done to it")

    def points(self) -> list[Point]:
        """The calls of the updater that ran last."""
        return points(self.log, str(self.root), self._without)

    def strike(self, some: Iterable[tuple[Point, str | None]]) -> None:
        """Strike one update after the other; an updater with an error lives, one without is killed."""
        for point, error in some:
            self.strikes.strike(
                point, error, lambda options, said, lives=error is not None: self.struck(options, said, lives=lives)
            )

    def struck(self, options: list[str], said: str, *, lives: bool) -> str:
        """One update with one fault and one surviving trigger; the folder that it concerned."""
        old, starts = self.checkout.revision(), self.hermes.starts()
        new = self.release()
        done = self.update(options)
        self.hermes.run("gateway", "status")  # one surviving trigger
        self.over(done, said, old, new, starts + 1, lives=lives)
        return str(self.root)

    def over(
        self, done: subprocess.CompletedProcess[str], said: str, old: str, new: str, starts: int, *, lives: bool
    ) -> None:
        """Wait until nothing is left to be done, and see that all is as it must be."""
        self.end(said)
        revision = self.check(said, old, new, starts)
        if lives:
            self.answer(done, revision, new, said)
        self.outcomes.add(revision == new)

    def drivers(self) -> list[psutil.Process]:
        """Drivers that are at work; one that ends under our hands is none."""
        found = []
        for process in self.hermes.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "hermes_cli.restarter" in process.cmdline():
                    found.append(process)
        return found

    def end(self, said: str) -> None:
        """Wait until nothing is left to be done by anybody."""
        hermes = self.hermes
        hermes.until(lambda: not os.listdir(hermes.paths.pending), f"{said}: an empty queue")
        hermes.until(lambda: not journal.under_way(hermes.paths), f"{said}: no update under way")
        hermes.until(lambda: not self.drivers(), f"{said}: rest")

    def check(self, said: str, old: str, new: str, starts: int) -> str:
        """What must hold when nothing is left to be done; the revision that is there."""
        hermes = self.hermes
        revision = self.checkout.revision()
        assert revision in {old, new}, said
        assert self.checkout.changes() == "", said

        def running() -> Instance | None:
            found = hermes.ready()
            return found if found.revision == revision else None

        hermes.until(running, f"{said}: a gateway of {revision}")
        assert hermes.starts() <= starts, said
        assert not [name for name in os.listdir(hermes.paths.updates) if name.startswith("unreadable")], said
        return revision

    def answer(self, done: subprocess.CompletedProcess[str], revision: str, new: str, said: str) -> None:
        """An updater that lived says what is so, and what is wrong in one line."""
        assert "Traceback" not in done.stderr, said
        if done.returncode == 0:
            assert revision == new, f"{said}\n{done.stdout}{done.stderr}"


@pytest.fixture
def updates(make_installation, tmp_path) -> Updates:
    need_strace()
    checkout = Checkout(tmp_path / "git")
    hermes = make_installation("home", code=checkout.path)
    hermes.install()
    found = Updates(hermes, checkout, tmp_path)
    found.twice()
    return found


def test_an_updater_killed_at_every_call_leaves_whole_code_that_runs(updates) -> None:
    updates.strike((point, None) for point in chosen(kills(updates.points()), 54))
    updates.strikes.told("killed")
    assert updates.outcomes == {True, False}, "every kill came to the same end: some calls were not among them"


def test_an_updater_that_is_refused_every_call_leaves_whole_code_that_runs(updates) -> None:
    updates.strike(chosen(refusals(updates.points()), 180))
    updates.strikes.told("refused")
    assert True in updates.outcomes, "no update got over any refusal"


# An updater that finds half a change, and is struck itself. Nobody else mends anything but the trigger in the end.
NO_DRIVER = fault("skip", DriverRuns.demand)


class Halves(Updates):
    """Updates that are cut off before they are proven, with a file missing, as git leaves it when it is killed."""

    proven: Point

    def cut_off(self) -> tuple[str, str]:
        """One more, killed; the old and the new revision."""
        old, new = self.checkout.revision(), self.release()
        assert self.update(self.proven.killed()).returncode == -signal.SIGKILL
        (found,) = journal.under_way(self.hermes.paths)
        assert found.step == "begun"
        assert self.checkout.revision() == new
        os.unlink(self.checkout.path / "README.md")
        return old, new

    def struck(self, options: list[str], said: str, *, lives: bool) -> str:
        """An updater with one fault that finds half a change; the folder that it concerned."""
        starts = self.hermes.starts()
        old, new = self.cut_off()
        done = self.update(options)
        self.hermes.run("gateway", "intents", "drive")  # one surviving trigger
        self.over(done, said, old, new, starts + 1, lives=lives)
        return str(self.root)


@pytest.fixture
def halves(make_installation, tmp_path) -> Halves:
    need_strace()
    checkout = Checkout(tmp_path / "git")
    hermes = make_installation("home", code=checkout.path)
    hermes.install(fault=NO_DRIVER)
    found = Halves(hermes, checkout, tmp_path)
    found.twice()
    noted = [point for point in found.points() if point.name == "rename" and "/under-way/" in point.line]
    found.proven = noted[1]
    found.struck([], "nothing is wrong", lives=True)
    assert found.outcomes == {True}
    found.outcomes.clear()
    return found


@pytest.mark.nightly
def test_an_updater_killed_at_every_call_over_half_a_change_leaves_whole_code(halves) -> None:
    halves.strike((point, None) for point in chosen(kills(halves.points()), 270))
    halves.strikes.told("killed")
    assert halves.outcomes == {True, False}, "every kill came to the same end: some calls were not among them"


def test_an_updater_that_is_refused_every_call_over_half_a_change_leaves_whole_code(halves) -> None:
    halves.strike(chosen(refusals(halves.points()), 645))
    halves.strikes.told("refused")
    assert True in halves.outcomes, "no update got over any refusal"
