"""An installation under launchd: the emulated one, its own HOME, a bare environment for every job."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launchd_emulator.emulator import Launchd

from hermes_cli.services.launchd import plists
from support.machines.installation import REPOSITORY, SHORT_CLOCKS, Installation
from support.machines.interpreter import Interpreter, Python

TIME_SCALE = 0.2  # of what launchd waits for; hermes' clocks are shortened by the configuration
# A drain and an exit take what they take: scaled, launchd's SIGKILL would come before hermes' own deadlines.
EXIT_TIMEOUT_SCALE = 1.0
LONGER_THAN_A_THROTTLE = 60.0  # launchd's seconds; less than the restarter's StartInterval


def launchd_of(user: Path, make_launchd: Callable[..., Launchd], **knobs: Any) -> Launchd:
    """A launchd whose user has that home, made here with the folder that its definitions lie in."""
    agents = user / "Library" / "LaunchAgents"
    agents.mkdir(parents=True)
    return make_launchd(home=user, agents_dir=agents, **knobs)


class Mac(Installation):
    """`hermes` where the service manager is launchd. `launchd` is the emulator, its trace the truth about spawns."""

    def __init__(
        self,
        folder: Path,
        make_launchd: Callable[..., Launchd],
        config: str = SHORT_CLOCKS,
        code: Path | None = REPOSITORY,
        interpreter: Python | None = None,
        **knobs: Any,
    ) -> None:
        user = folder / "üser"
        user.mkdir(parents=True)
        self.agents = user / "Library" / "LaunchAgents"
        self.requested = 0.0  # when the restart under test was asked for, in the trace's clock
        scales = {"time_scale": TIME_SCALE, "exit_timeout_scale": EXIT_TIMEOUT_SCALE}
        self.launchd = make_launchd(home=user, agents_dir=self.agents, **{**scales, **knobs})
        variables = {"HOME": str(user), "PATH": f"{self.launchd.bin}{os.pathsep}{os.environ['PATH']}"}
        super().__init__(
            folder / "höme 'of' \"hermes\"",
            code,
            config,
            manager="launchd",
            variables=variables,
            interpreter=interpreter or Interpreter(folder / "python", code or REPOSITORY),
        )
        self.gateway = plists.label(self.suffix)
        self.restarter = plists.restarter_label(self.gateway)

    def spawns(self, label: str | None = None, after: float = 0.0) -> int:
        """How often launchd has started that job since."""
        return sum(one.t > after for one in self.launchd.events("spawn", label or self.gateway))

    def hold_clock(self) -> None:
        """Let only the test move launchd's clock, which owes nobody a throttle now.

        Until then real time is scaled and real work is not: whether a crash or the throttle is longer is the machine's
        affair, and from now on the test's.
        """
        self.launchd.knob(clock="held")
        self.launchd.advance(LONGER_THAN_A_THROTTLE)
