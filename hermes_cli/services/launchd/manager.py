"""launchd: the gateway and its restarter as two jobs of the user's domain (launchd.plist(5), launchctl(1)).

A restart never boots out: the label stays in the domain, and a plain `kickstart` is a demand start, which launchd
admits in every mode (NousResearch/hermes-agent#11932). Only a changed definition is reloaded, by the restarter: a
`bootout` from inside the gateway's coalition kills whoever called it.
"""

import os
import sys
import time

from hermes_cli.config import GatewayConfig, LogConfig, load_or_defaults
from hermes_cli.errors import CannotTellError, HermesError, Problem, UsageError
from hermes_cli.installation import entry_points
from hermes_cli.intents import desired
from hermes_cli.intents.clocks import POKE
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.services import ahead, registered, unmanaged
from hermes_cli.services.base import RestarterStatus, ServiceStatus
from hermes_cli.services.job import definition, kept_lines, names, output, owner, restarter_program
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.edits import Edits
from hermes_cli.services.job.environment import make_places
from hermes_cli.services.launchd import jobs, plists, printed
from hermes_cli.services.launchd.domain import Domains
from hermes_cli.services.launchd.launchctl import ABSENT, IN_PROGRESS, NO_SERVICE, Launchctl
from hermes_cli.services.launchd.printed import Location

_EXIT = 3.0  # seconds; the exiting gateway waits for it


