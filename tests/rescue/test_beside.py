"""hermesctl beside an adopted hermes-agent: alive where it died alone, left alone where a person has stopped it.

Bounded by default; HERMES_RESCUE=whole runs every scenario, HERMES_RESCUE_TIMES=N some of them N times, and
HERMES_RESCUE_BUSY=N does so with N busy loops beside it.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from support.agent.beside import Beside
from support.agent.scenarios import ASIDE, BY_NAME, SCENARIOS, STAYS, WHOLE, Scenario, Stays, busy, run, stopped

pytestmark = [pytest.mark.timeout(900)]
BOUNDED = {"2a", "6b", "7", "s1", "s2", "s3", "s4", "s5", "s9"}
TIMES = int(os.environ.get("HERMES_RESCUE_TIMES", "1"))
BUSY = int(os.environ.get("HERMES_RESCUE_BUSY", "0"))
REPEATED = {"2a", "7", "s1", "s9"}
BUSIER = 5.0  # times what the calls of a rescue take by themselves, shortly before
NOTE = Callable[[str, object], None]


def chosen(every: list[Scenario] | list[Stays]) -> list[object]:
    """Return the parameters of this run."""
    return [
        pytest.param(one, id=one.name if number == 0 else f"{one.name}-{number + 1}")
        for one in every
        if WHOLE or one.name in BOUNDED
        for number in range(TIMES if one.name in REPEATED else 1)
    ]


@pytest.fixture(autouse=True)
def _busy() -> Iterator[None]:
    loops = busy(BUSY)
    yield
    for one in loops:
        one.kill()
        one.wait()


@pytest.mark.parametrize("scenario", chosen(SCENARIOS))
def test_beside_hermesctl_hermes_agent_comes_back_once(
    make_adopted: Callable[..., Beside], scenario: Scenario, record_property: NOTE
) -> None:
    beside = make_adopted(checkout=scenario.checkout)
    floor = beside.floor()
    seen = run(beside.agent, scenario, bound=3 * ASIDE)
    record_property("rescue", {"name": scenario.name, "world": "beside", "busy": BUSY, **vars(seen)})
    assert seen.alive == scenario.beside, beside.log()
    assert seen.unchanged
    if not seen.alive:
        return
    assert seen.spawns in ({1, 2} if scenario.swept else {1}), beside.log()
    if BUSY:
        return  # how long it took is on the page
    # Of an idle machine; a busy one is allowed what the same calls take on it.
    if scenario.within is not None:
        assert seen.after_end is not None
        assert seen.after_end <= max(scenario.within, BUSIER * floor), beside.log()
    if scenario.after_label is not None and seen.after_label is not None:
        assert seen.after_label <= scenario.after_label + BUSIER * floor, beside.log()


@pytest.mark.parametrize("scenario", chosen(STAYS))
def test_beside_hermesctl_what_a_person_stops_stays_stopped_and_one_end_is_one_restart(
    make_adopted: Callable[..., Beside], scenario: Stays, record_property: NOTE
) -> None:
    beside = make_adopted()
    seen = run(beside.agent, scenario, bound=ASIDE)
    record_property("rescue", {"name": scenario.name, "world": "beside", "busy": BUSY, **vars(seen)})
    assert (seen.alive, seen.spawns) == (scenario.alive, scenario.spawns), beside.log()
    assert seen.unchanged or not scenario.defined


@pytest.mark.skipif(not WHOLE, reason="HERMES_RESCUE=whole")
def test_bring_back_brings_back_what_was_booted_out_under_a_restart(make_adopted: Callable[..., Beside]) -> None:
    beside = make_adopted("--unloaded", "bring-back")
    seen = run(beside.agent, BY_NAME["6a"], bound=3 * ASIDE)
    assert seen.alive, beside.log()
    assert seen.spawns == 1
    assert seen.unchanged
    assert not stopped(beside.agent, ASIDE), "the price of it: a bootout by hand is undone as well"
