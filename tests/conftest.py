"""Fixtures for tests that need a whole installation."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installation import SHORT_CLOCKS, Installation


@pytest.fixture
def make_installation(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """Installations whose processes end with the test."""
    made: list[Installation] = []

    def make(name: str = "höme 'of' \"hermes\"", config: str = SHORT_CLOCKS, **more) -> Installation:
        made.append(Installation(tmp_path / name, config=config, **more))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def hermes(make_installation: Callable[..., Installation]) -> Installation:
    """An installation whose home has spaces, quotes and non-ASCII letters in its name; nothing runs yet."""
    return make_installation()