class Launchd:
    """One profile under launchd."""

    name = "launchd"
    completed_by = "the launchd restarter"

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

    # --- looking

    @property
    def spawn_interval(self) -> float:
        """Return the interval of the loaded definition, which may be of another release."""
        job = self._find(self._label).job
        if job is not None and job.interval is not None:
            return float(job.interval)
        return self._config.restart_clocks.spawn_interval

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

    # --- acting

    def _refuse_foreign(self, *labels: str) -> None:
        """Raise ForeignError when one of these labels is somebody else's (rule 11)."""
        for label in labels or (self._label, self._restarter):
            owner.refuse(self._stranger(self._domains.find(label)))

    def install(self) -> bool:
        """Write and load both jobs, and mend what keeps them from being loaded. Raises HermesError."""
        self._refuse_foreign()
        for place in (self._paths.logs, self._paths.state):
            if plists.is_out_of_reach(place, os.path.expanduser("~")):
                why = f"launchd starts no job with its files in {place}"
                raise HermesError(f"{why}: point HERMES_HOME at a folder on the boot volume")
        make_places(self._paths)
        restarter_program.install(self._paths)
        domain = self._domains.home(self._label)
        self._registration.keep(domain=domain, **names.fact(self._suffix))
        service, restarter = self.definitions()
        if os.environ.get("XPC_SERVICE_NAME") == self._restarter and self.drifted():
            self._install_from_outside()
            return False
        for wanted in (service, restarter):
            self._jobs.write(wanted)
        for name in (self._label, self._restarter):
            self._jobs.unload(name, but_in=domain)
        self._jobs.load(domain, restarter, only_if_stale=True)
        found = self._domains.find(self._label)
        if found.job is not None and found.job.service.state != "stopped" and self._jobs.is_stale(service):
            return True
        self._jobs.load(domain, service, only_if_stale=True)
        return False

    def uninstall(self) -> None:
        """Unload both jobs and remove what `install` wrote. Raises HermesError."""
        places = {name: self._domains.find(name) for name in (self._label, self._restarter)}
        foreign = {name: self._stranger(place) for name, place in places.items()}
        strangers = [found for found in foreign.values() if found is not None]
        if strangers and not self._registration:
            owner.refuse(strangers[0])
        own = [name for name, found in foreign.items() if found is None]
        for name in (*self._tasks(), *(name for name in own if name == self._restarter)):
            self._jobs.unload(name)
        if self._label in own:
            self.stop()
        else:
            unmanaged.stop(self._paths, self._config.stop_clocks.supervisor_kill)
        for domain in self._domains.names:
            for name in self._launchctl.disabled(domain) & set(own):
                self._launchctl("enable", f"{domain}/{name}")
        for name in own:
            definition.remove(plists.path_of(name))
        restarter_program.remove(self._paths)
        self._registration.forget()
        for found in strangers:
            owner.refuse(found)

    def demand_start(self) -> None:
        """Start the service by a plain `kickstart`. Raises HermesError.

        A label that is not loaded, or is switched off, is loaded first.
        """
        place = self._domains.find(self._label)
        if not place.known:
            raise CannotTellError("launchd does not answer: hermes gateway status")
        owner.refuse(self._stranger(place))
        if unmanaged.is_outside(unmanaged.seen(self._paths, place.service, self._label)):
            return  # a second gateway could not get the profile's lock
        domain = place.domain if place.job is not None else self._jobs.load_again(self._label, place.domain)
        answer = self._launchctl("kickstart", f"{domain}/{self._label}")
        if answer.code in {NO_SERVICE, *IN_PROGRESS}:  # it is being removed: by a stop of somebody else, or a logout
            domain = self._jobs.load_again(self._label, domain)
            answer = self._launchctl("kickstart", f"{domain}/{self._label}")
        if answer.code is None:
            raise CannotTellError("launchctl kickstart does not return: hermes gateway status")
        if not answer.ok and not self.observe().scheduled:
            raise HermesError(f"launchd does not start {self._label} ({answer.last_word}): hermes gateway install")

    def stop(self) -> None:
        """Switch the label off, so that the next login does not start it either, and wait for its process to go."""
        clocks = self._config.stop_clocks
        foreign = self._stranger(self._domains.find(self._label))
        if foreign is not None:
            if not unmanaged.stop(self._paths, clocks.supervisor_kill):
                owner.refuse(foreign)
            return
        for domain in self._domains.names:
            self._launchctl("disable", f"{domain}/{self._label}")
        self._jobs.unload(self._label)
        unmanaged.stop(self._paths, clocks.supervisor_kill)

    def reload(self) -> None:
        """Load the installed definition and start it. Call it from the restarter, outside the coalition (A2, A3)."""
        self._refuse_foreign(self._label)
        self._jobs.reload(self._label)
        self.demand_start()

    def enable(self) -> None:
        """Take back the override of `stop`, so that the next login starts the service again."""
        self._refuse_foreign(self._label)
        for domain in self._domains.names:
            self._launchctl("enable", f"{domain}/{self._label}")

    def poke(self, trigger: str) -> bool | None:  # noqa: ARG002  launchd passes nothing on
        """Start the restarter by a plain `kickstart`, which launchd admits when it does not admit a watch."""
        try:
            if not self._is_ours(self._restarter):
                place = self._find(self._restarter)
                if place.job is None:
                    return False if place.known else None
            for domain in self._domains.names:
                answer = self._launchctl("kickstart", f"{domain}/{self._restarter}", timeout=POKE)
                if answer.code not in ABSENT:
                    return True if answer.ok else None
        except HermesError:
            return None
        return False

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Load and start a job of its own. It stays loaded and idle until the next one or `uninstall`."""
        label = f"{self._label}.{name}"
        domain = self._domains.home(self._label)
        path = f"{self._paths.restarter}/{label}.plist"
        found = self._domains.find(label)
        owner.refuse(self._stranger(found))
        if found.job is not None and found.job.service.state == "running":
            raise HermesError(f"{label} is under way already: hermes gateway status")
        deadline = time.monotonic() + jobs.LOAD
        if found.job is not None and found.domain is not None:
            self._domains.unload(found.domain, label, deadline)
        logged = output.into(self._paths.restarter_log, argv, self._log.bounds)
        definition.write(plists.task(self._paths, label, path, logged, environment))
        self._domains.load(domain, label, path, deadline)
        answer = self._launchctl("kickstart", f"{domain}/{label}")
        if not answer.ok:
            raise HermesError(f"launchd does not start {label} ({answer.last_word}): repeat")

    def complete_exit(self) -> None:
        """Let launchd start the service when this process has ended (`kickstart -k`), also if the caller dies."""
        if self._stranger_in_file(self._label) is None:
            self._launchctl.restart_caller(f"{self._domains.names[0]}/{self._label}", _EXIT)

    def forgive_exit(self) -> None:
        """Nothing: launchd never gives up."""

    def _install_from_outside(self) -> None:
        """Install from a job of its own: the restarter, as which a driver may run, would not outlive its own reload."""
        argv = entry_points.argv(entry_points.DEFINITIONS, self._paths.profile)
        self.run_outside("definitions", argv, {})

    def _tasks(self) -> list[str]:
        """Return the labels that `run_outside` has left loaded."""
        try:
            names = os.listdir(self._paths.restarter)
        except OSError:
            return []
        return [name.removesuffix(".plist") for name in names if name.endswith(".plist")]

    @property
    def _config(self) -> GatewayConfig:
        return load_or_defaults(self._paths.config).gateway

    @property
    def _log(self) -> LogConfig:
        return load_or_defaults(self._paths.config).log
