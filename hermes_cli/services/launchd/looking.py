"""What is looked at under launchd: what is known of a profile's two jobs, whose they are, and what they would start."""

import os
import sys

from hermes_cli.config import GatewayConfig, LogConfig, load_or_defaults
from hermes_cli.errors import Problem, UsageError
from hermes_cli.intents import desired
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.services import ahead, base, registered, unmanaged
from hermes_cli.services.base import RestarterStatus, ServiceStatus
from hermes_cli.services.job import definition, kept_lines, names, owner, restarter_program
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.edits import Edits
from hermes_cli.services.launchd import jobs, plists, printed
from hermes_cli.services.launchd.domain import Domains
from hermes_cli.services.launchd.launchctl import Launchctl
from hermes_cli.services.launchd.printed import Location


class JobsOfProfile:
    """The service and its restarter, as this profile has them under launchd. Nothing here changes any."""

    name = "launchd"

    def __init__(self, paths: Paths) -> None:
        """Look at nothing yet. Raises UsageError for root on macOS."""
        if sys.platform == "darwin" and os.getuid() == 0:
            raise UsageError("the gateway is a job of the user who logs in, not of root: run hermes without sudo")
        self._paths = paths
        self._registration = registered.Registration(paths, self.name)
        self._suffix = names.in_force(paths, self._registration, lambda name: self._is_ours(plists.label(name)))
        self._label = plists.label(self._suffix)
        self._restarter = plists.restarter_label(self._label)
        self._launchctl = Launchctl("launchctl")
        self._domains = Domains(self._launchctl, self._registration.get("domain"))
        self._edits = Edits(paths, plists.values)
        self._jobs = jobs.Jobs(
            self._domains, self._registration, self._edits, lambda: self._config.stop_clocks.driver_deadline
        )

    @property
    def spawn_interval(self) -> float:
        """Return the interval of the loaded definition, which may be of another release."""
        job = self._find(self._label).job
        if job is not None and job.interval is not None:
            return float(job.interval)
        return self._config.restart_clocks.spawn_interval

    def look(self) -> base.Look:
        """Ask one thing after the other."""
        return base.look(self)

    def status(self) -> ServiceStatus:
        """Say where the service is loaded, and what keeps it from running."""
        place = self._find(self._label)
        service = unmanaged.seen(self._paths, place.service, self._label)
        paths = [plists.path_of(name) for name in (self._label, self._restarter)]
        is_defined = os.path.exists(paths[0]) and place.foreign is None
        problems = printed.problems(
            place,
            service,
            is_disabled=self._is_disabled(place),
            is_defined=is_defined,
            refused=[path for path in paths if jobs.is_refused(path)],
        )
        return ServiceStatus(
            self._label,
            place.domain,
            is_defined or place.job is not None or bool(self._registration),
            service,
            tuple(problems) if place.foreign or desired.seen(self._paths.desired) != "stopped" else (),
            answers=place.known,
        )

    def observe(self) -> Service:
        """Say whether the service runs."""
        return unmanaged.seen(self._paths, self._find(self._label).service, self._label)

    def restarter(self) -> RestarterStatus:
        """Say whether the restarter is loaded, and if not, whether somebody has switched it off."""
        place = self._find(self._restarter)
        return printed.restarter_at(place, is_disabled=self._is_disabled(place))

    def definitions(self) -> tuple[Definition, ...]:
        """Return the two plists, with the keys that the user has added."""
        domain = str(self._registration.get("domain") or self._domains.names[0])
        wanted = (
            plists.service(self._paths, self._config, self._log, self._label),
            plists.restarter(self._paths, domain, self._label),
        )
        return tuple(kept_lines.in_force(one, plists.keeping, plists.without_path, self._edits) for one in wanted)

    def drifted(self) -> tuple[str, ...]:
        """Return definitions and programs that are missing, of another release, or not loaded since they changed."""
        return definition.drifted(
            self.definitions(),
            is_installed=bool(self._registration) or any(map(self._is_ours, (self._label, self._restarter))),
            also=lambda: restarter_program.drifted(self._paths),
            is_stale=self._jobs.is_stale,
        )

    def next_start(self) -> ahead.NextStart | None:
        """Return what the installed definition starts."""
        path = plists.path_of(self._label)
        text = definition.read(path)
        return None if text is None else ahead.named(plists.said(text), path)

    def unfit(self) -> str | None:
        """Return why the installed definition can start nothing, or None. Raises HermesError."""
        path = plists.path_of(self._label)
        text = definition.read(path)
        if text is None:
            place = self._find(self._label)
            return None if place.job is not None or not place.known else ahead.missing(path)
        return ahead.unfit(self._stranger_in_file(self._label), ahead.named(plists.said(text), path))

    def obstacle(self) -> str | None:
        """Return why the installed definition would not come up, or None. Raises HermesError."""
        return self.unfit() or ahead.obstacle(self._paths, self.next_start() or ahead.of_this(self._paths))

    # --- whose they are

    def _is_disabled(self, place: Location) -> bool:
        """Say whether a label that is not loaded is switched off; launchd is asked only where that matters."""
        if place.job is not None or not place.known or place.domain is None:
            return False
        return place.label in self._launchctl.disabled(place.domain)

    def _find(self, label: str) -> Location:
        """Look for a label. What is loaded, or defined, under it by somebody else is no job of ours."""
        place = self._domains.find(label)
        foreign = self._stranger(place)
        return place if foreign is None else place.without(foreign)

    def _stranger(self, place: Location) -> Problem | None:
        """Return whose the label is, if it is not ours: by its definition, then by what is loaded."""
        found = self._stranger_in_file(place.label)
        if found is None and place.job is not None:
            found = owner.stranger(place.label, place.job.said, self._paths, is_installed=bool(self._registration))
        return found

    def _stranger_in_file(self, label: str) -> Problem | None:
        text = definition.read(plists.path_of(label))
        if not text:
            return None
        return owner.stranger(label, plists.said(text), self._paths, is_installed=bool(self._registration))

    def _is_ours(self, label: str) -> bool:
        """Say whether there is a definition under that label that serves this profile."""
        text = definition.read(plists.path_of(label))
        found = plists.said(text or "")
        return not found.is_silent and self._stranger_in_file(label) is None

    def _refuse_foreign(self, *labels: str) -> None:
        """Raise ForeignError when one of these labels is somebody else's (rule 11)."""
        for label in labels or (self._label, self._restarter):
            owner.refuse(self._stranger(self._domains.find(label)))

    @property
    def _config(self) -> GatewayConfig:
        return load_or_defaults(self._paths.config).gateway

    @property
    def _log(self) -> LogConfig:
        return load_or_defaults(self._paths.config).log
