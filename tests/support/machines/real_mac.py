"""An installation under the launchd of this machine: a profile and labels of its own, and nothing of it stays."""

import os
import re
import subprocess
from pathlib import Path

from hermes_cli import paths
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.request import make_directories
from hermes_cli.services.job import names
from hermes_cli.services.launchd import plists
from hermes_cli.system import durable
from support.machines.installation import PATIENCE, REPOSITORY, SHORT_CLOCKS, Installation, end_processes_below
from support.machines.interpreter import Interpreter


class RealMac(Installation):
    """`hermes` with the `launchctl` on PATH. `close` removes everything, whatever a test has left."""

    def __init__(self, folder: Path) -> None:
        """Raise RuntimeError where one of the labels is loaded, or defined, already: it would be somebody's."""
        self.profile = f"test-{os.getpid()}"
        home = str(folder / "hermes")
        place = paths.Paths(self.profile, f"{home}/state", home, f"{home}/logs", home)
        self.label = plists.label(names.suffix(place))
        self.restarter = f"{self.label}.restarter"
        self.domains = [f"{kind}/{os.getuid()}" for kind in ("gui", "user")]
        self.agents = Path.home() / "Library" / "LaunchAgents"
        taken = [label for label in self.labels if self.domain_of(label) or self.plist(label).exists()]
        if taken:
            raise RuntimeError(f"{', '.join(taken)} is there already")
        super().__init__(
            folder / "hermes",
            manager="launchd",
            variables={"HERMES_PROFILE": self.profile},
            interpreter=Interpreter(folder / "python", REPOSITORY),
        )
        self.paths = place
        make_directories(self.paths.intents)
        durable.make_private_directory(self.paths.logs)
        self.configure(SHORT_CLOCKS)

    @property
    def labels(self) -> tuple[str, str]:
        """Both jobs."""
        return self.label, self.restarter

    def plist(self, label: str) -> Path:
        """Where its definition lies."""
        return self.agents / f"{label}.plist"

    def configure(self, text: str) -> None:
        """Write this profile's config.toml."""
        place = Path(self.paths.config)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_text(text)

    # --- launchd

    def launchctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One bounded call."""
        return subprocess.run(
            ["launchctl", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def domain_of(self, label: str) -> str | None:
        """Where a label is loaded."""
        return next((one for one in self.domains if self.launchctl("print", f"{one}/{label}").returncode == 0), None)

    def shown(self, label: str, name: str) -> str | None:
        """The first such line of `launchctl print`; None: the label is not loaded, or there is no such line."""
        text = self.launchctl("print", f"{self.domain_of(label)}/{label}").stdout
        found = re.search(rf"^\t{name} = (.*)$", text, re.MULTILINE)
        return found[1] if found else None

    def supervised(self, instance: Instance) -> bool:
        """Whether launchd says that this very process is the job's."""
        return self.shown(self.label, "pid") == str(instance.identity.pid)

    def unload(self, label: str) -> None:
        """Boot a label out, and see it gone."""
        while domain := self.domain_of(label):
            self.launchctl("bootout", f"{domain}/{label}")
            self.until(lambda: self.domain_of(label) is None, f"the end of {label}")

    def close(self) -> None:
        """Unload both jobs, the restarter first, or it would complete what is pending; switch nothing off for good."""
        for label in reversed(self.labels):
            self.unload(label)
            for domain in self.domains:
                if re.search(
                    rf'"{re.escape(label)}" => (disabled|true)', self.launchctl("print-disabled", domain).stdout
                ):
                    self.launchctl("enable", f"{domain}/{label}")
            self.plist(label).unlink(missing_ok=True)
        end_processes_below(self.home)
