"""A program without a service of its own: its command line, its probe, and what its exit codes mean.

A profile has one if its program.toml has `argv`. Definition, restarter and everything else are ours.
"""

import contextlib
import logging
import os
import signal
import sys

from hermes_cli import environment
from hermes_cli.paths import Paths
from hermes_cli.programs import adoption, probes
from hermes_cli.programs.own import REFUSAL_EXIT_CODE, RESTART_EXIT_CODE
from hermes_cli.programs.probes import Answer
from hermes_cli.programs.program_file import ProgramFile, fill
from hermes_cli.system import durable
from hermes_cli.system.process import Handle, Identity

_ALIVE_FOR = 1.0  # seconds until a program without a probe counts as ready
_EXIT_LIMIT = 10.0  # seconds, where the file does not say
_HANDOFF = 30.0  # seconds for the command that takes a handoff, where the file does not say
_MOST_WORDS = 1000
_log = logging.getLogger("hermes.program")


class TakenOver:
    """One taken-over program, as whoever runs it asks about it."""

    def __init__(self, paths: Paths, program: ProgramFile) -> None:
        """`program` has `argv`."""
        self._leftover = f"{paths.state}/program.json"
        ready = program.get("instance", "ready")
        self._ready = ready if isinstance(ready, dict) else {"alive_for": _ALIVE_FOR}
        self._exits = program.get("restart", "exits") or {}
        self._handoff = program.get("restart", "handoff")
        home = (program.get("home") or {}).get("default") or "~"
        self._values = {
            "home": os.path.expanduser(home),
            "state": paths.state,
            "profile": paths.profile,
            "uid": str(os.getuid()),
            "python": sys.executable,
        }
        self._values["port"] = probes.port(program.get("instance", "port"), self._fill)
        self.name = program.name
        self.argv = [self._fill(word) for word in program.get("argv")][:_MOST_WORDS]
        self.signal = signal.Signals[program.get("restart", "signal") or "SIGTERM"]
        self.exit_limit = float(program.get("restart", "exit_limit") or _EXIT_LIMIT)

    def missing(self) -> str | None:
        """Return why it cannot be started, with the mend, or None: its program is not where its file says."""
        import shutil

        if shutil.which(self.argv[0]) is not None:
            return None
        return f"the program of {self.name} is gone, {self.argv[0]}: install it again, or edit program.toml"

    def ask(self, age: float) -> Answer:
        """Ask its probe. `age`: how long it has run, in seconds."""
        return probes.ask(self._ready, self._fill, age)

    def exit_code(self, code: int, pid: int) -> int:
        """Return the code by which the service manager understands how it, process `pid`, ended by itself."""
        if code in self._exits.get("refused", ()):
            return REFUSAL_EXIT_CODE
        if self._is_handed_over(pid) or code in self._exits.get("restart", ()):
            return RESTART_EXIT_CODE
        if code in self._exits.get("stopped", ()):
            return 0
        return 1

    def _is_handed_over(self, pid: int) -> bool:
        """Ask once whether it has handed its restart over to whoever runs it: some exit with 0 for a stop as well."""
        handoff = self._handoff
        if handoff is None:
            return False
        from hermes_cli.system.command import run

        argv = [fill(word, {**self._values, "pid": str(pid)}) for word in handoff["command"]]
        try:
            done = run(argv, float(handoff.get("timeout", _HANDOFF)), environment=environment.scrubbed(), grace=0.5)
        except OSError as error:
            _log.warning("%s cannot be asked for its handoff: %s", argv[0], error.strerror)
            return False
        if not done.ok:
            _log.warning("no handoff: %s: %s", argv[0], done.why)
        return bool(probes.value(probes.document(done.raw), handoff["field"]) == handoff["is"])

    # --- a program that outlived whoever ran it

    def remember(self, pid: int) -> None:
        """Note the program's process: whoever runs it may be killed, and the next one must not start a second."""
        identity = Identity.of(pid)
        if identity is not None:
            durable.replace_volatile(self._leftover, {"schema": 1, **identity.document()})

    def forget(self) -> None:
        """Note that it has ended."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._leftover)

    def end_leftover(self) -> None:
        """End a program that outlived whoever ran it, if it is that very process.

        Raises OSError when it cannot be told whether one did.
        """
        identity = Identity.parse(durable.read_json(self._leftover, strict=True))
        if identity is None:
            return
        for number, patience in ((self.signal, self.exit_limit), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError), Handle(identity) as handle:
                handle.send(number)
                handle.wait(patience)
        self.forget()

    def _fill(self, text: str) -> str:
        return fill(text, self._values)


def of(paths: Paths) -> TakenOver | None:
    """Return the program that this profile has taken over, or None. Raises ConfigError, and OSError if it cannot be told."""
    if durable.is_there(paths.adopted) or not durable.is_there(adoption.program_path(paths)):
        return None
    program = adoption.read_program(paths)
    return TakenOver(paths, program) if program.get("argv") is not None else None
