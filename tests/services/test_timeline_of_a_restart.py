"""The phases of a restart add up to what it took, under every manager."""

import json
from datetime import datetime

import pytest
from support.machines.worlds import World

PHASES = ("requested", "signalled", "draining", "exited", "demanded", "starting", "ready", "settled")


def test_the_phases_of_a_restart_add_up_to_what_it_took(world: World) -> None:
    world.hermes.install()
    done = world.hermes.run("gateway", "restart")
    assert done.returncode == 0, done.stderr
    found = json.loads(world.hermes.run("gateway", "intents", "show", "last", "--json").stdout)
    names = [one["phase"] for one in found["phases"]]
    assert [name for name in names if name != "demanded"] == [name for name in PHASES if name != "demanded"]
    assert [name for name in PHASES if name in names] == names
    assert sum(one["lasted"] for one in found["phases"][:-1]) == pytest.approx(found["took"], abs=0.05)
    fresh = world.hermes.ready()
    assert fresh.marks is not None
    told = next(one for one in found["phases"] if one["phase"] == "ready")
    assert datetime.fromisoformat(told["at"]).timestamp() == pytest.approx(fresh.marks.ready, abs=0.05)
    prefix = found["id"][:20]
    shown = world.hermes.run("gateway", "intents", "show", prefix).stdout
    assert "draining  " in shown
