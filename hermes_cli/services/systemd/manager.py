"""systemd: the gateway as a service, its restarter as a path and a oneshot service of the same manager.

RestartSec never delays a planned restart and StartLimit never forbids it: after the old process has gone, the driver
says `reset-failed` and starts. The restarter has a cgroup of its own, so it survives what ends the gateway's, which
no setsid does (systemd.kill(5)). `systemctl show -p` alone says what is known of a unit: running, stopped or unknown.
"""

import os

from hermes_cli.config import GatewayConfig, LogConfig, load_or_defaults
from hermes_cli.errors import CannotTellError, HermesError, NotInstalledError, Problem
from hermes_cli.intents import desired
from hermes_cli.intents.clocks import POKE
from hermes_cli.intents.service import Service
from hermes_cli.paths import Paths
from hermes_cli.programs import own as own_program
from hermes_cli.services import ahead, registered, unmanaged
from hermes_cli.services.base import LOOK, RestarterStatus, ServiceStatus
from hermes_cli.services.job import definition, kept_lines, names, output, owner, restarter_program
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.edits import Edits
from hermes_cli.services.job.environment import make_places, program, variables
from hermes_cli.services.systemd import linger, shown, systemctl, units
from hermes_cli.services.systemd.shown import Unit, service_of
from hermes_cli.services.systemd.systemctl import Systemctl

_EXIT = 3.0  # seconds; the exiting gateway waits for it
_MEND = "hermes gateway install"


