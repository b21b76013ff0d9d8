"""An adopted program under systemd: `reset-failed` and `start` on its unit, and our resident unit beside it.

A killed gateway changes no file, so that a path unit would not see it: the resident is a service that is kept running.
"""

import os

from hermes_cli.errors import CannotTellError, HermesError, NotInstalledError
from hermes_cli.intents.clocks import POKE
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs.adoption import Adoption
from hermes_cli.programs.verdicts import ManagerView
from hermes_cli.services.adopted.base import Adopted
from hermes_cli.services.base import RestarterStatus, ServiceStatus
from hermes_cli.services.job import definition
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.environment import make_places, program
from hermes_cli.services.job.owner import Said
from hermes_cli.services.systemd import units
from hermes_cli.services.systemd.shown import Unit, service_of
from hermes_cli.services.systemd.systemctl import Systemctl

# Results of systemd.exec(5) that no `systemctl stop` leaves behind.
_BY_ITSELF = {"signal", "core-dump", "oom-kill", "watchdog", "timeout", "start-limit-hit", "resources", "protocol"}


class AdoptedSystemd(Adopted):
    """One adopted program under the user's own systemd."""

    name = "systemd"
    spawn_interval = 0.0  # a demand start is not held back by RestartSec

    def __init__(self, paths: Paths, adoption: Adoption) -> None:
        """Look at nothing yet."""
        super().__init__(paths, adoption)
        self._systemctl = Systemctl(system=False)

    @property
    def unit(self) -> str:
        """The resident's unit."""
        return f"hermesctl-{self._paths.profile}.service"

    @property
    def asked(self) -> tuple[Systemctl, tuple[str, ...]]:
        """Return the client, and the units that a look asks it about: `systemctl.share` asks for many profiles at once."""
        return self._systemctl, (self.adoption.name, self.unit)

    def view(self) -> ManagerView:
        """Return what systemd says of the program."""
        found = self._systemctl.show(self.adoption.name)
        if isinstance(found, str):
            return ManagerView()
        unit = found[self.adoption.name]
        service = service_of(unit)
        return ManagerView(
            loaded=unit.is_there,
            running=unit.pid if service.state == "running" else None,
            disabled=unit.load == "masked",
            will_start=unit.is_awaiting_restart or unit.queued,
            exit_code=unit.exit_code,
            ended_by_a_stop=_ended_by_a_stop(unit),
        )

    def observe(self) -> Service:
        """Say whether systemd runs it."""
        found = self._systemctl.show(self.adoption.name)
        return Service("unknown", detail=found) if isinstance(found, str) else service_of(found[self.adoption.name])

    def status(self) -> ServiceStatus:
        """Return the program's unit."""
        there = os.path.exists(self.adoption.definition)
        service = self.observe()
        answers = service.state != "unknown"
        return ServiceStatus(self.adoption.name, self._systemctl.domain, there, service, answers=answers)

    def restarter(self) -> RestarterStatus:
        """Say whether the resident runs."""
        found = self._systemctl.show(self.unit)
        if isinstance(found, str):
            return RestarterStatus("unknown", found)
        unit = found[self.unit]
        if unit.load == "masked":
            return RestarterStatus("disabled", f"{unit.name} is masked")
        if not unit.is_there:
            return RestarterStatus("missing", f"systemd knows no {unit.name}")
        if unit.pid is not None:
            return RestarterStatus("running", f"{unit.name}, pid {unit.pid}")
        return RestarterStatus("missing", f"{unit.name} does not run")

    def demand_start(self) -> None:
        """Reset the failure count and start the unit. Raises HermesError."""
        found = self._systemctl.show(self.adoption.name)
        if isinstance(found, str):
            raise CannotTellError(f"{found}: hermes gateway status")
        unit = found[self.adoption.name]
        if not unit.is_there:
            raise NotInstalledError(f"systemd does not load {unit.name} ({unit.load}): install it with its own command")
        if service_of(unit).state == "running" and not unit.queued:
            return
        self._systemctl("reset-failed", unit.name)
        self._systemctl.do("--no-block", "start", unit.name)

    def poke(self, trigger: str) -> bool | None:  # noqa: ARG002  systemd passes nothing on
        """Start the resident unless it runs."""
        try:
            answer = self._systemctl("--no-block", "start", self.unit, timeout=POKE)
        except HermesError:
            return None
        return True if answer.ok else None if answer.code is None else False

    def demand_start_of_resident(self) -> list[str]:
        """Return a start of the resident's unit."""
        return [program("systemctl"), "--user", "--no-block", "start", self.unit]

    def definitions(self) -> tuple[Definition, ...]:
        """Return the resident's unit, the only one that is ours."""
        text = units.resident(self._paths, self.unit, self.adoption.program, self.resident_argv())
        return (Definition(f"{self._systemctl.directory()}/{self.unit}", text),)

    def said(self, text: str) -> Said:
        """Return what a unit says of itself."""
        return units.said(text)

    def drifted(self) -> tuple[str, ...]:
        """Return the resident's unit if it is not as this release writes it."""
        wanted = self.definitions()[0]
        found = definition.read(wanted.path)
        kept = definition.keeping_path(wanted, found, units.without_path)
        return () if found == kept.text else (wanted.path,)

    def install(self) -> bool:
        """Write, enable and start the resident. Raises HermesError."""
        self._systemctl.require()
        make_places(self._paths)
        wanted = self.definitions()[0]
        is_same = wanted.is_there
        if not is_same:
            definition.write(wanted)
        self._systemctl.do("daemon-reload")
        self._systemctl.do("enable", self.unit)
        self._systemctl("reset-failed", self.unit)
        self._systemctl.do("start" if is_same else "restart", self.unit)
        return False

    def uninstall(self) -> None:
        """Stop the resident and remove its unit. Raises HermesError."""
        self._systemctl("disable", self.unit)
        self._systemctl("stop", self.unit)
        wanted = self.definitions()[0]
        definition.remove(wanted.path)
        definition.remove(f"{os.path.dirname(wanted.path)}/default.target.wants/{self.unit}")
        self._systemctl.do("daemon-reload")
        self._systemctl("reset-failed", self.unit)


def _ended_by_a_stop(unit: Unit) -> bool | None:
    """Say whether the unit is as `systemctl stop` leaves it: inactive, or failed by an exit code under Restart=always."""
    if unit.active == "inactive":
        return True
    if unit.active != "failed":
        return None
    return unit.result not in _BY_ITSELF
