"""A driver as a process of its own whose gateway is the stand-in: `python driver_alone.py HOME`."""

import os
import subprocess
import sys
from pathlib import Path

from hermes_cli.intents.driver import Driver
from hermes_cli.intents.facts import Policy
from hermes_cli.intents.protocols import NoUpdates
from hermes_cli.intents.service import Service
from hermes_cli.programs.own import OwnGateway
from hermes_cli.system import locks
from support.models import in_place
from support.models.in_place import paths_below

GATEWAY = Path(__file__).parent / "stand_in_gateway.py"
POLICY = Policy(drain_timeout=5.0, teardown_timeout=1.0, start_timeout=10.0, max_attempts=9, backoff=0.05)


class Alone:
    """Starts the stand-in on demand, in a session of its own; what gateway.lock says is whether one runs."""

    def __init__(self, paths: in_place.Paths) -> None:
        self.paths = paths

    def observe(self) -> Service:
        return Service("running" if locks.is_held(self.paths.gateway_lock) else "stopped")

    def obstacle(self) -> str | None:
        return None

    def demand_start(self) -> None:
        if self.observe().state == "running":
            return
        # No pipe to us: a stand-in that says "ready" to a driver that was killed would die of it.
        subprocess.Popen(
            [sys.executable, str(GATEWAY), os.path.dirname(self.paths.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def reload(self) -> None:
        self.demand_start()


if __name__ == "__main__":
    found = paths_below(sys.argv[1])
    sys.exit(
        0
        if Driver(found.queue, OwnGateway(found), Alone(found), NoUpdates(), policy=POLICY, trigger="watch").drive()
        else 75
    )
