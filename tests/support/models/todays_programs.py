"""What today's programs do to restart their gateway from a command inside it, each as a few lines of shell.

The gateway is a stand-in with the signals of the real ones: SIGUSR1 drains and exits 75, SIGTERM exits 0. It runs one
command, in a session of its own, as an agent's terminal tool does. So the group kill of launchd never hits a command:
each strategy gets its best chance, and what it dies of is not our choice of a terminal.
"""

import os
import plistlib
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launchd_emulator import Launchd

from support.faults.matrix import FAULTS, HOSTILE, KIND, NOTHING, Fault

LABEL = "com.example.gateway"
HELPER = f"{LABEL}.helper"
TIME_SCALE = 0.1
THROTTLE = 10  # of launchd's seconds; what a plist that does not say gets
_STEPS = 2.0  # seconds for a strategy's own steps after the old process's end,
_LOADING = 0.15  # where it takes no more than these to load the gateway

GATEWAY = """\
import os, signal, subprocess, sys

asked, patience = sys.argv[1], float(sys.argv[2])
turns, asked_to_drain = [], []


def drain(*_):
    asked_to_drain.append(True)
    if not turns:
        return  # between the start of a turn and its entry here
    try:
        turns[0].wait(patience)
    except subprocess.TimeoutExpired:  # the turn is interrupted, and with it its command
        os.killpg(turns[0].pid, signal.SIGKILL)
    os._exit(75)


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
signal.signal(signal.SIGUSR1, drain)
with open(asked) as file:  # whoever writes knows by that that it is ready
    command = file.read()
environment = {**os.environ, "GATEWAY": str(os.getpid()), "PYTHON": sys.executable}
turns.append(subprocess.Popen(["/bin/sh", "-c", command], env=environment, start_new_session=True))
if asked_to_drain:
    drain()
while True:
    signal.pause()
"""
DRAIN = 1.0  # seconds that a turn may go on; minutes in the field

_STRIKE = "@struck@"  # where, in a script, whoever runs it is killed if the world is so, once
_COMMON = """\
gone() { while kill -0 "$GATEWAY" 2>/dev/null; do sleep 0.02; done; }
unloaded() { while sleep 0.3; launchctl print "$TARGET" >/dev/null 2>&1; do :; done; }
"""
_DETACH = 'import os, sys; os.setsid(); os.execv("/bin/sh", ["sh", "-c", sys.argv[1]])'


def _helper(script: str) -> str:
    return f"helper=$(cat <<'END'\n{_COMMON}{script}END\n)\n"


def _detached(script: str) -> str:
    """The same from a helper in a session of its own, whose parent ends at once."""
    return f'{_helper(script)}"$PYTHON" -I -S -c \'{_DETACH}\' "$helper" &\n'


def _submitted(script: str) -> str:
    """The same from a job of its own; launchd gives it nothing of the caller's environment."""
    variables = " ".join(f'{name}="${name}"' for name in ("PATH", "GATEWAY", "TARGET"))
    return f'{_helper(script)}launchctl submit -l {HELPER} -- /usr/bin/env {variables} /bin/sh -c "$helper"\n'


@dataclass(frozen=True)
class Strategy:
    """A way to restart the gateway; `expected` is its fate in each world, by the world's name."""

    name: str
    script: str
    expected: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Where launchd stands, and what happens there; `fault` is the same for hermes' own case."""

    name: str
    knobs: dict[str, Any]
    fault: Fault = NOTHING
    later: dict[str, Any] = field(default_factory=dict)
    strikes: bool = False  # whoever carries the restart is killed half-way


def _fault(name: str) -> Fault:
    return next(one for one in FAULTS if one.name == name)


WORLDS = [
    World("kind", KIND),
    World("on-demand-only", {**KIND, "on_demand_only": True}),
    World("coalition killed", {**KIND, "coalition_kill": "bootout+kickstart"}),
    World("kickstart throttled", {**KIND, "kickstart_throttle": "block"}),
    World("all of it", HOSTILE),
    World("kind, carrier killed", KIND, _fault("restarter killed while draining"), strikes=True),
    World("all of it, carrier killed", HOSTILE, _fault("restarter killed while draining"), strikes=True),
    World(
        "all of it, kickstart answers 37",
        HOSTILE,
        _fault("kickstart answers 37 once"),
        later={"kickstart_rc_once": 37, "fault_label": LABEL},
    ),
]


