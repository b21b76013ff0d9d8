"""A program as its file declares it: how its instance is observed, and what it left on the disk when it ended."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hermes_cli.intents.desired import Desired
from hermes_cli.intents.facts import Policy
from hermes_cli.intents.instance import Instance, State
from hermes_cli.paths import Paths
from hermes_cli.programs import probes
from hermes_cli.programs.adoption import Adoption, installation, program_path
from hermes_cli.programs.program_file import ProgramFile
from hermes_cli.programs.verdicts import Look, ManagerView, Word
from hermes_cli.system import durable, process_table
from hermes_cli.system.process import Identity

_STATES: tuple[tuple[str, State], ...] = (("starting", "starting"), ("ready", "ready"), ("draining", "draining"))
_ASK_AGAIN = 0.5  # seconds between two probes of a program that tells of its changes in no file


@dataclass(frozen=True, slots=True)
class Memory:
    """What must outlive the resident: the instance that was seen last, and what its end has led to."""

    identity: Identity | None = None
    definition: str = ""  # as it was when that instance was first seen
    gone_since: float = 0.0
    asked: str | None = None  # the intent that was made of its end

    @property
    def target(self) -> dict[str, Any] | None:
        """Which instance a record names that is made of its end; its process is gone, so that the run does not matter."""
        return _named(self.identity) if self.identity is not None else None

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        identity = self.identity.document() if self.identity else None
        return {
            "schema": 1,
            "identity": identity,
            "definition": self.definition,
            "gone_since": self.gone_since,
            "asked": self.asked,
        }


class DeclaredProgram:
    """One adopted program, as the driver and the resident ask about it."""

    def __init__(
        self, paths: Paths, adoption: Adoption, program: ProgramFile, view: Callable[[], ManagerView] = ManagerView
    ) -> None:
        """`view` asks its service manager; a program that describes itself in files needs none."""
        self._paths = paths
        port = probes.port(program.get("instance", "port"), adoption.fill)
        there = installation(adoption.definition)  # its owner may have changed it since
        self.adoption = adoption._replace(values={**adoption.values, **there, "port": port})
        self.file = program
        self._view = probes.Lately(view)
        self._answers: dict[str, probes.Lately[probes.Answer]] = {}
        self.restart_signal = signal.Signals[program.get("restart", "signal") or "SIGTERM"]

    @property
    def profile(self) -> str:
        """Our profile for it."""
        return self._paths.profile

    @property
    def path(self) -> str:
        """The path of its program file."""
        return program_path(self._paths)

    # --- what the driver asks

    def observe(self) -> Instance | None:
        """Return the instance that its files describe and that runs, or None."""
        identity = self._described()
        if identity is None or not identity.is_alive():
            return None
        began = identity.create_time or process_table.create_time(identity.pid) or 0.0
        generation = self._generation()
        return Instance(
            identity,
            self._state(time.time() - began),
            revision=self._revision(),
            started_at=generation or began,
            handles_signal=self._handles_signal(),
            generation=generation,
        )

    def target(self, running: Instance | None) -> dict[str, Any] | None:
        """Return which instance a record names; None when nothing runs."""
        if running is None:
            return None
        named = _named(running.identity)
        return named if running.generation is None else {**named, "generation": running.generation}

    def may_be(self, target: Identity) -> bool:
        """Say whether the named process still runs."""
        return target.is_alive()

    def desired(self) -> Desired:
        """Return `stopped` when the program itself has last been stopped on purpose."""
        identity = self._described()
        if identity is not None and identity.is_alive():
            return "running"
        return "stopped" if self.last_word() == "stopped" else "running"

    def watched(self) -> tuple[str, ...]:
        """Return the directories in which its files are replaced."""
        found = dict.fromkeys(os.path.dirname(path) for path in self.files())
        return tuple(place for place in found if os.path.isdir(place))

    def policy(self, policy: Policy) -> Policy:
        """Return our policy with the program's own numbers. It is never killed."""
        limits, starts = self.file.get("limits") or {}, self.file.get("limits", "starts")
        start_timeout = float(limits.get("start_timeout", policy.start_timeout))
        if starts is not None and self._starts_within(starts) > starts["count"]:
            start_timeout = float(starts.get("start_timeout", start_timeout))
        refused = self.file.get("restart", "exits", "refused") or ()
        return policy._replace(
            drain_timeout=float(self.file.get("restart", "drain_limit") or 0.0),
            teardown_timeout=float(self.file.get("restart", "exit_limit") or policy.teardown_timeout),
            start_timeout=start_timeout,
            look_again=policy.look_again if self.file.get("instance", "state") is not None else _ASK_AGAIN,
            refusal_codes=frozenset(refused),
            may_kill=False,
            tells_revision=self.file.get("instance", "revision") is not None,
        )

    # --- what the resident asks

    @property
    def is_silent(self) -> bool:
        """Say whether only its service manager tells that it runs, so that no file has to change when it starts."""
        return not any(isinstance(probe, dict) for probe in self.file.probes("instance", "pid"))

    def files(self) -> tuple[str, ...]:
        """Return the paths whose changes are a reason to look again."""
        return tuple(self.adoption.fill(path) for path in self.file.get("watch", "paths") or ())

    def bindings(self) -> tuple[str, ...]:
        """Return our own files that say how it is kept alive: who changes them while it is down means this end."""
        return self._paths.adopted, self.path

    def signs(self) -> tuple[str, ...]:
        """Return the paths that come or go shortly before it exits, and at no other time but its start."""
        named = [self.file.get("restart", "signal_when"), *self.file.probes("watch", "wanted")]
        return tuple(self.adoption.fill(one["exists"]) for one in named if isinstance(one, dict) and "exists" in one)

    @property
    def exit_limit(self) -> float:
        """Seconds that its drain and its exit may take together."""
        limits = self.file.get("restart") or {}
        return float(limits.get("drain_limit", 0.0)) + float(limits.get("exit_limit", 10.0))

    def last_word(self, exit_code: int | None = None) -> Word:
        """Return what the ended instance has said of its end, by its files and its exit code."""
        states = self.file.get("instance", "state") or {}
        said = self._said_state()
        if said in states.get("refused", ()) or exit_code in (self.file.get("restart", "exits", "refused") or ()):
            return "refused"
        if self.wanted():
            return "restart"
        if said in states.get("stopped", ()):
            return "stopped"
        return "unknown" if said is None else "crashed"

    def wanted(self) -> str | None:
        """Return where a restart is written that the program itself was asked for, or None."""
        for probe in self.file.probes("watch", "wanted"):
            if self._holds(probe):
                return self.adoption.fill(str(probe.get("exists") or probe.get("json")))
        return None

    def look(self, memory: Memory, manager: ManagerView) -> tuple[Look, Memory]:
        """Look once. Return the facts, and what is to be remembered of them."""
        now, running = time.time(), self.observe()
        described = running.identity if running is not None else self._described()
        known = memory.identity is not None and described is not None and described.is_same_as(memory.identity)
        if not known:
            memory = Memory(described, self._definition_stamp())
        if running is not None:
            memory = replace(memory, gone_since=0.0, asked=None)
        elif not 0.0 < memory.gone_since <= now:
            memory = replace(memory, gone_since=now)
        stamp = self._definition_stamp()
        patience = self.file.get("patience") or {}
        return Look(
            now=now,
            alive=running is not None,
            known=described is not None,
            gone_since=memory.gone_since or now,
            last_word=self.last_word(manager.exit_code),
            wanted=self.wanted() is not None,
            defined=bool(stamp),
            missing=self._missing(),
            rewritten=bool(memory.definition) and stamp != memory.definition,
            updating=self._updates(),
            asked=memory.asked,
            manager=manager,
            helper=float(patience.get("helper", 6.0)),
            patience=float(patience.get("manager", 4.0)),
            bring_back=self.adoption.unloaded == "bring-back",
        ), memory

    def remember(self, memory: Memory) -> None:
        """Keep it for the next resident. Raises OSError."""
        if memory != self.memory():
            durable.publish(seen_path(self._paths), memory.document())

    def memory(self) -> Memory:
        """Return what the last resident knew."""
        found = durable.read_json(seen_path(self._paths)) or {}
        asked, definition = found.get("asked"), found.get("definition")
        return Memory(
            Identity.parse(found.get("identity")),
            definition if isinstance(definition, str) else "",
            durable.finite(found.get("gone_since")) or 0.0,
            asked if isinstance(asked, str) else None,
        )

    # --- its files

    def _described(self) -> Identity | None:
        """Return the instance that its files, or its service manager, name, alive or not."""
        for probe in self.file.probes("instance", "pid"):
            if not isinstance(probe, dict):
                if (identity := self._managed()) is not None:
                    return identity
                continue
            found = self._json(probe)
            pid, start = found.get(probe.get("field", "pid")), found.get(probe.get("start", ""))
            if type(pid) is not int or not 0 < pid < 2**31:
                continue
            if type(start) is int and start > 0:
                return Identity(pid, None, start, process_table.boot_id())
            return self._by_birth(pid)
        return None

    def _managed(self) -> Identity | None:
        """Return the process that its service manager runs, else the one remembered."""
        pid = self._view().running
        return (Identity.of(pid) if pid is not None else None) or self.memory().identity

    def _by_birth(self, pid: int) -> Identity:
        """Return the process with the birth that the kernel knows, or the one remembered: the file does not say it."""
        remembered = self.memory().identity
        if remembered is not None and remembered.pid == pid:
            return remembered
        return Identity.of(pid) or Identity(pid)

    def _said_state(self) -> str | None:
        probe = self.file.get("instance", "state")
        said = self._json(probe).get(probe.get("field", "state")) if probe is not None else None
        return said if isinstance(said, str) else None

    def _state(self, age: float) -> State:
        """Return the state of a living instance: whoever says "stopped" has still to exit. `age` in seconds."""
        if self.file.get("instance", "state") is None:
            return self._probed_state(age)
        states, said = self.file.get("instance", "state"), self._said_state()
        return next(
            (state for name, state in _STATES if said in states.get(name, ())), "exited" if said else "starting"
        )

    def _probed_state(self, age: float) -> State:
        """Return what its probe says; who is not ready and too old to be starting, and takes no signal, drains."""
        ready = self.file.get("instance", "ready")
        if not isinstance(ready, dict) or self._ask(ready, age).holds:
            return "ready"
        starts = age < float(self.file.get("limits", "start_timeout") or 60.0)
        return "starting" if starts or self._handles_signal() else "draining"

    def _generation(self) -> float | None:
        """Return when this run began, of a program that restarts in its own process and says how old the run is."""
        probe = self.file.get("instance", "generation")
        if not isinstance(probe, dict):
            return None
        age = durable.finite(probes.value(self._ask(probe).document, probe.get("field", "")))
        return time.time() - age / 1000 if age is not None and age >= 0 else None

    def _revision(self) -> str | None:
        for probe in self.file.probes("instance", "revision"):
            found = probes.value(self._ask(probe).document, probe.get("field", "")) if isinstance(probe, dict) else None
            if isinstance(found, str):
                return found
        return None

    def _handles_signal(self) -> bool:
        if self.file.get("restart", "signal") is None:
            return False
        when = self.file.get("restart", "signal_when")
        return when in {None, "always"} if not isinstance(when, dict) else self._holds(when)

    def _holds(self, probe: dict[str, Any]) -> bool:
        if "json" in probe:
            return "is" in probe and self._json(probe).get(probe.get("field", "")) == probe["is"]
        return self._ask(probe).holds is True

    def _ask(self, probe: dict[str, Any], age: float | None = None) -> probes.Answer:
        """Ask, once for one look."""
        if "alive_for" in probe:
            return probes.ask(probe, self.adoption.fill, age)
        key = str(probe)
        if key not in self._answers:
            self._answers[key] = probes.Lately(lambda: probes.ask(probe, self.adoption.fill))
        return self._answers[key]()

    def _json(self, probe: dict[str, Any]) -> dict[str, Any]:
        path = probe.get("json")
        return (durable.read_json(self.adoption.fill(path), limit=1 << 20) or {}) if path is not None else {}

    def _updates(self) -> bool:
        """Say whether its update is at work: its mark is there, and the process that the mark names lives."""
        probe = self.file.get("update", "under_way")
        if not isinstance(probe, dict) or "exists" not in probe:
            return False
        try:
            text = durable.read_small(self.adoption.fill(probe["exists"]), 4096).decode(errors="replace")
        except (OSError, ValueError, durable.UnfitFileError):
            return False
        key = probe.get("pid")
        found = [line.partition(key)[2] for line in text.splitlines() if key and line.startswith(key)]
        if not found or not found[0].strip().isdecimal():
            return False
        return process_table.create_time(int(found[0])) is not None

    def _missing(self) -> str | None:
        python = self.adoption.values.get("python")
        return python if python is not None and not os.path.exists(python) else None

    def _definition_stamp(self) -> str:
        try:
            found = os.stat(self.adoption.definition)
        except OSError:
            return ""
        return f"{found.st_mtime_ns}:{found.st_ino}:{found.st_size}"

    def _starts_within(self, starts: dict[str, Any]) -> int:
        path = starts.get("log")
        if path is None:
            return 0
        with contextlib.suppress(OSError, durable.UnfitFileError, ValueError):
            lines = durable.read_small(self.adoption.fill(path), 1 << 20).decode(errors="replace").split()
            return sum(time.time() - starts["window"] < float(at) for at in lines)
        return 0


def seen_path(paths: Paths) -> str:
    """Return the path of what must outlive the resident."""
    return f"{paths.state}/seen.json"


def _named(identity: Identity) -> dict[str, Any]:
    return {"pid": identity.pid, "create_time": identity.create_time, "start_ticks": identity.start_ticks}
