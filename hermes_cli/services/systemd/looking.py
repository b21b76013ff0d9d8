"""What is looked at under systemd: what is known of a profile's units, whose they are, and what they would start.

`systemctl show -p` alone says what is known of a unit: running, stopped or unknown.
"""

import os

from hermes_cli.config import GatewayConfig, LogConfig, load_or_defaults
from hermes_cli.errors import CannotTellError, Problem
from hermes_cli.intents import desired
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs import own as own_program
from hermes_cli.services import ahead, base, registered, unmanaged
from hermes_cli.services.base import LOOK, RestarterStatus, ServiceStatus
from hermes_cli.services.job import definition, kept_lines, names, owner, restarter_program
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.edits import Edits
from hermes_cli.services.job.environment import program
from hermes_cli.services.systemd import linger, shown, systemctl, units
from hermes_cli.services.systemd.shown import Unit, service_of
from hermes_cli.services.systemd.systemctl import Systemctl


class UnitsOfProfile:
    """The service, its restarter and its watch, as this profile has them under one systemd. Nothing here changes any."""

    name = "systemd"

    def __init__(self, paths: Paths, *, system: bool | None = None) -> None:
        """Choose root's system manager or the user's.

        `system` None: the manager into which hermes is installed, else the user's if there is one.
        """
        self._paths = paths
        self._registration = registered.Registration(paths, self.name)
        if system is None and self._registration:
            system = self._registration.get("scope") == "system"
        self._systemctl = Systemctl(system=systemctl.is_system_the_best() if system is None else system)
        self._asked: str | None = None
        self._suffix = names.in_force(paths, self._registration, self._is_ours)
        self._names = units.Names(paths, self._suffix)
        self._edits = Edits(paths, units.values, self._lasting)

    @property
    def asked(self) -> tuple[Systemctl, tuple[str, ...]]:
        """Return the client, and the units that a look asks it about: `systemctl.share` asks for many profiles at once."""
        return self._systemctl, tuple(self._names)

    def look(self) -> base.Look:
        """Ask one thing after the other."""
        return base.look(self)

    def status(self) -> ServiceStatus:
        """Return the service, and what keeps it from running or its restarter from being started."""
        found = self._systemctl.show(*self._names, timeout=LOOK)
        if isinstance(found, str):
            service = Service("unknown", detail=found)
            places = self._systemctl.places()  # which of them it reads would be one more question
            there = bool(self._registration) or any(os.path.lexists(f"{one}/{self._names.service}") for one in places)
            return ServiceStatus(self._names.service, self._systemctl.domain, there, service, answers=False)
        there = bool(self._registration) or os.path.lexists(self._path_of(self._names.service))
        unit, restarter, watch = (found[name] for name in self._names)
        service = self._service(unit)
        if (foreign := self._stranger(unit)) is not None:
            is_installed = bool(self._registration)
            return ServiceStatus(unit.name, self._systemctl.domain, is_installed, service, (foreign,))
        problems: list[Problem] = []
        if there and desired.seen(self._paths.desired) != "stopped":
            problems += shown.problems(unit, restarter, watch, service, self._path_of(unit.name))
            if not self._systemctl.system and linger.ends_at_logout():
                mend = f"loginctl enable-linger {systemctl.user_name()}"
                problems.append(Problem("no-linger", "the gateway ends when you log out", mend))
        there = there or unit.load not in {"", "not-found"}
        return ServiceStatus(self._names.service, self._systemctl.domain, there, service, tuple(problems))

    def observe(self) -> Service:
        """Say whether the service runs."""
        found = self._systemctl.show(self._names.service)
        return Service("unknown", detail=found) if isinstance(found, str) else self._service(found[self._names.service])

    def restarter(self) -> RestarterStatus:
        """Say whether the restarter can be started. That only its watch is off is a problem of `status`."""
        found = self._systemctl.show(self._names.restarter, self._names.path, timeout=LOOK)
        if isinstance(found, str):
            return RestarterStatus("unknown", found)
        unit = found[self._names.restarter]
        if self._stranger(unit) is not None:
            return RestarterStatus("missing", f"{unit.name} is somebody else's")
        return shown.restarter_of(unit, found[self._names.path])

    def definitions(self) -> tuple[Definition, ...]:
        """Return the three units, with the lines that the user has added."""
        place = units.UnitDirectory(self._directory(), root=self._systemctl.system)
        start = [program("systemctl"), self._systemctl.switch, "--no-block", "start"]
        wanted = (
            units.service(self._paths, self._config, self._log, place, self._names),
            units.restarter(self._paths, place, [*start, self._names.service], self._names),
            units.watch(self._paths, place, self._names),
        )
        return tuple(kept_lines.in_force(one, units.keeping, units.without_path, self._edits) for one in wanted)

    def _lasting(self, wanted: Definition) -> str:
        scope = "" if self._systemctl.system else " --user"
        return f", and systemctl{scope} edit {os.path.basename(wanted.path)} makes a change that stays"

    def drifted(self) -> tuple[str, ...]:
        """Return the units that are missing or of another release, and the restarter's program if it is."""
        return definition.drifted(
            self.definitions(),
            is_installed=bool(self._registration) or self._is_ours(self._suffix),
            also=lambda: restarter_program.drifted(self._paths),
        )

    def next_start(self) -> ahead.NextStart | None:
        """Return what the installed unit starts; drop-ins are not read."""
        path = self._path_of(self._names.service)
        text = definition.read(path)
        return None if text is None else ahead.named(units.said(text), path)

    def unfit(self) -> str | None:
        """Return why the installed unit can start nothing, or None. Raises HermesError."""
        path = self._path_of(self._names.service)
        text = definition.read(path)
        if text is None:
            return None if self._look().is_there else ahead.missing(path)
        return ahead.unfit(self._stranger_in(self._names.service, text), ahead.named(units.said(text), path))

    def obstacle(self) -> str | None:
        """Return why the installed unit would not come up, or None. Raises HermesError."""
        return self.unfit() or ahead.obstacle(self._paths, self.next_start() or ahead.of_this(self._paths))

    # --- whose they are

    def _service(self, unit: Unit) -> Service:
        foreign = self._stranger(unit)
        said = service_of(unit) if foreign is None else Service("stopped", detail=f"{unit.name} is somebody else's")
        return unmanaged.seen(self._paths, said, unit.name)

    def _stranger(self, unit: Unit) -> Problem | None:
        """Return whose the unit is, if it is not ours: by its file, then by what is loaded (rule 11)."""
        installed = bool(self._registration)
        own = self._path_of(unit.name)
        for path in dict.fromkeys([own, unit.fragment]):
            text = definition.read(path) if path else None
            if text:
                found = self._stranger_in(unit.name, text)
                if found is not None or path == unit.fragment:
                    return found
        if unit.active not in {"active", "activating", "reloading", "deactivating"} and unit.said.is_silent:
            return None  # nothing is there
        running = own_program.read_alive(self._paths)
        if unit.pid is not None and running is not None and running.identity.pid == unit.pid:
            return None
        return owner.stranger(unit.name, unit.said, self._paths, is_installed=installed)

    def _stranger_in(self, name: str, text: str) -> Problem | None:
        return owner.stranger(name, units.said(text), self._paths, is_installed=bool(self._registration))

    def _is_ours(self, suffix: str) -> bool:
        """Say whether there is a unit's file under that name that serves this profile. Asks no manager."""
        name = units.Names(self._paths, suffix).service
        kept = self._registration.get("directory")
        for place in [kept] if isinstance(kept, str) else self._systemctl.places():
            said = units.said(definition.read(f"{place}/{name}") or "")
            if not said.is_silent:
                return owner.stranger(name, said, self._paths, is_installed=bool(self._registration)) is None
        return False

    def _refuse_foreign(self, *units_: Unit) -> None:
        """Raise ForeignError when one of these units, or of all three, is somebody else's."""
        for unit in units_ or self._shown(*self._names).values():
            owner.refuse(self._stranger(unit))

    def _strangers(self) -> dict[str, Problem]:
        """Return the units of these names that are somebody else's."""
        found = {name: self._stranger(unit) for name, unit in self._shown(*self._names).items()}
        return {name: foreign for name, foreign in found.items() if foreign is not None}

    # --- the units

    def _look(self) -> Unit:
        return self._shown(self._names.service)[self._names.service]

    def _shown(self, *names: str) -> dict[str, Unit]:
        found = self._systemctl.show(*names)
        if isinstance(found, str):
            raise CannotTellError(f"{found}: hermes gateway status")
        return found

    def _path_of(self, name: str) -> str:
        return f"{self._directory()}/{name}"

    def _directory(self) -> str:
        """Return the directory of the units: where they were installed, else where this manager looks."""
        if self._registration.get("scope") == self._systemctl.scope:
            return str(self._registration.get("directory"))
        if self._asked is None:
            self._asked = self._systemctl.directory()
        return self._asked

    @property
    def _config(self) -> GatewayConfig:
        return load_or_defaults(self._paths.config).gateway

    @property
    def _log(self) -> LogConfig:
        return load_or_defaults(self._paths.config).log