class Systemd:
    """One profile under systemd."""

    name = "systemd"
    completed_by = "the systemd restarter"
    spawn_interval = 0.0  # a demand start is not held back by RestartSec

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

    # --- looking

    @property
    def asked(self) -> tuple[Systemctl, tuple[str, ...]]:
        """Return the client, and the units that a look asks it about: `systemctl.share` asks for many profiles at once."""
        return self._systemctl, tuple(self._names)

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

    # --- acting

    def _refuse_foreign(self, *units_: Unit) -> None:
        """Raise ForeignError when one of these units, or of all three, is somebody else's."""
        for unit in units_ or self._shown(*self._names).values():
            owner.refuse(self._stranger(unit))

    def install(self) -> bool:
        """Write, load and enable the units, and mend what keeps them from being loaded. Raises HermesError."""
        self._systemctl.require()
        self._refuse_foreign()
        if self._registration and self._registration.get("scope") != self._systemctl.scope:
            Systemd(self._paths).uninstall()  # two managers would start one gateway twice
        make_places(self._paths)
        restarter_program.install(self._paths)
        where = {"scope": self._systemctl.scope, "directory": self._directory()}
        self._registration.keep(**where, **names.fact(self._suffix))
        wanted = self.definitions()
        before = definition.read(wanted[0].path)
        self._write(wanted)
        self._load(wanted)
        self._systemctl.do("enable", self._names.service, self._names.path)
        self._start_watch()
        changed = before is not None and before != wanted[0].text
        return changed and self.observe().state == "running"

    def uninstall(self) -> None:
        """Stop all three and remove what `install` wrote; drop-ins of the user's own stay. Raises HermesError."""
        # A service that was installed on another machine, or in another container, does not run here.
        there = systemctl.is_booted()
        if there:
            self._systemctl.require()
            strangers = self._strangers()
            own = [name for name in self._names if name not in strangers]
            if strangers and not self._registration:
                owner.refuse(next(iter(strangers.values())))
            for name in own:
                if name != self._names.service:
                    self._systemctl("disable", name)
                    self._systemctl("stop", name)
        else:
            strangers, own = {}, list(self._names)
        if there and self._names.service in own:
            self.stop()
        else:
            unmanaged.stop(self._paths, self._config.stop_clocks.supervisor_kill)
        for name in own:
            definition.remove(self._path_of(name))
            for links in ("default.target.wants", "multi-user.target.wants"):  # `disable` knows only what is loaded
                definition.remove(f"{self._directory()}/{links}/{name}")
        if there:
            self._systemctl.do("daemon-reload")
            self._systemctl("reset-failed", *own)
        restarter_program.remove(self._paths)
        self._registration.forget()
        for found in strangers.values():
            owner.refuse(found)

    def _strangers(self) -> dict[str, Problem]:
        """Return the units of these names that are somebody else's."""
        found = {name: self._stranger(unit) for name, unit in self._shown(*self._names).items()}
        return {name: foreign for name, foreign in found.items() if foreign is not None}

    def enable(self) -> None:
        """Let the next login start the service again and watch its queue. Raises HermesError."""
        unit = self._look()
        self._refuse_foreign(unit)
        self._refuse_unloadable(unit)
        if unit.enabled != "enabled":
            self._systemctl.do("enable", self._names.service)
        self._start_watch()

    def demand_start(self) -> None:
        """Reset the failure count and start the service; restart it if RestartSec holds it back. Raises HermesError."""
        unit = self._look()
        self._refuse_foreign(unit)
        if self._service(unit).state == "running" and not unit.queued:
            return
        self._refuse_unloadable(unit)
        if unit.enabled == "disabled":  # a `stop` disabled it, and a person has asked for this start
            self._systemctl.do("enable", self._names.service)
        self._systemctl("reset-failed", self._names.service)
        # A `start` is queued until the last of the old cgroup has gone and RestartSec has passed; a `restart` waits for
        # the cgroup only. A gateway that systemd starts in between loses its first moment by it and nothing else.
        verb = "restart" if unit.is_awaiting_restart or unit.active == "deactivating" else "start"
        self._systemctl.do("--no-block", verb, self._names.service)

    def stop(self) -> None:
        """Stop the service, and disable it so that the next login does not start it either. Raises HermesError."""
        clocks = self._config.stop_clocks
        foreign = self._stranger(self._look())
        if foreign is not None:
            if not unmanaged.stop(self._paths, clocks.supervisor_kill):
                owner.refuse(foreign)
            return
        self._systemctl("disable", self._names.service)
        answer = self._systemctl("stop", self._names.service, timeout=clocks.driver_deadline + systemctl.TIMEOUT)
        unit = self._look()
        if service_of(unit).state != "stopped":
            raise CannotTellError(f"{unit.name} is still there ({answer.last_word}): hermes gateway status")
        if unit.active == "failed":  # why it failed does not matter once it is stopped
            self._systemctl("reset-failed", self._names.service)
        unmanaged.stop(self._paths, clocks.supervisor_kill)

    def reload(self) -> None:
        """Load the installed unit, and restart it. Raises HermesError."""
        self._refuse_foreign(self._look())
        self._systemctl.do("daemon-reload")
        self._refuse_unloadable(self._look())
        self._systemctl("reset-failed", self._names.service)
        self._systemctl.do("--no-block", "restart", self._names.service)

    def poke(self, trigger: str) -> bool | None:  # noqa: ARG002  systemd passes nothing on
        """Start the restarter, and its watch if that has failed."""
        start = ("--no-block", "start", self._names.restarter)
        try:
            if not self._is_ours(self._suffix):
                asked = self._systemctl.show(self._names.restarter, timeout=POKE)
                if isinstance(asked, str):
                    return None
                if self._stranger(asked[self._names.restarter]) is not None:
                    return False
            for also in ((self._names.path,), ()):
                answer = self._systemctl(*start, *also, timeout=POKE)
                if answer.ok:
                    return True
                if answer.code is None:
                    return None
            found = self._systemctl.show(self._names.restarter, timeout=POKE)
        except HermesError:
            return None
        return None if isinstance(found, str) or found[self._names.restarter].is_there else False

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Start a transient unit, which goes when it has ended (systemd-run(1)). Raises HermesError."""
        unit = f"{self._names.service.removesuffix('.service')}-{name}"
        settings = [
            f"--setenv={key}={value}"
            for key, value in {**variables(self._paths, self.name, "systemctl"), **environment}.items()
        ]
        options = [self._systemctl.switch, "--no-ask-password", "--collect", "--quiet", f"--unit={unit}"]
        logged = output.into(self._paths.restarter_log, argv, self._log.bounds)
        answer = self._systemctl.run("systemd-run", *options, *settings, "--", *logged)
        if not answer.ok:
            raise HermesError(f"systemd does not start {unit} ({answer.last_word}): repeat")

    def complete_exit(self) -> None:
        """Restart without waiting: systemd itself starts the service when this process has ended."""
        if self._is_ours(self._suffix) or self._stranger(self._look()) is None:
            self._systemctl("--no-block", "restart", self._names.service, timeout=_EXIT)

    def forgive_exit(self) -> None:
        """Reset the count of starts: its limit is for crashes, and systemd counts every start."""
        if self._is_ours(self._suffix) or self._stranger(self._look()) is None:
            self._systemctl("reset-failed", self._names.service, timeout=_EXIT)

    # --- the units

    def _look(self) -> Unit:
        return self._shown(self._names.service)[self._names.service]

    def _shown(self, *names: str) -> dict[str, Unit]:
        found = self._systemctl.show(*names)
        if isinstance(found, str):
            raise CannotTellError(f"{found}: hermes gateway status")
        return found

    def _refuse_unloadable(self, unit: Unit) -> None:
        if unit.load == "not-found" and os.path.exists(self._path_of(unit.name)):
            self._systemctl.do("daemon-reload")
            unit = self._look()
        if unit.load == "not-found":
            raise NotInstalledError(f"systemd knows no {unit.name}: {_MEND}")
        if not unit.is_there:
            raise HermesError(f"{unit.name} cannot be started, it is {unit.load}: {_MEND}")

    def _load(self, wanted: tuple[Definition, ...]) -> None:
        self._systemctl.do("daemon-reload")
        found = self._shown(*self._names)
        if masked := [unit.name for unit in found.values() if unit.load == "masked"]:
            self._systemctl("unmask", *masked)
            self._systemctl("unmask", "--runtime", *masked)
            self._write(wanted)
            self._systemctl.do("daemon-reload")
            found = self._shown(*self._names)
        for one in wanted:
            unit = found[os.path.basename(one.path)]
            if not unit.is_there or unit.fragment != one.path:
                why = f"it has it from {unit.fragment}" if unit.is_there else unit.load
                raise HermesError(f"systemd does not load {one.path} ({why}): mend that, then {_MEND}")

    def _write(self, wanted: tuple[Definition, ...]) -> None:
        for one in wanted:
            self._edits.note(one)
            if not one.is_there:
                definition.write(one)

    def _start_watch(self) -> None:
        self._systemctl("reset-failed", self._names.path, self._names.restarter)
        # It fails where the kernel has no watch left (inotify's limits are small and shared). No error: `status`
        # shows it, and a restart does not need the watch, it is poked.
        self._systemctl("start", self._names.path)

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
