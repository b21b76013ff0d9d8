"""`hermes gateway list` says of each profile what its `status` says, under every manager."""

import json

from support.machines.worlds import World


def test_a_row_says_what_status_says(world: World) -> None:
    world.hermes.install()
    done = world.hermes.run("-p", "work", "gateway", "install")
    assert done.returncode == 0, done.stderr
    done = world.hermes.run("gateway", "list", "--json")
    assert done.returncode == 0, done.stderr
    found = {row.pop("profile"): row for row in json.loads(done.stdout)["profiles"]}
    assert list(found) == ["default", "work"]
    for name, row in found.items():
        status = json.loads(world.hermes.run("-p", name, "gateway", "status", "--json").stdout)
        assert row["state"] == "ready"
        assert row["service"] == status["service"]
        assert row["restarter"] == status["restarter"]
        assert row["instance"]["pid"] == status["instance"]["pid"]
        assert row["problems"] == status["problems"]
