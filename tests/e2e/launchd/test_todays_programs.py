"""What today's programs do, beside what hermes does, in the same worlds of launchd.

HERMES_COMPARISON_TABLE=PATH writes what was seen as Markdown; that needs all worlds in one process (no xdist).
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from launchd_emulator import Launchd
from support.faults.matrix import bound
from support.machines.mac import Mac
from support.models.todays_programs import STRATEGIES, WORLDS, Gateway, World, table
from test_matrix import Cell

WRITE = "HERMES_COMPARISON_TABLE"
Fates = dict[tuple[str, str], str]


@pytest.fixture(scope="session")
def seen() -> Iterator[Fates]:
    """Fates by (strategy, world), written at the end when that is asked for."""
    path = os.environ.get(WRITE)
    if path and "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail(f"{WRITE} needs all worlds in one process: run it without -n")
    found: Fates = {}
    yield found
    if path and found:
        Path(path).write_text(table(found))


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_hermes_comes_back_once_where_todays_programs_do_as_listed(
    world: World,
    make_mac: Callable[..., Mac],
    make_launchd: Callable[..., Launchd],
    tmp_path: Path,
    seen: Fates,
) -> None:
    gateways = [
        Gateway(world, strategy, tmp_path / f"gateway {number}", make_launchd)
        for number, strategy in enumerate(STRATEGIES)
    ]
    for gateway in gateways:
        gateway.ask()
    assert_hermes_comes_back_once(make_mac(**world.knobs), world)
    fates = {strategy.name: gateway.fate() for strategy, gateway in zip(STRATEGIES, gateways, strict=True)}
    seen.update({(name, world.name): str(fate) for name, fate in fates.items()})
    seen["**hermes**", world.name] = "once"
    assert {name: fate.kind for name, fate in fates.items()} == {
        one.name: one.expected[world.name] for one in STRATEGIES
    }


def assert_hermes_comes_back_once(mac: Mac, world: World) -> None:
    cell = Cell(mac, world.fault)
    cell.ask()
    limit = bound(world.knobs, world.fault, cell.installing)
    fresh, by = cell.finish(limit, next_command=world.fault.next_command(world.knobs))
    assert by == "itself"
    assert mac.launchd.pid(mac.gateway) == fresh.identity.pid
    assert mac.spawns(after=mac.requested) == 1
    assert [one.outcome for one in mac.ever_settled()] == ["restarted"]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_each_of_todays_programs_is_listed_as_failing_in_some_world_and_working_in_another(strategy) -> None:
    fates = set(strategy.expected.values())
    assert fates & {"dead", "never"}
    assert fates & {"once", "many"}
