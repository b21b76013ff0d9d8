"""launchd: the gateway and its restarter as two jobs of the user's domain (launchd.plist(5), launchctl(1)).

A restart never boots out: the label stays in the domain, and a plain `kickstart` is a demand start, which launchd
admits in every mode (NousResearch/hermes-agent#11932). Only a changed definition is reloaded, by the restarter: a
`bootout` from inside the gateway's coalition kills whoever called it.
"""

import contextlib
import hashlib
import os
import signal
import sys
import time
from typing import Any, NoReturn

from hermes_cli import desired, durable, instance
from hermes_cli.clocks import POKE
from hermes_cli.config import Config, load
from hermes_cli.errors import CannotTellError, ConfigError, HermesError, NotInstalledError, UsageError
from hermes_cli.intents.request import make_directories
from hermes_cli.paths import Paths
from hermes_cli.service import Service
from hermes_cli.services import installed, launchd_plists, restarter_program, unmanaged
from hermes_cli.services.base import Definition, Problem, RestarterStatus, ServiceStatus, read_definition
from hermes_cli.services.launchctl import IN_PROGRESS, NO_DOMAIN, NO_SERVICE, NO_SUCH_ACTION, NO_SUCH_PROCESS, Launchctl
from hermes_cli.services.launchd_domain import Domains, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_EXIT = 3.0  # seconds; the exiting gateway waits for it
_LOAD = 20.0  # seconds for a label to be loaded by a domain that answers EIO at first
_ABSENT = {NO_SERVICE, NO_DOMAIN, NO_SUCH_ACTION, NO_SUCH_PROCESS}


