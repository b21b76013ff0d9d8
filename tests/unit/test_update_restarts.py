"""Which gateways an update restarts, and what it says of those that it cannot."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes_cli.intents import desired
from hermes_cli.paths import resolve, sibling
from hermes_cli.programs import description, own
from hermes_cli.services import choose
from hermes_cli.system import locks, process_table
from hermes_cli.update.restarts import Restarts

NOT_THERE = 2**22 + 1  # above the kernel's largest pid


@pytest.fixture
def contained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A profile whose gateway runs in a container that shares this machine's kernel."""
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    monkeypatch.setenv("HERMES_SERVICE_MANAGER", "embedded")
    monkeypatch.delenv("HERMES_PROFILE", raising=False)
    held = []

    def make(profile: str) -> None:
        paths = sibling(resolve(), profile)
        Path(paths.state).mkdir(mode=0o700, parents=True)
        own.write(paths, own.new(1, "abc", "1", time.time()))
        file = Path(paths.instance)
        there = {"pid": NOT_THERE, description.NAMESPACE: (process_table.pid_namespace() or 0) + 1}
        file.write_text(json.dumps({**json.loads(file.read_text()), **there}))
        desired.write(paths.desired, "running", "a test")
        held.append(locks.take(paths.gateway_lock))

    yield make
    for lock in held:
        lock.release()


def said(**options: bool) -> list[str]:
    paths, lines = resolve(), list[str]()
    restarts = Restarts(paths, choose(paths), lines.append)
    restarts.plan("hermes update", None, **{"all_profiles": False, **options})
    assert restarts.lines() == []
    return lines


def test_a_gateway_in_a_container_is_no_gateway_that_is_down(contained: Callable[[str], None]) -> None:
    contained("default")
    (line,) = said()
    assert line == f"{description.ELSEWHERE}, and keeps the code that it has: hermes gateway restart there"


def test_a_profile_in_a_container_is_named_with_what_restarts_it(contained: Callable[[str], None]) -> None:
    contained("work")
    (line,) = said(all_profiles=True)
    assert line == f"profile work is left alone, {description.ELSEWHERE}: hermes -p work gateway restart there"
