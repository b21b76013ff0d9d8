"""The embedded service manager: hermes's own supervisor, for machines with neither launchd nor systemd.

Kernel locks say what runs: supervisor/lock for the supervisor, gateway.lock for the gateway. The supervisor is
restarter and service manager in one; see `hermes_cli.services.embedded.supervisor`.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from hermes_cli.config import load_or_defaults
from hermes_cli.environment import scrubbed
from hermes_cli.errors import CannotTellError, HermesError, NotNowError
from hermes_cli.installation import entry_points
from hermes_cli.intents import desired
from hermes_cli.intents.clocks import POKE
from hermes_cli.intents.service import Service
from hermes_cli.paths import DEFAULT_PROFILE, Paths
from hermes_cli.programs import description
from hermes_cli.services import ahead, registered, unmanaged
from hermes_cli.services.base import LOOK, Look, RestarterStatus, ServiceStatus
from hermes_cli.services.embedded import boot, silence
from hermes_cli.services.job import definition
from hermes_cli.services.job.definition import Definition
from hermes_cli.system import durable, locks, process_table, refusal
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle, Identity
from hermes_cli.system.sockets import connect, peer_pid

_CALL = 5.0  # seconds for one exchange with the supervisor
_LOOK_AGAIN = 0.5  # seconds; a supervisor that begins to listen wakes the caller, one that ends may not
_SPAWN = 15.0  # seconds for a new supervisor to answer
_NOBODY = (
    FileNotFoundError,
    ConnectionError,
)  # nobody listens, or it hung up: a supervisor that begins, or has just left
_GLANCE = 0.3  # seconds without an answer after which a look asks whether the supervisor is stopped


class Embedded:
    """One profile under the embedded supervisor."""

    name = "embedded"
    completed_by = "the supervisor"
    spawn_interval = 0.0

    def __init__(self, paths: Paths) -> None:
        """Look at nothing yet."""
        self._paths = paths
        self._silent: int | None = None  # the supervisor that did not answer

    def look(self) -> Look:
        """Return what the supervisor says, or without a supervisor what gateway.lock says; it is asked once."""
        label = "hermes-gateway"
        if self._paths.profile != DEFAULT_PROFILE:
            label = f"{label}-{self._paths.profile}"
        try:
            answer = self._ask({"op": "status"}, LOOK, LOOK)
        except CannotTellError as error:
            found = Service("unknown", detail=self._why(error))
            problem = silence.problem(self._silent)
            service = ServiceStatus(label, None, installed=True, service=found, problems=(problem,), answers=False)
            return Look(service, RestarterStatus("unknown", found.detail))
        is_installed, wanted = os.path.lexists(registered.path_of(self._paths)), self.definitions()
        drifted = definition.drifted(wanted, is_installed=is_installed)
        if answer is None:
            service = ServiceStatus(label, None, is_installed, self._said(None))
            return Look(service, RestarterStatus("missing", "no supervisor runs"), wanted, drifted)
        no_boot = boot.problems(in_background=answer.get("background") is True)
        service = ServiceStatus(label, None, installed=True, service=self._said(answer), problems=no_boot)
        pid = f"supervisor pid {answer.get('supervisor')}"
        restarter = RestarterStatus("running" if answer.get("driving") else "loaded", pid)
        return Look(service, restarter, wanted, drifted, self._next_of(answer))

    def status(self) -> ServiceStatus:
        """Return what a look says of the service."""
        return self.look().service

    def observe(self) -> Service:
        """Say whether the service runs."""
        try:
            return self._said(self._ask({"op": "status"}))
        except CannotTellError as error:
            return Service("unknown", detail=self._why(error))

    def _said(self, answer: dict[str, Any] | None) -> Service:
        """Return what the supervisor's answer says of the service, or without a supervisor what gateway.lock says."""
        if answer is not None:
            pid, code = answer.get("pid"), answer.get("exit_code")
            return Service(
                "running" if answer.get("running") else "stopped",
                pid if type(pid) is int else None,
                code if type(code) is int else None,
                str(answer.get("detail") or ""),
            )
        found = description.read(self._paths.instance)
        if (running := description.alive(self._paths.instance, found)) is not None:
            return Service("running", running.pid, detail="not supervised")
        if (unknown := unmanaged.cannot_tell(self._paths, found)) is not None:
            return unknown
        is_held = locks.is_held(self._paths.gateway_lock)
        return (
            Service("running", detail="not supervised") if is_held else Service("stopped", detail="no supervisor runs")
        )

    def restarter(self) -> RestarterStatus:
        """Say whether a supervisor runs, which is the restarter, too."""
        return self.look().restarter

    def definitions(self) -> tuple[Definition, ...]:
        """Return one file: the supervisor is both jobs."""
        return (registered.wanted(self._paths, self.name, program=supervisor_argv(self._paths)),)

    def drifted(self) -> tuple[str, ...]:
        """Return the definition's path when it is there and not what `install` would write."""
        return definition.drifted(self.definitions(), is_installed=os.path.lexists(registered.path_of(self._paths)))

    def install(self) -> bool:
        """Write the definition, of which a supervisor has no copy; replace one whose program is gone. Raises HermesError."""
        registered.write(self._paths, self.name, program=supervisor_argv(self._paths))
        self._replace_unfit()
        return False

    def next_start(self) -> ahead.NextStart | None:
        """Return what the supervisor that runs would start, in its own interpreter; None without a supervisor."""
        try:
            answer = self._ask({"op": "status"}, POKE, POKE)
        except HermesError:
            return None
        return None if answer is None else self._next_of(answer)

    def unfit(self) -> str | None:
        """Return why the supervisor that runs can start nothing, or None."""
        start = self.next_start()
        return silence.stopped(self._silent) or ahead.unfit(None, start)

    def obstacle(self) -> str | None:
        """Return why the supervisor could not start another gateway, or None. Raises NotNowError while it is stopped."""
        try:
            answer = self._ask({"op": "able"}, POKE, POKE)
        except HermesError:
            answer = None
        refused = answer.get("refused") if answer is not None else None
        if type(refused) is int:
            text = f"the supervisor can start no process ({os.strerror(refused)})"
            return f"{text}: {refusal.shortage(refused)}"
        start = self._next_of(answer) if answer is not None else None
        if (why := silence.stopped(self._silent)) is not None:
            raise NotNowError(why)
        return ahead.obstacle(self._paths, start or ahead.of_this(self._paths))

    def _next_of(self, answer: dict[str, Any]) -> ahead.NextStart | None:
        python, who = answer.get("python"), f"the supervisor, pid {answer.get('supervisor')},"
        if not isinstance(python, str):  # one of an older release
            wanted = registered.read(self._paths).get("program")
            python = wanted[0] if isinstance(wanted, list) and wanted else None
        if not isinstance(python, str):
            return None
        argv = [python, *entry_points.gateway(self._paths.profile)[1:]]
        return ahead.NextStart(tuple(argv), scrubbed(), who)

    def _replace_unfit(self) -> None:
        """End a supervisor whose program is gone: it can start neither a gateway nor a driver. Raises HermesError.

        Its gateway goes on; the next supervisor adopts it.
        """
        answer = self._ask({"op": "status"})
        start = self._next_of(answer) if answer is not None else None
        if answer is None or start is None or start.is_there:
            return
        supervisor = answer.get("supervisor")
        found = Identity.of(supervisor) if type(supervisor) is int else None
        if answer.get("background") is not True or found is None:
            text = f"the supervisor, pid {supervisor}, cannot start anything, its program {start.program} is gone"
            raise HermesError(f"{text}: end it, and start it again with hermes gateway run --supervise")
        with contextlib.suppress(ProcessLookupError), Handle(found) as handle:
            handle.send(signal.SIGKILL)  # in order it would stop its gateway first
            handle.wait(_SPAWN)
        self._spawn_supervisor()

    def enable(self) -> None:
        """Do nothing: no login starts a supervisor."""

    def uninstall(self) -> None:
        """Stop the gateway, end the supervisor, remove the definition."""
        self._end("leave")
        registered.forget(self._paths)

    def demand_start(self) -> None:
        """Start the gateway through the supervisor, or start a supervisor. Raises HermesError."""
        answer = self._ask({"op": "start"})
        if answer is not None and not answer.get("running"):
            self._replace_unfit()
            answer = self._ask({"op": "start"})
        if answer is not None:
            return
        self._spawn_supervisor()
        if self._ask({"op": "start"}) is None and desired.seen(self._paths.desired) == "running":
            raise HermesError(f"the supervisor does not stay: see {self._paths.gateway_log}")

    def stop(self) -> None:
        """Stop the gateway and wait until it is gone. Raises HermesError."""
        self._end("stop")

    def reload(self) -> None:
        """Install and start again: a running supervisor has no copy of the definition."""
        self.install()
        self.demand_start()

    def complete_exit(self) -> None:
        """Start another supervisor, which starts the gateway when this one is gone. A silent one looks when it goes on."""
        self._ask({"op": "status"}, POKE, POKE)  # raises CannotTellError at a silent one
        self.demand_start()

    def forgive_exit(self) -> None:
        """Nothing: the supervisor knows what the exit code means."""

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Let the supervisor start the program. Raises HermesError."""
        answer = self._ask({"op": "run", "name": name, "argv": argv, "environment": environment})
        if answer is None:
            raise HermesError("no supervisor runs that could do it: hermes gateway start")
        if answer.get("error"):
            raise HermesError(str(answer["error"]))

    def poke(self, trigger: str) -> bool | None:
        """Let the supervisor run a driver now. One that does not answer will look when it goes on."""
        try:
            return self._ask({"op": "poke", "trigger": trigger}, POKE, POKE) is not None
        except HermesError:
            return None

    def _end(self, operation: str) -> None:
        clocks = load_or_defaults(self._paths.config).gateway.stop_clocks
        try:
            answer = self._ask({"op": operation}, timeout=clocks.driver_deadline + _CALL)
        except CannotTellError:
            # A supervisor that cannot be asked reads the wish itself before it starts anything.
            if desired.seen(self._paths.desired) != "stopped" or not unmanaged.stop(
                self._paths, clocks.supervisor_kill
            ):
                raise
            return
        if answer is not None and answer.get("running") and desired.seen(self._paths.desired) == "running":
            raise HermesError("the gateway was started again meanwhile: hermes gateway stop, if it is to stop")
        unmanaged.stop(self._paths, clocks.supervisor_kill)

    def _is_supervised(self) -> bool:
        return locks.may_be_held(f"{self._paths.supervisor}/lock")

    def _spawn_supervisor(self) -> None:
        """Start a supervisor, and wait until it answers or has left again: for a stop, or for another supervisor."""
        import subprocess  # who only looks does without

        log = _open_log(self._paths)
        try:
            subprocess.run(
                [*supervisor_argv(self._paths), "--background"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=scrubbed(),
                start_new_session=True,
                timeout=_SPAWN,
                check=False,
            )
        except OSError as error:
            mend = refusal.shortage(error.errno) or "install hermes again"
            raise HermesError(f"{sys.executable} cannot be started ({error.strerror}): {mend}") from None
        except subprocess.TimeoutExpired:
            raise CannotTellError(f"the supervisor took over {_SPAWN:.0f} s to start: hermes gateway status") from None
        finally:
            os.close(log)

    def _ask(self, request: dict[str, Any], timeout: float = _CALL, patience: float = _SPAWN) -> dict[str, Any] | None:
        """Exchange one request for one answer. Return None without a supervisor. Raises CannotTellError.

        A supervisor that starts, or executes its new code, is awaited for `patience` seconds; one that ends, or that
        somebody has stopped, is not.
        """
        if not self._is_supervised():
            return None
        try:  # without the watch, which costs ten times the exchange
            return self._exchange(request, timeout)
        except _NOBODY:
            if locks.look(lock := f"{self._paths.supervisor}/lock") is None:
                raise CannotTellError(f"no supervisor answers, and {lock} cannot be looked at") from None
        deadline = time.monotonic() + patience
        with DirectoryWatch(self._paths.supervisor) as watch:
            while self._is_supervised():
                try:
                    return self._exchange(request, timeout)
                except _NOBODY:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise CannotTellError(
                            f"no supervisor answers after {patience:.0f} s: see {self._paths.gateway_log}"
                        ) from None
                    watch.wait(min(left, _LOOK_AGAIN))
        return None

    def _why(self, error: CannotTellError) -> str:
        """Return what a look says of it: without the mend, which is that of the problem."""
        return str(error).removesuffix(f": {silence.mend(self._silent)}")

    def _exchange(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Exchange one request for one answer. Raises OSError if nobody listens, CannotTellError if nobody answers."""
        try:
            return _exchange(f"{self._paths.supervisor}/sock", request, timeout)
        except _NOBODY:
            raise
        except (OSError, ValueError) as error:
            self._silent = error.pid if isinstance(error, silence.NoAnswer) else None
            text = silence.text(self._silent, str(error))
            raise CannotTellError(f"{text}: {silence.mend(self._silent)}") from None


