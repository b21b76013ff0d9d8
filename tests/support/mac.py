"""An installation under launchd: the emulated one, its own HOME, a bare environment for every job."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import installation
from installation import SHORT_CLOCKS, Installation
from interpreter import Interpreter
from launchd_emulator.emulator import Launchd

GATEWAY = "ai.hermes.gateway"
RESTARTER = "ai.hermes.gateway.restarter"
REPOSITORY = installation.REPOSITORY
TIME_SCALE = 0.2  # of launchd's own durations; hermes' clocks are shortened by the configuration


class Mac(Installation):
    """`hermes` where the service manager is launchd. `launchd` is the emulator, its trace the truth about spawns."""

    def __init__(
        self,
        folder: Path,
        make_launchd: Callable[..., Launchd],
        config: str = SHORT_CLOCKS,
        code: Path = REPOSITORY,
        **knobs: Any,
    ) -> None:
        user = folder / "üser"
        user.mkdir(parents=True)
        self.agents = user / "Library" / "LaunchAgents"
        self.requested = 0.0  # when the restart under test was asked for, in the trace's clock
        self.launchd = make_launchd(home=user, agents_dir=self.agents, **{"time_scale": TIME_SCALE, **knobs})
        variables = {"HOME": str(user), "PATH": f"{self.launchd.bin}{os.pathsep}{os.environ['PATH']}"}
        super().__init__(
            folder / "höme 'of' \"hermes\"",
            code,
            config,
            manager="launchd",
            variables=variables,
            interpreter=Interpreter(folder / "python", code),
        )

    def spawns(self, label: str = GATEWAY, after: float = 0.0) -> int:
        """How often launchd has started that job since."""
        return sum(one.t > after for one in self.launchd.events("spawn", label))
