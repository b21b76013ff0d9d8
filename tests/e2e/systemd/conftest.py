"""An installation under a user manager of its own, with an interpreter that a job with a bare environment finds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.machines.installation import REPOSITORY, Installation
from support.machines.interpreter import Interpreter
from support.machines.user_manager import UserManager


@pytest.fixture
def hermes(user_manager: UserManager, tmp_path: Path, make_installation: Callable[..., Installation]) -> Installation:
    """Its paths have spaces, quotes, percent signs, dollar signs and non-ASCII letters in them."""
    return make_installation(
        "höme 'of' 100%i \"hermes\" $HOME",
        manager="systemd",
        variables=user_manager.variables,
        interpreter=Interpreter(tmp_path / "py thon %n $HOME 'ü'", REPOSITORY),
    )