def _fates(*fates: str) -> dict[str, str]:
    return {world.name: fate for world, fate in zip(WORLDS, fates, strict=True)}


STRATEGIES = [
    Strategy(
        "signal and return",
        f'kill -USR1 "$GATEWAY"; {_STRIKE}\n',
        _fates("once", "dead", "once", "once", "dead", "once", "dead", "dead"),
    ),
    Strategy(
        "signal, wait and kickstart, in-tree",
        f'kill -USR1 "$GATEWAY"; {_STRIKE}; gone; launchctl kickstart "$TARGET"\n',
        _fates("once", "dead", "once", "once", "dead", "once", "dead", "dead"),
    ),
    Strategy(
        "bootout and bootstrap, in-tree",
        f'launchctl bootout "$TARGET"; {_STRIKE}; unloaded; launchctl bootstrap "$DOMAIN" "$PLIST"\n',
        _fates("once", "dead", "dead", "once", "dead", "dead", "dead", "dead"),
    ),
    Strategy(
        "kickstart -k, in-tree",
        f'{_STRIKE}; launchctl kickstart -k "$TARGET"\n',
        _fates("once", "once", "once", "once", "once", "never", "never", "never"),
    ),
    Strategy(
        "detached helper: wait, bootout, bootstrap",
        _detached(
            f'kill -USR1 "$GATEWAY"; gone; {_STRIKE}\n'
            'launchctl bootout "$TARGET"; unloaded; launchctl bootstrap "$DOMAIN" "$PLIST"\n'
        ),
        _fates("many", "dead", "dead", "many", "dead", "once", "dead", "dead"),
    ),
    Strategy(
        "detached helper: wait, kickstart -k, else bootstrap",
        _detached(
            f'kill -USR1 "$GATEWAY"; gone; {_STRIKE}\n'
            'launchctl kickstart -k "$TARGET" || { launchctl enable "$TARGET"\n'
            '  launchctl bootstrap "$DOMAIN" "$PLIST" && launchctl kickstart -k "$TARGET"; }\n'
        ),
        _fates("many", "once", "many", "many", "once", "once", "dead", "dead"),
    ),
    Strategy(
        "launchctl submit: wait, kickstart -k",
        _submitted(f'kill -USR1 "$GATEWAY"; gone; {_STRIKE}; launchctl kickstart -k "$TARGET"\n'),
        _fates("many", "never", "many", "many", "never", "many", "never", "never"),
    ),
]


@dataclass(frozen=True)
class Fate:
    """What became of a restart.

    `kind` is "once", "many" (a fresh gateway was ended), "never" (the old one goes on) or "dead" (nothing runs, and
    nothing is about to).
    """

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        word = {"dead": "**dead**", "never": "not restarted", "many": "twice"}.get(self.kind, self.kind)
        return self.detail if self.kind == "many" and self.detail else ", ".join(filter(None, [word, self.detail]))