def supervisor_argv(paths: Paths) -> list[str]:
    """Return the supervisor's command line."""
    return entry_points.gateway(paths.profile, "--supervise")


def _exchange(path: str, request: dict[str, Any], timeout: float) -> dict[str, Any]:
    with connect(path, timeout) as connection:
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            stopped = _stopped_peer(connection, min(_GLANCE, timeout))
            if stopped is not None:
                line = b""
            else:
                with connection.makefile("rb") as stream:
                    line = stream.readline(65536)
        except TimeoutError:
            raise silence.NoAnswer(peer_pid(connection)) from None
    if stopped is not None:
        raise silence.NoAnswer(stopped, "stopped")
    if not line:
        raise ConnectionResetError("closed without an answer")
    answer = json.loads(line)
    return answer if isinstance(answer, dict) else {}


def _stopped_peer(connection: socket.socket, within: float) -> int | None:
    """Return the pid at the other end if nothing has come from it `within` seconds and it is stopped, else None."""
    if select.select([connection], [], [], within)[0]:
        return None
    pid = peer_pid(connection)
    return pid if pid is not None and process_table.is_stopped(pid) else None


def _open_log(paths: Paths) -> int:
    """Open the log for append: for what the supervisor says before it can log."""
    try:
        durable.make_private_directory(paths.logs)
        return os.open(paths.gateway_log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HermesError(refusal.refused(paths.gateway_log, "written", error)) from None
