"""What every test may ask for: whole installations, and that nothing outlives it.

What only some tests need is imported when they ask for it: unit tests are to be collected quickly.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from support import FULL

if TYPE_CHECKING:
    from support.faults.gates import Gate
    from support.machines.installation import Installation
    from support.machines.user_manager import UserManager
    from support.releases.wheels import Environment

# Fixtures of the latter two are found by their names, below any folder that has none of that name.
pytest_plugins = [
    "launchd_emulator.fixture",
    "telegram_emulator.fixture",
    "support.commands.one_profile",
    "support.commands.bad_input",
    "support.models.telegram_bot",
]

TESTS = Path(__file__).parent

# No test is red by chance: random examples are for the night, and what they find becomes an @example.
# Nor by a busy machine: what takes long there says nothing.
_DEAF = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=50, derandomize=True, **_DEAF)
settings.register_profile("nightly", max_examples=500, **_DEAF)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "nightly" if FULL else "quick"))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script's shell has what it starts in the background ignore it, and that is inherited: no Ctrl-C would ever arrive.
    signal.signal(signal.SIGINT, signal.default_int_handler)


_MADE_ONCE = {"agent_python", "wheels_template", "bare_template"}  # by whichever test comes first; the others wait


def _marks(item: pytest.Function) -> Iterator[str]:
    """Yield the markers that follow from where a test lies and what it asks for."""
    place = item.path.relative_to(TESTS).parts if item.path.is_relative_to(TESTS) else ()
    if place[:1] not in {(), ("unit",)}:
        yield "e2e"
    if "strace" in item.fixturenames or hasattr(item.module, "need_strace"):
        yield "needs_strace"
    world = item.callspec.params.get("world") if hasattr(item, "callspec") else None
    if place[:2] == ("e2e", "systemd") or "user_manager" in item.fixturenames or world == "systemd":
        yield "needs_systemd"
    if not {"tiny_disk", "as_pid_1"}.isdisjoint(item.fixturenames):
        yield "needs_root"


def _time_itself_only(item: pytest.Function) -> None:
    """Have the bound of a test not count what is made once for all of them: it has bounds of its own, or waits for pip."""
    if not _MADE_ONCE.isdisjoint(item.fixturenames):
        bound = item.get_closest_marker("timeout") or pytest.mark.timeout
        item.add_marker(pytest.mark.timeout(*bound.args, **{**bound.kwargs, "func_only": True}), append=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the markers, so that nobody has to think of them, and leave cells of big tables to the night."""
    for item in items:
        if isinstance(item, pytest.Function):
            for mark in _marks(item):
                item.add_marker(mark)
            _time_itself_only(item)
    if config.getoption("sampled") and not FULL:
        _sample(config, items)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of .ci/run."""
    parser.addoption("--sampled", action="store_true", help="of big tables some cells only (tests/support/sample.py)")


def _sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, in place, the cells that a sampled run leaves out. A cell that only a night runs stands for no other."""
    from support.sample import kept

    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and item.path.is_relative_to(TESTS):
            name = f"{item.path.relative_to(TESTS).as_posix()}::{item.originalname}"
            tables.setdefault(name, []).append(item)
    by_day = {
        name: [item for item in cells if not item.get_closest_marker("nightly")] for name, cells in tables.items()
    }
    taken = {id(item) for name, cells in by_day.items() for item in kept(name, cells)}
    of_tables = {id(item) for cells in tables.values() for item in cells}
    left = [item for item in items if id(item) in of_tables - taken]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if id(item) not in of_tables - taken]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here, or takes a night."""
    if item.get_closest_marker("nightly") and not FULL:
        pytest.skip("takes minutes: HERMES_PROOF=full")
    if item.get_closest_marker("needs_root") and os.geteuid() != 0:
        pytest.skip("only for root")
    if item.get_closest_marker("needs_strace") and shutil.which("strace") is None:
        pytest.skip("strace is not installed")


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """A gateway or a supervisor that is left alone brings up the other: both end with the test that started them."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None and request.node.get_closest_marker("e2e"):
        from support.machines.installation import end_processes_below

        end_processes_below(folder)


@pytest.fixture
def make_installation(tmp_path: Path) -> "Callable[..., Installation]":
    """Installations of this test."""
    from support.machines.installation import SHORT_CLOCKS, Installation

    def make(name: str = "höme 'of' \"hermes\"", config: str = SHORT_CLOCKS, **more) -> Installation:
        return Installation(tmp_path / name, config=config, **more)

    return make


@pytest.fixture
def hermes(make_installation: "Callable[..., Installation]") -> "Installation":
    """An installation whose home has spaces, quotes and non-ASCII letters in its name; nothing runs yet."""
    return make_installation()


@pytest.fixture
def gate(tmp_path: Path) -> "Iterator[Callable[[str], Gate]]":
    """Gates of this test, by name; each opens at its end, so that nobody stays behind one."""
    from support.faults.gates import Gate

    made: list[Gate] = []

    def make(name: str) -> Gate:
        made.append(Gate(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.open()
        one.close()


@pytest.fixture
def user_manager() -> "Iterator[UserManager]":
    """A systemd user manager of this test's own; skipped with the reason where there can be none."""
    from support.machines.user_manager import UserManager, needed

    with needed():
        found = UserManager()
        found.start()
    yield found
    found.close()


@pytest.fixture(scope="session")
def wheels_template(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Environment]":
    """A virtual environment with the first release, installed by pip; made once, to be copied."""
    from support.once import once
    from support.releases.wheels import Environment

    made = Environment.at(once(tmp_path_factory, "wheels", Environment.template))
    shared = made.shared()
    assert shared
    yield made
    assert made.shared() == shared, "a test has written into files that all copies share"


@pytest.fixture(scope="session")
def bare_template(tmp_path_factory: pytest.TempPathFactory) -> "Environment":
    """A virtual environment without hermes, to be copied."""
    from support.once import once
    from support.releases.wheels import Environment

    return Environment.at(once(tmp_path_factory, "bare", Environment.bare))
