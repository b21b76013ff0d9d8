"""The pytest plugin. Where the package is installed, pytest loads it by itself.

Elsewhere the topmost conftest.py says `pytest_plugins = ["launchd_emulator.fixture"]`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from launchd_emulator.emulator import Launchd


@pytest.fixture
def make_launchd(tmp_path: Path) -> Iterator[Callable[..., Launchd]]:
    """Return a function that starts a launchd with the given knobs. Everything that it started ends with the test."""
    made = 0
    with ExitStack() as closing:  # each is closed, also when another one cannot be

        def make(**knobs: Any) -> Launchd:
            nonlocal made
            made += 1
            return closing.enter_context(Launchd(tmp_path / f"launchd-{made}", **knobs))

        yield make


@pytest.fixture
def launchd(make_launchd: Callable[..., Launchd]) -> Launchd:
    """Start a launchd with the default knobs."""
    return make_launchd()
