"""Kill the updater at every call that matters: the code is wholly old or wholly new, and the gateway runs what is there.

By default some of the calls are passed over, with HERMES_PROOF=full none is.
"""

import contextlib
import os
import subprocess

import injected
import psutil
import pytest
from checkout import Checkout
from injected import chosen, points
from installation import PATIENCE, Installation
from recorded import need_strace

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(7200 if os.environ.get("HERMES_PROOF") == "full" else 240)]
VERSION = "hermes_cli/__init__.py"


def update(hermes: Installation, options: list[str]) -> None:
    subprocess.run(
        injected.hermes(options, hermes.home / "log", "update"),
        env=hermes.environment(),
        cwd="/",
        capture_output=True,
        timeout=2 * PATIENCE,
        check=False,
    )


def release(checkout: Checkout, number: int) -> str:
    """One more release; its revision."""
    return checkout.release(VERSION, '__version__ = "', f'__version__ = "{number}.')


def drivers(hermes: Installation) -> list[psutil.Process]:
    """Drivers that are at work; one that ends under our hands is none."""
    found = []
    for process in hermes.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "hermes_cli.restarter" in process.cmdline():
                found.append(process)
    return found


def test_an_updater_killed_at_every_call_leaves_whole_code_that_runs(make_installation, tmp_path) -> None:
    need_strace()
    checkout = Checkout(tmp_path / "git")
    hermes: Installation = make_installation("home", code=checkout.path)
    before = hermes.install()
    release(checkout, 1)
    update(hermes, [])
    hermes.ready(other_than=before)
    hermes.settled()
    outcomes = set()
    some = chosen(points(hermes.home / "log", str(tmp_path)), 24)
    for number, point in enumerate(some, 2):
        old, starts = checkout.revision(), hermes.starts()
        new = release(checkout, number)
        update(hermes, point.killed())
        hermes.run("gateway", "status")  # one surviving trigger
        hermes.until(lambda: not os.listdir(hermes.paths.pending), f"{point}: an empty queue")
        hermes.until(lambda: not drivers(hermes), "rest")
        revision = checkout.revision()
        assert revision in {old, new}, point
        assert checkout.changes() == "", point
        running = hermes.until(
            lambda at=revision: hermes.ready().revision == at and hermes.ready(), f"{point}: {revision}"
        )
        assert running.revision == revision, point
        assert hermes.starts() <= starts + 1, point
        outcomes.add(revision == new)
    print(f"killed at {len(some)} calls")
    assert outcomes == {True, False}, "every kill came to the same end: some calls were not among them"
