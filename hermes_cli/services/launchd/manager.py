"""launchd: the gateway and its restarter as two jobs of the user's domain (launchd.plist(5), launchctl(1)).

A restart never boots out: the label stays in the domain, and a plain `kickstart` is a demand start, which launchd
admits in every mode (NousResearch/hermes-agent#11932). Only a changed definition is reloaded, by the restarter: a
`bootout` from inside the gateway's coalition kills whoever called it. What is looked at before anything is done: `looking`.
"""

import os
import time

from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.installation import entry_points
from hermes_cli.intents.clocks import POKE
from hermes_cli.services import unmanaged
from hermes_cli.services.job import definition, names, output, owner, restarter_program
from hermes_cli.services.job.environment import make_places
from hermes_cli.services.launchd import jobs, plists
from hermes_cli.services.launchd.launchctl import ABSENT, IN_PROGRESS, NO_SERVICE
from hermes_cli.services.launchd.looking import JobsOfProfile

_EXIT = 3.0  # seconds; the exiting gateway waits for it


class Launchd(JobsOfProfile):
    """One profile under launchd."""

    completed_by = "the launchd restarter"

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
