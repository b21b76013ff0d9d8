"""Each test has a systemd user manager of its own; an installation with an interpreter that a bare job finds."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installation import REPOSITORY, Installation
from interpreter import Interpreter
from user_manager import NoManagerError, UserManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[UserManager]:
    """Skipped with the reason where there can be none, unless HERMES_TEST_REQUIRE says that there must be."""
    try:
        found = UserManager()
        found.start()
    except NoManagerError as error:
        if "systemd" in os.environ.get("HERMES_TEST_REQUIRE", ""):
            raise
        pytest.skip(str(error))
    yield found
    found.close()


@pytest.fixture
def hermes(manager: UserManager, tmp_path: Path, make_installation: Callable[..., Installation]) -> Installation:
    """An installation under that manager; its home has spaces, quotes, a percent sign and non-ASCII letters."""
    interpreter = Interpreter(tmp_path / "py thon %n $HOME 'ü'", REPOSITORY)
    return make_installation(
        "höme 'of' 100%i \"hermes\" $HOME", manager="systemd", variables=manager.variables, interpreter=interpreter
    )
