"""Installations under the emulated launchd, and the table that a run of the matrix writes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.faults.matrix import table
from support.machines.mac import Mac

WRITE = "HERMES_LAUNCHD_TABLE"  # a file's path: the run writes its cells there
_cells: list[dict[str, Any]] = []


@pytest.fixture
def make_mac(tmp_path: Path, make_launchd) -> Callable[..., Mac]:
    """A machine with these knobs, nothing installed on it."""

    def make(**more) -> Mac:
        return Mac(tmp_path, make_launchd, **more)

    return make


@pytest.fixture
def mac(make_mac: Callable[..., Mac]) -> Mac:
    """A machine that behaves as a modern Mac does."""
    return make_mac()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the controlling process: what each cell has noted of itself."""
    if report.when == "call":
        _cells.extend({**value, "passed": report.passed} for name, value in report.user_properties if name == "cell")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table, in the controlling process only."""
    if WRITE in os.environ and not hasattr(session.config, "workerinput") and _cells:
        Path(os.environ[WRITE]).write_text(table(_cells))