class Gateway:
    """The stand-in under a launchd of its own, with a strategy to try."""

    def __init__(self, world: World, strategy: Strategy, folder: Path, make_launchd: Callable[..., Launchd]) -> None:
        folder.mkdir()
        self._folder = folder
        self._world = world
        self._strategy = strategy
        self._launchd = make_launchd(time_scale=TIME_SCALE, **world.knobs)
        self._target = f"{self._launchd.domain}/{LABEL}"
        self._asked = folder / "asked"
        os.mkfifo(self._asked)
        (folder / "gateway.py").write_text(GATEWAY)
        arguments = [sys.executable, "-I", "-S", f"{folder}/gateway.py", str(self._asked), str(DRAIN)]
        plist = folder / f"{LABEL}.plist"
        environment = {
            "PATH": f"{self._launchd.bin}:/usr/bin:/bin",
            "TARGET": self._target,
            "DOMAIN": self._launchd.domain,
            "PLIST": str(plist),
        }
        plist.write_bytes(
            plistlib.dumps(
                {
                    "Label": LABEL,
                    "ProgramArguments": arguments,
                    "EnvironmentVariables": environment,
                    "RunAtLoad": True,
                    "KeepAlive": True,
                    "StandardErrorPath": f"{folder}/errors",
                }
            )
        )
        asked_to_load = self._launchd.mark()
        self._launchd.launchctl("bootstrap", self._launchd.domain, plist, check=True)
        self._launchd.launchctl("kickstart", self._target, check=True)
        self._began = self._launchd.wait_for("spawn", LABEL)
        loading = self._launchd.mark() - asked_to_load
        self._requested = 0.0
        # launchd's own respawn is due after the throttle; the strategy's steps take as long as the machine does.
        self._bound = THROTTLE * TIME_SCALE + _STEPS * max(1.0, loading / _LOADING)

    def ask(self) -> None:
        """Have the running gateway's tool run the strategy."""
        # A gateway that has run for hours owes the throttle nothing.
        self._launchd.advance(THROTTLE)
        if self._world.later:
            self._launchd.knob(**self._world.later)
        self._requested = self._launchd.mark()
        strike = f'mkdir "{self._folder}/struck" 2>/dev/null && kill -KILL $$' if self._world.strikes else ":"
        # Opening waits for the gateway to be ready.
        self._asked.write_text(f"{_COMMON}{self._strategy.script}".replace(_STRIKE, strike))

    def fate(self) -> Fate:
        """Look when everything that could still start it has had its time."""
        ended = self._old_end()
        _let_pass((ended or self._requested) + self._bound)
        assert "sh: " not in (self._folder / "errors").read_text(), "the strategy itself is broken"
        assert (self._folder / "struck").exists() <= self._world.strikes
        shown = self._launchd.launchctl("print", self._target)
        starts = [one for one in self._launchd.events("spawn", LABEL) if one.t > self._requested]
        state = re.search(r"^\tstate = (.*)$", shown.stdout, re.MULTILINE)
        if shown.returncode == 113:
            return Fate("dead", "unloaded")
        assert state is not None, shown
        if state[1] == "not running":
            return Fate("dead", "held back" if "pended nondemand spawn" in shown.stdout else "")
        if not starts:
            return Fate("never")
        drained = self._launchd.events("exit", LABEL)[0].status == 75
        cut_off = "" if drained else "turns cut off"
        if len(starts) == 1:
            return Fate("once", cut_off)
        # A submitted job is kept alive, and so comes back until somebody removes it.
        for_ever = len(self._launchd.events("spawn", HELPER)) > 1
        return Fate("many", "again and again" if for_ever else "" if len(starts) == 2 else f"{len(starts)} times")

    def _old_end(self) -> float | None:
        """When the old process ended; None: it goes on, long after every strategy's own steps."""
        try:
            patience = self._requested + DRAIN + self._bound - time.monotonic()
            return self._launchd.wait_for("exit", LABEL, pid=self._began.pid, timeout=max(0.1, patience)).t
        except AssertionError:
            return None


def _let_pass(moment: float) -> None:
    """Wait for a moment of time.monotonic(), where the time itself is what is asked for, and no event."""
    threading.Event().wait(max(0.0, moment - time.monotonic()))


_HEAD = """\
# Restarts from inside: today's programs and hermes

What programs of this kind do today when the restart is asked for from inside, each carried out by a small honest
implementation on the [emulated launchd](../../tests/launchd/README.md), and what is seen then. A column is a world of
launchd; "carrier killed" means that whoever carries the restart is killed half-way. Written by

```sh
HERMES_COMPARISON_TABLE=$PWD/docs/evidence/todays-programs.md python -m pytest tests/e2e/launchd/test_todays_programs.py
```

hermes itself was run in all 32 combinations of what is not known of launchd, without a fault and with each of 25:
[the launchd matrix](launchd-matrix.md).
"""


def table(fates: dict[tuple[str, str], str]) -> str:
    """Return the page that says what became of each strategy in each world."""
    names = [one.name for one in WORLDS]
    rows = dict.fromkeys(name for name, _ in fates)
    lines = [_HEAD, " | ".join(["", "restart from inside", *names, ""]).strip()]
    lines.append("| --- " * (len(names) + 1) + "|")
    lines += [" | ".join(["", row, *(fates.get((row, name), "") for name in names), ""]).strip() for row in rows]
    return "\n".join([*lines, ""])
