"""What the emulator's own tests ask for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from launchd_emulator import Launchd
from launchd_jobs import FAST, Jobs


@pytest.fixture
def make_jobs(make_launchd: Callable[..., Launchd], tmp_path: Path) -> Iterator[Callable[..., Jobs]]:
    """A launchd with these knobs, and jobs for it."""
    made: list[Jobs] = []

    def make(**knobs) -> Jobs:
        folder = tmp_path / f"jobs-{len(made)}"
        folder.mkdir()
        made.append(Jobs(make_launchd(**{"time_scale": FAST, **knobs}), folder))
        return made[-1]

    yield make
    for one in made:
        one.ready.close()


@pytest.fixture
def jobs(make_jobs: Callable[..., Jobs]) -> Jobs:
    """The default knobs."""
    return make_jobs()


@pytest.fixture
def still(make_jobs: Callable[..., Jobs]) -> Jobs:
    """A launchd whose clock only the test moves: no machine is too slow for it."""
    return make_jobs(clock="held")
