"""hermes-agent with nothing beside it: that the harness sees it die where its users do.

Bounded by default; HERMES_RESCUE=whole runs every scenario.
"""

from collections.abc import Callable

import pytest
from support.agent.on_launchd import Agent
from support.agent.scenarios import SCENARIOS, WHOLE, Scenario, run

pytestmark = [pytest.mark.timeout(600)]
BOUNDED = {"2a", "5k"}
CHOSEN = [one for one in SCENARIOS if WHOLE or one.name in BOUNDED]


@pytest.mark.parametrize("scenario", CHOSEN, ids=lambda one: one.name)
def test_with_nothing_beside_it_hermes_agent_dies_where_it_does_for_its_users(
    make_agent: Callable[..., Agent], scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    agent = make_agent(checkout=scenario.checkout)
    seen = run(agent, scenario, bound=0)
    record_property("rescue", {"name": scenario.name, "world": "alone", "busy": 0, **vars(seen)})
    assert scenario.alone in {None, seen.alive}, agent.log()
    assert (scenario.swept and seen.alive) or seen.spawns == (1 if seen.alive else 0)
    assert seen.unchanged or scenario.rewritten
