"""The tests for a real Mac pass on the emulated one, so that what they report of a real one is about the Mac.

Some of them by default; HERMES_LAUNCHD_MATRIX=whole runs them all.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_emulator import Launchd
from support import PATIENCE

TESTS = Path(__file__).parent.parent
WHERE = TESTS / "e2e" / "macos"
CHOSEN = [] if os.environ.get("HERMES_LAUNCHD_MATRIX") == "whole" else ["-k", "asker_dead or outside or uninstall"]


def run(launchd: Launchd | None, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Those tests in a pytest of their own, with the emulator's launchctl first on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    more = {} if launchd is None else {"PATH": f"{launchd.bin}:{kept['PATH']}", "HERMES_TEST_ANY_LAUNCHD": "1"}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rs",
            "-p",
            "no:cacheprovider",
            "--basetemp",
            home / "t",
            *arguments,
            WHERE,
        ],
        env={**kept, "HOME": str(home), **more},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_they_pass_under_the_emulator_and_leave_nothing(make_launchd: Callable[..., Launchd], tmp_path: Path) -> None:
    home = tmp_path / "home"
    agents = home / "Library" / "LaunchAgents"
    home.mkdir()
    launchd = make_launchd(home=home, agents_dir=agents, time_scale=0.2)
    done = run(launchd, home, *CHOSEN)
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"^[3-9] passed\b", done.stdout, re.MULTILINE), done.stdout
    assert "skipped" not in done.stdout
    assert list(agents.iterdir()) == []
    assert launchd.launchctl("list").stdout == "PID\tStatus\tLabel\n"
    assert "=> disabled" not in launchd.launchctl("print-disabled", launchd.domain).stdout


@pytest.mark.skipif(sys.platform == "darwin", reason="there they run")
def test_without_a_mac_they_are_skipped_and_say_why(tmp_path: Path) -> None:
    done = run(None, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "skipped" in done.stdout
    assert "needs a Mac with its launchd" in done.stdout
    assert "passed" not in done.stdout
