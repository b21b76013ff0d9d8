"""systemd: the gateway as a service, its restarter as a path and a oneshot service of the same manager.

RestartSec never delays a planned restart and StartLimit never forbids it: after the old process has gone, the driver
says `reset-failed` and starts. The restarter has a cgroup of its own, so it survives what ends the gateway's, which
no setsid does (systemd.kill(5)). What is looked at before anything is done: `looking`.
"""

import os

from hermes_cli.errors import CannotTellError, HermesError, NotInstalledError
from hermes_cli.intents.clocks import POKE
from hermes_cli.services import unmanaged
from hermes_cli.services.job import definition, names, output, owner, restarter_program
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.environment import make_places, variables
from hermes_cli.services.systemd import systemctl
from hermes_cli.services.systemd.looking import UnitsOfProfile
from hermes_cli.services.systemd.shown import Unit, service_of

_EXIT = 3.0  # seconds; the exiting gateway waits for it
_MEND = "hermes gateway install"


class Systemd(UnitsOfProfile):
    """One profile under systemd."""

    completed_by = "the systemd restarter"
    spawn_interval = 0.0  # a demand start is not held back by RestartSec

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
