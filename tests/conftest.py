"""What every test may ask for: whole installations, and that nothing outlives it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gates import Gate
from installation import SHORT_CLOCKS, Installation, end_processes_below
from user_manager import UserManager, needed
from wheels import Environment

pytest_plugins = ["launchd_emulator.fixture"]


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """A gateway or a supervisor that is left alone brings up the other: both end with the test that started them."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None and (request.node.get_closest_marker("e2e") or "gateway" in request.node.nodeid):
        end_processes_below(folder)


@pytest.fixture
def make_installation(tmp_path: Path) -> Callable[..., Installation]:
    """Installations of this test."""

    def make(name: str = "höme 'of' \"hermes\"", config: str = SHORT_CLOCKS, **more) -> Installation:
        return Installation(tmp_path / name, config=config, **more)

    return make


@pytest.fixture
def hermes(make_installation: Callable[..., Installation]) -> Installation:
    """An installation whose home has spaces, quotes and non-ASCII letters in its name; nothing runs yet."""
    return make_installation()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Callable[[str], Gate]]:
    """Gates of this test, by name; each opens at its end, so that nobody stays behind one."""
    made: list[Gate] = []

    def make(name: str) -> Gate:
        made.append(Gate(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.open()
        one.close()


@pytest.fixture
def user_manager() -> Iterator[UserManager]:
    """A systemd user manager of this test's own; skipped with the reason where there can be none."""
    with needed():
        found = UserManager()
        found.start()
    yield found
    found.close()


@pytest.fixture(scope="session")
def wheels_template(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A virtual environment with the first release, installed by pip; made once, to be copied."""
    return Environment.template(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def bare_template(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A virtual environment without hermes, to be copied."""
    return Environment.bare(tmp_path_factory.mktemp("bare"))
