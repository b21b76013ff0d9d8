"""systemd: the gateway as a service, its restarter as a path and a oneshot service of the same manager.

RestartSec never delays a planned restart and StartLimit never forbids it: after the old process has gone, the driver
says `reset-failed` and starts. The restarter has a cgroup of its own, so it survives what ends the gateway's, which
no setsid does (systemd.kill(5)). What is known of a unit is what `systemctl show -p` says, in three values.
"""

import contextlib
import os
from typing import Any

from hermes_cli import desired, durable, instance
from hermes_cli.clocks import POKE
from hermes_cli.config import Config, load
from hermes_cli.errors import CannotTellError, ConfigError, HermesError, NotInstalledError
from hermes_cli.intents.request import make_directories
from hermes_cli.paths import Paths
from hermes_cli.service import Service
from hermes_cli.services import (
    installed,
    job_environment,
    linger,
    restarter_program,
    systemctl,
    systemd_units,
    unmanaged,
)
from hermes_cli.services.base import Definition, Problem, RestarterStatus, ServiceStatus, read_definition
from hermes_cli.services.systemctl import Systemctl
from hermes_cli.services.systemd_state import Unit, service_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_EXIT = 3.0  # seconds; the exiting gateway waits for it
_MEND = "hermes gateway install"


class Systemd:
    """One profile under systemd."""

    name = "systemd"
    completed_by = "the systemd restarter"
    spawn_interval = 0.0  # a demand start is not held back by RestartSec

    def __init__(self, paths: Paths, *, system: bool | None = None) -> None:
        """`system`: into root's system manager; None: where it is installed, else the user's manager if there is one."""
        self._paths = paths
        self._memory = installed.read(paths)
        if self._memory.get("manager") != self.name:
            self._memory = {}
        self._names = systemd_units.Names(paths)
        self._systemctl = Systemctl(system=self._is_system() if system is None else system)

    # --- looking

    def status(self) -> ServiceStatus:
        """The service, and what keeps it from running or its restarter from being started."""
        units = self._systemctl.show(*self._names)
        there = bool(self._memory) or os.path.lexists(self._path_of(self._names.service))
        if isinstance(units, str):
            return ServiceStatus(self._names.service, self._systemctl.domain, there, Service("unknown", detail=units))
        unit = units[self._names.service]
        problems = () if desired.read(self._paths) == "stopped" or not there else tuple(self._problems(units))
        found = there or unit.load not in {"", "not-found"}
        return ServiceStatus(self._names.service, self._systemctl.domain, found, self._service(unit), problems)

    def observe(self) -> Service:
        """Say whether the service runs."""
        units = self._systemctl.show(self._names.service)
        return Service("unknown", detail=units) if isinstance(units, str) else self._service(units[self._names.service])

    def restarter(self) -> RestarterStatus:
        """Say whether the restarter can be started; `status` has it as a problem when only its watch is off."""
        units = self._systemctl.show(self._names.restarter, self._names.path)
        if isinstance(units, str):
            return RestarterStatus("unknown", units)
        unit, watch = units[self._names.restarter], units[self._names.path]
        if unit.load == "masked":
            return RestarterStatus("disabled", f"{unit.name} is masked")
        if not unit.is_there:
            return RestarterStatus("missing", f"systemd knows no {unit.name}")
        if unit.pid is not None:
            return RestarterStatus("running", f"{unit.name}, pid {unit.pid}")
        return RestarterStatus("loaded", f"{watch.name} is {watch.sub or 'not known'}")

    def definitions(self) -> tuple[Definition, ...]:
        """The three units. One that lies there and differs in PATH only stays: that of another shell is no drift."""
        place = systemd_units.Place(self._directory(), root=self._systemctl.system)
        start = [job_environment.program("systemctl"), self._systemctl.switch, "--no-block", "start"]
        wanted = (
            systemd_units.service(self._paths, self._config().gateway, place),
            systemd_units.restarter(self._paths, place, [*start, self._names.service]),
            systemd_units.watch(self._paths, place),
        )
        return tuple(systemd_units.keeping_path(one, read_definition(one.path)) for one in wanted)

    def drifted(self) -> tuple[str, ...]:
        """Units that are missing or of another release; the restarter's program too."""
        wanted = self.definitions()
        if not self._memory and not any(os.path.exists(one.path) for one in wanted):
            return ()
        found = [one.path for one in wanted if read_definition(one.path) != one.text]
        return (*found, *restarter_program.drifted(self._paths))

    def _service(self, unit: Unit) -> Service:
        found = service_of(unit)
        if found.state == "stopped" and (running := instance.read_alive(self._paths)) is not None:
            return Service("running", running.identity.pid, detail=f"outside {unit.name}")
        return found

    def _problems(self, units: dict[str, Unit]) -> "Iterator[Problem]":
        unit, watch = units[self._names.service], units[self._names.path]
        if unit.load == "masked":
            yield Problem("service-disabled", f"{unit.name} is masked", _MEND)
        elif not unit.is_there:
            yield Problem("service-unloaded", f"{unit.name} is installed but not loaded ({unit.load})", _MEND)
        elif unit.fragment != self._path_of(unit.name):
            yield Problem(
                "service-foreign", f"systemd has {unit.name} from {unit.fragment}", f"remove it, then {_MEND}"
            )
        elif unit.enabled == "disabled":
            yield Problem("service-disabled", f"{unit.name} does not start at login", "hermes gateway start")
        for one in units.values():
            if one.stale:
                yield Problem("definition-stale", f"{one.name} was changed and not loaded since", _MEND)
        if units[self._names.restarter].is_there and watch.active != "active":
            why = watch.load if not watch.is_there else f"{watch.active}, {watch.result}"
            text = f"{watch.name} watches nothing ({why}): a restart relies on the poke of who asks for it"
            yield Problem("restarter-watch", text, _MEND)
        if self._service(unit).detail.startswith("outside"):
            yield Problem("unmanaged", f"the gateway runs outside {unit.name}", "hermes gateway restart")
        if not self._systemctl.system and linger.ends_at_logout():
            text = "the gateway ends when you log out"
            yield Problem("no-linger", text, f"loginctl enable-linger {systemctl.user_name()}")

    # --- acting

    def install(self) -> bool:
        """Write, load and enable the units, and mend what keeps them from being loaded. Raises HermesError."""
        self._systemctl.require()
        if self._memory and self._memory.get("scope") != self._scope:
            Systemd(self._paths).uninstall()  # two managers of one gateway would fight over it
            self._memory = {}
        self._make_directories()
        restarter_program.install(self._paths)
        self._remember()
        wanted = self.definitions()
        before = read_definition(wanted[0].path)
        for definition in wanted:
            _write(definition)
        self._load(wanted)
        self._systemctl.do("enable", self._names.service, self._names.path)
        self._start_watch()
        changed = before is not None and before != wanted[0].text
        return changed and self.observe().state == "running"

    def uninstall(self) -> None:
        """Stop all three and remove what `install` wrote; drop-ins of the user's own stay. Raises HermesError."""
        # What was installed on another machine, or in another container's home, runs nowhere here.
        there = systemctl.is_booted()
        if there:
            self._systemctl.require()
            for name in (self._names.path, self._names.restarter):
                self._systemctl("disable", name)
                self._systemctl("stop", name)
            self.stop()
        else:
            unmanaged.stop(self._paths, self._config().gateway.stop_clocks.supervisor_kill)
        for name in self._names:
            _remove(self._path_of(name))
            for links in ("default.target.wants", "multi-user.target.wants"):  # `disable` knows only what is loaded
                _remove(f"{self._directory()}/{links}/{name}")
        if there:
            self._systemctl.do("daemon-reload")
            self._systemctl("reset-failed", *self._names)
        restarter_program.remove(self._paths)
        installed.forget(self._paths)

    def enable(self) -> None:
        """Have the next login start it again, and its restarter watched. Raises HermesError."""
        unit = self._look()
        self._refuse_unloadable(unit)
        if unit.enabled != "enabled":
            self._systemctl.do("enable", self._names.service)
        self._start_watch()

    def demand_start(self) -> None:
        """`reset-failed`, then `start`; what RestartSec holds back is restarted. Raises HermesError."""
        unit = self._look()
        if self._service(unit).state == "running" and not unit.queued:
            return
        self._refuse_unloadable(unit)
        if unit.enabled == "disabled":  # by a `stop`; whoever starts it has been told to
            self._systemctl.do("enable", self._names.service)
        self._systemctl("reset-failed", self._names.service)
        # A `start` is queued until the last of the old cgroup has gone and RestartSec has passed; a `restart` waits for
        # the cgroup only. A gateway that systemd starts in between loses its first moment by it and nothing else.
        verb = "restart" if unit.is_awaiting_restart or unit.active == "deactivating" else "start"
        self._systemctl.do("--no-block", verb, self._names.service)

    def stop(self) -> None:
        """Disable, so that the next login does not start it either, and stop. Raises HermesError."""
        clocks = self._config().gateway.stop_clocks
        self._systemctl("disable", self._names.service)
        answer = self._systemctl("stop", self._names.service, timeout=clocks.driver_deadline + systemctl.TIMEOUT)
        unit = self._look()
        if service_of(unit).state != "stopped":
            raise CannotTellError(f"{unit.name} is still there ({answer.why}): hermes gateway status")
        if unit.active == "failed":  # what it failed of is no news of a stopped service
            self._systemctl("reset-failed", self._names.service)
        unmanaged.stop(self._paths, clocks.supervisor_kill)

    def reload(self) -> None:
        """Load the unit as it lies there, and restart it. Raises HermesError."""
        self._systemctl.do("daemon-reload")
        self._refuse_unloadable(self._look())
        self._systemctl("reset-failed", self._names.service)
        self._systemctl.do("--no-block", "restart", self._names.service)

    def poke(self, trigger: str) -> bool | None:  # noqa: ARG002  systemd passes nothing on
        """Start the restarter, and its watch should that have failed."""
        start = ("--no-block", "start", self._names.restarter)
        try:
            for also in ((self._names.path,), ()):
                answer = self._systemctl(*start, *also, timeout=POKE)
                if answer.ok:
                    return True
                if answer.code is None:
                    return None
            units = self._systemctl.show(self._names.restarter, timeout=POKE)
        except HermesError:
            return None
        return None if isinstance(units, str) or units[self._names.restarter].is_there else False

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """A transient unit, which goes when it has ended (systemd-run(1)). Raises HermesError."""
        unit = f"{self._names.service.removesuffix('.service')}-{name}"
        variables = {**job_environment.variables(self.name, "systemctl"), **environment}
        settings = [f"--setenv={key}={value}" for key, value in variables.items()]
        options = [self._systemctl.switch, "--no-ask-password", "--collect", "--quiet", f"--unit={unit}"]
        answer = self._systemctl.run("systemd-run", *options, *settings, "--", *argv)
        if not answer.ok:
            raise HermesError(f"systemd does not start {unit} ({answer.why}): repeat")

    def complete_exit(self) -> None:
        """`restart` without waiting: systemd itself starts the service when this process has ended."""
        self._systemctl("--no-block", "restart", self._names.service, timeout=_EXIT)

    # --- the units

    def _look(self) -> Unit:
        units = self._systemctl.show(self._names.service)
        if isinstance(units, str):
            raise CannotTellError(f"{units}: hermes gateway status")
        return units[self._names.service]

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
        units = self._shown()
        if masked := [unit.name for unit in units.values() if unit.load == "masked"]:
            self._systemctl("unmask", *masked)
            self._systemctl("unmask", "--runtime", *masked)
            for definition in wanted:
                _write(definition)
            self._systemctl.do("daemon-reload")
            units = self._shown()
        for definition in wanted:
            unit = units[os.path.basename(definition.path)]
            if not unit.is_there or unit.fragment != definition.path:
                why = f"it has it from {unit.fragment}" if unit.is_there else unit.load
                raise HermesError(f"systemd does not load {definition.path} ({why}): mend that, then {_MEND}")

    def _shown(self) -> dict[str, Unit]:
        units = self._systemctl.show(*self._names)
        if isinstance(units, str):
            raise CannotTellError(f"{units}: {_MEND}")
        return units

    def _start_watch(self) -> None:
        self._systemctl("reset-failed", self._names.path, self._names.restarter)
        # It fails where the kernel has no watch left (inotify's limits are small and shared). A watch is a hint: `status`
        # shows it, and a restart relies on the poke.
        self._systemctl("start", self._names.path)

    # --- what is remembered

    @property
    def _scope(self) -> str:
        return "system" if self._systemctl.system else "user"

    def _is_system(self) -> bool:
        if self._memory:
            return self._memory.get("scope") == "system"
        return systemctl.has_system_manager() and not systemctl.has_user_manager()

    def _directory(self) -> str:
        """Where the units lie: where they were installed, else where this manager looks for the user's own."""
        remembered = self._memory.get("directory")
        if isinstance(remembered, str) and self._memory.get("scope") == self._scope:
            return remembered
        if self._systemctl.system:
            return "/etc/systemd/system"
        own = [os.environ.get("XDG_CONFIG_HOME"), os.path.expanduser("~/.config")]
        places = [f"{os.path.abspath(place)}/systemd/user" for place in own if place]
        # The manager has the environment of the login, not of this shell.
        return next((place for place in places if self._systemctl.reads(place)), places[0])

    def _path_of(self, name: str) -> str:
        return f"{self._directory()}/{name}"

    def _remember(self) -> None:
        facts: dict[str, Any] = {
            "scope": "system" if self._systemctl.system else "user",
            "directory": self._directory(),
        }
        installed.write(self._paths, self.name, **facts)
        self._memory = {"manager": self.name, **facts}

    def _make_directories(self) -> None:
        try:
            make_directories(self._paths)  # a watched directory must be there when its unit is started
            durable.make_private_directory(self._paths.logs)
            for log in (self._paths.gateway_log, self._paths.restarter_log):  # systemd would make them readable by all
                os.close(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise HermesError(f"{error.filename} cannot be made ({error.strerror}): mend it and repeat") from None

    def _config(self) -> Config:
        """The configuration; a broken one must not keep anybody from stopping."""
        try:
            return load(self._paths.config)
        except ConfigError:
            return Config()


def _write(definition: Definition) -> None:
    """Replace whatever lies there; a mask is a link, and the link is replaced, not what it points to."""
    if not os.path.islink(definition.path) and read_definition(definition.path) == definition.text:
        return
    try:
        os.makedirs(os.path.dirname(definition.path), exist_ok=True)
        durable.replace_text(definition.path, definition.text, mode=0o644)
    except OSError as error:
        raise HermesError(f"{definition.path} cannot be written ({error.strerror}): mend it and repeat") from None


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        try:
            os.unlink(path)
        except NotADirectoryError:
            return
        except PermissionError as error:
            raise HermesError(f"{path} cannot be removed ({error.strerror}): remove it by hand") from None
