"""Installations under the emulated launchd, and the table that a run of the matrix writes, be it in one part or in many."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.faults.matrix import table
from support.machines.mac import Mac

WRITE = "HERMES_LAUNCHD_TABLE"  # a file's path: the run writes its cells there
KEEP = "HERMES_LAUNCHD_CELLS"  # a file's path: cells are added there, and what has passed there is not run again
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


def _kept() -> dict[tuple[str, str], dict[str, Any]]:
    """Return what earlier parts of this run have noted, the last of each cell."""
    path = Path(os.environ.get(KEEP, ""))
    lines = path.read_text().splitlines() if path.is_file() else []
    return {(one["fault"], one["world"]): one for one in map(json.loads, lines)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cells that have passed in an earlier part."""
    passed = {f"[{fault} - {world}]" for (fault, world), one in _kept().items() if one["passed"]}
    done = [item for item in items if "test_the_gateway_comes_back[" in item.name and item.name[27:] in passed]
    if done:
        config.hook.pytest_deselected(items=done)
        items[:] = [item for item in items if item not in done]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the controlling process: what each cell has noted of itself."""
    if report.when != "call" or "PYTEST_XDIST_WORKER" in os.environ:
        return
    found = [{**value, "passed": report.passed} for name, value in report.user_properties if name == "cell"]
    _cells.extend(found)
    if KEEP in os.environ:
        with Path(os.environ[KEEP]).open("a") as file:
            file.writelines(json.dumps(one) + "\n" for one in found)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table, in the controlling process only."""
    cells = {**_kept(), **{(one["fault"], one["world"]): one for one in _cells}}
    if WRITE in os.environ and not hasattr(session.config, "workerinput") and cells:
        Path(os.environ[WRITE]).write_text(table([*cells.values()]))
