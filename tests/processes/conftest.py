"""What every test of one program as a real process may ask for; support/commands has the rest."""

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest


@pytest.fixture(autouse=True)
def _nothing_inherited(nothing_inherited):
    pass


@pytest.fixture
def hermes(run_hermes) -> Callable[..., CompletedProcess[str]]:
    """Run one hermes command to its end, as a process of its own."""
    return run_hermes