class Launchd:
    """One profile under launchd."""

    name = "launchd"
    completed_by = "the launchd restarter"

    def __init__(self, paths: Paths) -> None:
        """Nothing is looked at yet. Raises UsageError for root on macOS."""
        if sys.platform == "darwin" and os.getuid() == 0:
            raise UsageError("the gateway is a job of the user who logs in, not of root: run hermes without sudo")
        self._paths = paths
        self._memory = installed.read(paths)
        self._label = launchd_plists.label(paths)
        self._restarter = launchd_plists.restarter_label(paths)
        self._launchctl = Launchctl("launchctl")
        self._domains = Domains(self._launchctl, self._memory.get("domain"))

    # --- looking

    @property
    def spawn_interval(self) -> float:
        """What the loaded definition says, also if it is of another release."""
        job = self._domains.find(self._label).job
        if job is not None and job.interval is not None:
            return float(job.interval)
        return self._config().gateway.restart_clocks.spawn_interval

    def status(self) -> ServiceStatus:
        """Where the service is loaded, and what keeps it from running."""
        place = self._domains.find(self._label)
        there = os.path.exists(launchd_plists.path_of(self._label))
        stopped = desired.read(self._paths) == "stopped"
        return ServiceStatus(
            self._label,
            place.domain,
            there or place.job is not None or self._is_remembered,
            self._service_at(place),
            () if stopped else tuple(self._problems(place, there=there)),
        )

    def observe(self) -> Service:
        """Say whether the service runs."""
        return self._service_at(self._domains.find(self._label))

    def restarter(self) -> RestarterStatus:
        """Say whether the restarter is loaded, and if not, whether somebody has switched it off."""
        place = self._domains.find(self._restarter)
        if place.job is not None:
            state = place.job.service.state
            named = "unknown" if state == "unknown" else "running" if state == "running" else "loaded"
            return RestarterStatus(named, f"{self._restarter} in {place.domain}")  # type: ignore[arg-type]  # three literals
        if not place.known:
            return RestarterStatus("unknown", "launchd does not answer")
        if place.domain is not None and self._restarter in self._launchctl.disabled(place.domain):
            return RestarterStatus("disabled", f"{self._restarter} is switched off in {place.domain}")
        return RestarterStatus("missing", f"{self._restarter} is not loaded")

    def definitions(self) -> tuple[Definition, ...]:
        """The two plists. One that lies there and differs in PATH only stays: that of another shell is no drift."""
        domain = str(self._memory.get("domain") or self._domains.names[0])
        wanted = (
            launchd_plists.service(self._paths, self._config().gateway),
            launchd_plists.restarter(self._paths, domain),
        )
        return tuple(launchd_plists.keeping_path(one, read_definition(one.path)) for one in wanted)

    def drifted(self) -> tuple[str, ...]:
        """Definitions that are missing, of another release, or not loaded since they were changed; the program too."""
        wanted = self.definitions()
        if not self._is_remembered and not any(os.path.exists(one.path) for one in wanted):
            return ()
        found = [one.path for one in wanted if read_definition(one.path) != one.text or self._is_stale(one)]
        return (*found, *restarter_program.drifted(self._paths))

    def _service_at(self, place: Place) -> Service:
        if not place.known:
            return Service("unknown", detail="launchd does not answer")
        found = (
            place.job.service if place.job is not None else Service("stopped", detail=f"{self._label} is not loaded")
        )
        if found.state == "stopped" and (running := instance.read_alive(self._paths)) is not None:
            return Service("running", running.identity.pid, detail=f"outside {self._label}")
        return found

    def _problems(self, place: Place, *, there: bool) -> "Iterator[Problem]":
        mend = "hermes gateway install"
        if place.job is not None and place.job.pended is not None:
            text = (
                f"launchd holds back its own starts in {place.domain} ({place.job.pended}); a demand start is admitted"
            )
            yield Problem("start-held-back", text, "hermes gateway start")
        if self._service_at(place).detail.startswith("outside"):
            yield Problem("unmanaged", f"the gateway runs outside {self._label}", "hermes gateway restart")
        for name in (self._label, self._restarter):
            if _is_refused(launchd_plists.path_of(name)):
                text = f"launchd refuses {launchd_plists.path_of(name)}: it is not yours alone to write"
                yield Problem("definition-refused", text, mend)
        if place.job is not None or not place.known:
            return
        if place.domain is not None and self._label in self._launchctl.disabled(place.domain):
            yield Problem("service-disabled", f"{self._label} is switched off in {place.domain}", mend)
        elif there:
            yield Problem("service-unloaded", f"the definition is there but {self._label} is not loaded", mend)

    # --- acting

    def install(self) -> bool:
        """Write and load both jobs, and mend whatever keeps them from being loaded. Raises HermesError."""
        for place in (self._paths.logs, self._paths.state):
            if launchd_plists.is_out_of_reach(place, os.path.expanduser("~")):
                why = f"launchd starts no job with its files in {place}"
                raise HermesError(f"{why}: point HERMES_HOME at a folder on the boot volume")
        self._make_directories()
        restarter_program.install(self._paths)
        domain = self._domains.home(self._label)
        self._remember(domain=domain)
        service, restarter = self.definitions()
        if os.environ.get("XPC_SERVICE_NAME") == self._restarter and self.drifted():
            self._install_from_outside()
            return False
        for definition in (service, restarter):
            if read_definition(definition.path) != definition.text or _is_refused(definition.path):
                # What launchd has loaded may be what is overwritten here: known no longer, also if we die in between.
                self._remember(**{_label_of(definition): None})
                _write(definition)
        for name in (self._label, self._restarter):
            self._leave_other_domains(name, domain)
        self._reload(domain, self._restarter, restarter, only_if_stale=True)
        found = self._domains.find(self._label)
        if found.job is not None and found.job.service.state != "stopped" and self._is_stale(service):
            return True
        self._reload(domain, self._label, service, only_if_stale=True)
        return False

    def uninstall(self) -> None:
        """Unload both jobs and remove what `install` wrote. Raises HermesError."""
        for name in self._tasks():
            self._unload(name)
        self._unload(self._restarter)
        self.stop()
        for domain in self._domains.names:
            for name in self._launchctl.disabled(domain) & {self._label, self._restarter}:
                self._launchctl("enable", f"{domain}/{name}")
        for name in (self._label, self._restarter):
            _remove(launchd_plists.path_of(name))
        restarter_program.remove(self._paths)
        installed.forget(self._paths)

    def demand_start(self) -> None:
        """Plain `kickstart`; a label that is not loaded, or switched off, is loaded first. Raises HermesError."""
        place = self._domains.find(self._label)
        if not place.known:
            raise CannotTellError("launchd does not answer: hermes gateway status")
        if self._service_at(place).detail.startswith("outside"):
            return  # two of one profile would fight over its lock
        domain = place.domain if place.job is not None else self._load_again(place.domain)
        answer = self._launchctl("kickstart", f"{domain}/{self._label}")
        if answer.code in {NO_SERVICE, *IN_PROGRESS}:  # it is being removed: by a stop of somebody else, or a logout
            domain = self._load_again(domain)
            answer = self._launchctl("kickstart", f"{domain}/{self._label}")
        if answer.code is None:
            raise CannotTellError("launchctl kickstart does not return: hermes gateway status")
        if not answer.ok and not self.observe().scheduled:
            raise HermesError(f"launchd does not start {self._label} ({answer.why}): hermes gateway install")

    def stop(self) -> None:
        """Switch the label off, so that the next login does not start it either, and see its process gone."""
        clocks = self._config().gateway.stop_clocks
        for domain in self._domains.names:
            self._launchctl("disable", f"{domain}/{self._label}")
        self._unload(self._label)
        unmanaged.stop(self._paths, clocks.supervisor_kill)

    def reload(self) -> None:
        """Load the definition as it lies there, and start it: from the restarter, outside the coalition (A2, A3)."""
        place = self._domains.find(self._label)
        path = launchd_plists.path_of(self._label)
        text = read_definition(path)
        if place.domain is None:
            raise CannotTellError("launchd does not answer: hermes gateway status")
        if text is None:
            raise NotInstalledError(f"{path} is not there: hermes gateway install")
        self._reload(place.domain, self._label, Definition(path, text))
        self.demand_start()

    def enable(self) -> None:
        """Take the override of `stop` away: the next login starts the service again."""
        for domain in self._domains.names:
            self._launchctl("enable", f"{domain}/{self._label}")

    def poke(self, trigger: str) -> bool | None:  # noqa: ARG002  launchd passes nothing on
        """Plain `kickstart` of the restarter: admitted when a watch is not."""
        try:
            for domain in self._domains.names:
                answer = self._launchctl("kickstart", f"{domain}/{self._restarter}", timeout=POKE)
                if answer.code not in _ABSENT:
                    return True if answer.ok else None
        except HermesError:
            return None
        return False

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """A job of its own, loaded and started now; it stays loaded and idle until the next one or `uninstall`."""
        label = f"{self._label}.{name}"
        domain = self._domains.home(self._label)
        path = f"{self._paths.restarter}/{label}.plist"
        found = self._domains.find(label)
        if found.job is not None and found.job.service.state == "running":
            raise HermesError(f"{label} is under way already: hermes gateway status")
        deadline = time.monotonic() + _LOAD
        if found.job is not None and found.domain is not None:
            self._domains.unload(found.domain, label, deadline)
        _write(launchd_plists.task(label, path, argv, environment, self._paths.restarter_log))
        self._domains.load(domain, label, path, deadline)
        answer = self._launchctl("kickstart", f"{domain}/{label}")
        if not answer.ok:
            raise HermesError(f"launchd does not start {label} ({answer.why}): repeat")

    def complete_exit(self) -> None:
        """`kickstart -k`: launchd itself starts the service when this process has ended, also with the caller dead."""
        before = signal.signal(signal.SIGTERM, _accepted)
        try:
            self._launchctl("kickstart", "-k", f"{self._domains.names[0]}/{self._label}", timeout=_EXIT)
        except _AcceptedError:
            return
        finally:
            signal.signal(signal.SIGTERM, before)

    # --- one label

    def _load_again(self, domain: str | None) -> str:
        """Have the label loaded, where it belongs; the domain. One that is there, and not on its way out, is left alone."""
        path = launchd_plists.path_of(self._label)
        text = read_definition(path)
        if text is None:
            raise NotInstalledError(f"{path} is not there: hermes gateway install")
        domain = domain or self._domains.home(self._label)
        deadline = time.monotonic() + self._patience()
        if not self._domains.outlast_removal(domain, self._label, deadline):
            self._domains.load(domain, self._label, path, deadline)
            self._remember(domain=domain, **{self._label: _digest(text)})
        return domain

    def _reload(self, domain: str, label: str, definition: Definition, *, only_if_stale: bool = False) -> None:
        deadline = time.monotonic() + self._patience()
        loaded = self._domains.find(label).job is not None
        if loaded and only_if_stale and not self._is_stale(definition):
            return
        if loaded:
            self._domains.unload(domain, label, deadline)
        self._domains.load(domain, label, definition.path, deadline)
        self._remember(domain=domain, **{label: _digest(definition.text)})

    def _install_from_outside(self) -> None:
        """A driver that has ended an update is the restarter itself, and would not outlive its own reload."""
        argv = [sys.executable, "-P", "-m", "hermes_cli.update.definitions", self._paths.profile]
        self.run_outside("definitions", argv, {})

    def _tasks(self) -> list[str]:
        """Labels that `run_outside` has left loaded."""
        try:
            names = os.listdir(self._paths.restarter)
        except OSError:
            return []
        return [name.removesuffix(".plist") for name in names if name.endswith(".plist")]

    def _unload(self, label: str) -> None:
        deadline = time.monotonic() + self._patience()
        for domain in self._domains.names:
            self._domains.unload(domain, label, deadline)

    def _leave_other_domains(self, label: str, domain: str) -> None:
        for other in self._domains.names:
            if other != domain:
                self._domains.unload(other, label, time.monotonic() + self._patience())

    def _patience(self) -> float:
        """Seconds: an old process may use all of its time to stop, and the label is taken until it has."""
        return self._config().gateway.stop_clocks.driver_deadline + _LOAD

    # --- what is remembered

    def _remember(self, **facts: Any) -> None:
        self._memory = {**self._memory, "schema": 1, "manager": self.name, **facts}
        installed.write(self._paths, **{key: value for key, value in self._memory.items() if key != "schema"})

    def _is_stale(self, definition: Definition) -> bool:
        """Whether what launchd has loaded under this label, which it copied then, is another text."""
        return bool(self._memory.get(_label_of(definition)) != _digest(definition.text))

    @property
    def _is_remembered(self) -> bool:
        return self._memory.get("manager") == self.name

    def _make_directories(self) -> None:
        try:
            make_directories(self._paths)  # a watched directory must be there when the job is loaded
            durable.make_private_directory(self._paths.logs)
        except OSError as error:
            raise HermesError(f"{error.filename} cannot be made ({error.strerror}): mend it and repeat") from None

    def _config(self) -> Config:
        """The configuration; a broken one must not keep anybody from stopping."""
        try:
            return load(self._paths.config)
        except ConfigError:
            return Config()


class _AcceptedError(BaseException):
    """launchd has sent SIGTERM: it has taken the request, and need not be waited for."""


def _accepted(_number: int, _frame: object) -> NoReturn:
    raise _AcceptedError


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_refused(path: str) -> bool:
    """Launchd loads what its user or root owns, and nobody else can write (launchctl(1), error 122)."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        return (
            found.st_uid not in {0, os.getuid()} or bool(found.st_mode & 0o022) or found.st_mode & 0o170000 != 0o100000
        )
    return False


def _label_of(definition: Definition) -> str:
    return os.path.basename(definition.path).removesuffix(".plist")


def _write(definition: Definition) -> None:
    try:
        durable.replace_text(definition.path, definition.text, mode=0o644)
    except OSError as error:
        raise HermesError(f"{definition.path} cannot be written ({error.strerror}): mend it and repeat") from None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HermesError(f"{path} cannot be removed ({error.strerror}): remove it by hand") from None
