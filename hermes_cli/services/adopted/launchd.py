"""An adopted program under launchd: `bootstrap` and plain `kickstart` on its label, and our resident job beside it.

The resident is kept alive (KeepAlive): in on-demand-only mode launchd holds back a job that only watches together with
everything else, and a process that already runs is not held back (NousResearch/hermes-agent#11932).
"""

import os
import time

from hermes_cli.errors import Advice, CannotTellError, HermesError, Problem
from hermes_cli.intents.clocks import POKE
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs.adoption import Adoption
from hermes_cli.programs.probes import Lately
from hermes_cli.programs.verdicts import ManagerView
from hermes_cli.services.adopted.base import Adopted
from hermes_cli.services.base import RestarterStatus, ServiceStatus
from hermes_cli.services.job import definition
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.environment import make_places, program
from hermes_cli.services.job.owner import Said
from hermes_cli.services.launchd import jobs, plists, printed
from hermes_cli.services.launchd.domain import Domains
from hermes_cli.services.launchd.launchctl import ABSENT, IN_PROGRESS, NO_SERVICE, Launchctl
from hermes_cli.services.launchd.printed import Location

_SAME_LOOK = 0.5  # seconds for which what `view` has found serves those who act on it
_STOP = 30.0  # seconds for the resident to be unloaded, or for the program's label to be free


class AdoptedLaunchd(Adopted):
    """One adopted program under launchd."""

    name = "launchd"

    def __init__(self, paths: Paths, adoption: Adoption) -> None:
        """Look at nothing yet."""
        super().__init__(paths, adoption)
        self._launchctl = Launchctl("launchctl")
        self._domains = Domains(self._launchctl)
        self._seen: Location | None = None  # by the look that a start follows
        self._lately = Lately(lambda: self._domains.find(self.adoption.name), _SAME_LOOK)

    @property
    def spawn_interval(self) -> float:
        """Return the interval between two starts that the program's own definition asks for."""
        job = self._lately().job
        return float(job.interval) if job is not None and job.interval is not None else 10.0

    def view(self) -> ManagerView:
        """Return what launchd says of the program."""
        self._lately.forget()
        place = self._lately()
        if not place.known:
            return ManagerView()
        job = place.job
        if job is None:
            return ManagerView(loaded=False, disabled=self._is_disabled(place))
        service = job.service
        return ManagerView(
            loaded=None if service.state == "unknown" else not job.is_ending,
            running=job.pid if service.state == "running" else None,
            exit_code=job.exit_code,
            disabled=self._is_disabled(place),
        )

    def observe(self) -> Service:
        """Say whether launchd runs it."""
        self._seen = self._lately()
        return self._seen.service

    def status(self) -> ServiceStatus:
        """Say where the program's label is loaded, and whether launchd holds it back."""
        place = self._domains.find(self.adoption.name)
        problems: list[Problem] = []
        if place.job is not None and place.job.pended is not None:
            text = f"launchd holds back its own starts in {place.domain} ({place.job.pended}); ours are admitted"
            problems.append(Problem("start-held-back", text, Advice("nothing: the resident restarter starts it")))
        there = place.job is not None or os.path.exists(self.adoption.definition)
        return ServiceStatus(
            self.adoption.name, place.domain, there, place.service, tuple(problems), answers=place.known
        )

    def restarter(self) -> RestarterStatus:
        """Say whether the resident runs."""
        place = self._domains.find(self.resident)
        return printed.restarter_at(place, is_disabled=self._is_disabled(place))

    def demand_start(self) -> None:
        """Start it: load its own definition if it is not loaded, then a plain kickstart. Raises HermesError."""
        self._lately.forget()
        if self._is_started_where_it_was_seen():
            return
        place = self._domains.find(self.adoption.name)
        if not place.known:
            raise CannotTellError("launchd does not answer: hermes gateway status")
        domain = place.domain or self._domains.home(self.adoption.name)
        for _ in range(2):
            self._load(domain)
            answer = self._launchctl("kickstart", f"{domain}/{self.adoption.name}")
            if answer.code not in {NO_SERVICE, *IN_PROGRESS}:  # it was being removed meanwhile
                break
        if answer.code is None:
            raise CannotTellError("launchctl kickstart does not return: hermes gateway status")
        if not answer.ok and not self.observe().scheduled:
            raise HermesError(
                f"launchd does not start {self.adoption.name} ({answer.last_word}): hermes gateway status"
            )

    def poke(self, trigger: str) -> bool | None:  # noqa: ARG002  launchd passes nothing on
        """Start the resident unless it runs."""
        try:
            for domain in self._domains.names:
                answer = self._launchctl("kickstart", f"{domain}/{self.resident}", timeout=POKE)
                if answer.code not in ABSENT:
                    return True if answer.ok else None
        except HermesError:
            return None
        return False

    def demand_start_of_resident(self) -> list[str]:
        """Return a plain kickstart of the resident."""
        domain = self._domains.find(self.adoption.name).domain or self._domains.names[0]
        return [program("launchctl"), "kickstart", f"{domain}/{self.resident}"]

    def definitions(self) -> tuple[Definition, ...]:
        """Return the resident's plist, the only one that is ours."""
        return (plists.resident(self._paths, self.resident, self.resident_argv()),)

    def said(self, text: str) -> Said:
        """Return what a plist says of itself."""
        return plists.said(text)

    def drifted(self) -> tuple[str, ...]:
        """Return the resident's plist if it is not as this release writes it."""
        wanted = self.definitions()[0]
        found = definition.read(wanted.path)
        kept = definition.keeping_path(wanted, found, plists.without_path)
        return () if found == kept.text else (wanted.path,)

    def install(self) -> bool:
        """Write and load the resident. Raises HermesError."""
        make_places(self._paths)
        wanted = self.definitions()[0]
        is_same = wanted.is_there
        if not is_same:
            definition.write(wanted)
        place = self._domains.find(self.resident)
        domain = place.domain or self._domains.home(self.adoption.name)
        if place.job is not None and is_same:
            self._launchctl("kickstart", f"{domain}/{self.resident}")  # it may have died and be held back
            return False
        if place.job is not None:
            self._domains.unload(domain, self.resident, time.monotonic() + _STOP)
        self._domains.load(domain, self.resident, wanted.path, time.monotonic() + jobs.LOAD)
        # In on-demand-only mode RunAtLoad is held back as well.
        self._launchctl("kickstart", f"{domain}/{self.resident}")
        return False

    def uninstall(self) -> None:
        """Unload the resident and remove its plist. Raises HermesError."""
        for domain in self._domains.names:
            self._domains.unload(domain, self.resident, time.monotonic() + _STOP)
        definition.remove(self.definitions()[0].path)

    def _is_started_where_it_was_seen(self) -> bool:
        """Kickstart the loaded job that the last look found, without looking again. Say whether launchd did it."""
        seen, self._seen = self._seen, None
        if seen is None or seen.job is None or seen.job.is_ending:
            return False
        return self._launchctl("kickstart", f"{seen.domain}/{self.adoption.name}").ok

    def _load(self, domain: str) -> None:
        deadline = time.monotonic() + _STOP
        if self._domains.outlast_removal(domain, self.adoption.name, deadline):
            return
        self._domains.load(domain, self.adoption.name, self.adoption.definition, deadline, enable=False)

    def _is_disabled(self, place: Location) -> bool:
        if not place.known or place.domain is None:
            return False
        return place.label in self._launchctl.disabled(place.domain)
