"""The cells of the launchd matrix: what is not known of launchd, crossed with what may fail."""

import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hermes_cli.gateway import run
from hermes_cli.intents.driver import Driver
from hermes_cli.restart import send
from support.faults.places import ONLY_A_DRIVER, Place, on_call, on_return
from support.machines.mac import TIME_SCALE, Mac

GATEWAY, RESTARTER = "gateway", "restarter"  # in a knob: the label of that job, see `named`
KNOBS: dict[str, tuple[Any, Any]] = {
    "on_demand_only": (False, True),
    "on_demand_holds": ("keepalive+load", "all"),
    "watch_while_running": ("coalesce", "drop"),
    "coalition_kill": ("off", "bootout+kickstart"),
    "kickstart_throttle": ("bypass", "block"),
}
WORLDS = [dict(zip(KNOBS, values, strict=True)) for values in itertools.product(*KNOBS.values())]
KIND, HOSTILE = WORLDS[0], WORLDS[-1]


def pairwise() -> list[dict[str, Any]]:
    """Return so few worlds that any two knobs still meet in each of their positions."""

    def pairs(world: dict[str, Any]) -> set[frozenset[tuple[str, Any]]]:
        return {frozenset(two) for two in itertools.combinations(world.items(), 2)}

    left = set().union(*map(pairs, WORLDS))
    chosen = []
    while left:
        chosen.append(max(WORLDS, key=lambda world: len(pairs(world) & left)))
        left -= pairs(chosen[-1])
    return chosen


def name_of(world: dict[str, Any]) -> str:
    """A world in one word: what is in its worse position."""
    worse = [name for name, (_, bad) in KNOBS.items() if world[name] == bad]
    return "+".join(worse) or "kind"


_STARTS = 8.0  # seconds for a restart's processes, where an installation takes no more than
_INSTALLING = 2.0


def named(mac: Mac, knobs: dict[str, Any]) -> dict[str, Any]:
    """Knobs with the labels that the two jobs of this machine have."""
    labels = {GATEWAY: mac.gateway, RESTARTER: mac.restarter}
    found = {name: labels.get(value, value) if isinstance(value, str) else value for name, value in knobs.items()}
    return {
        name: {labels.get(key, key): one for key, one in value.items()} if isinstance(value, dict) else value
        for name, value in found.items()
    }


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong. Seconds are launchd's where an emulator's knob causes them, else real ones."""

    name: str
    knobs: dict[str, Any] | None = None  # from the start
    later: dict[str, Any] | None = None  # once the gateway is ready
    before: Callable[[Mac], object] | None = None  # with the gateway ready, before the request
    during: Callable[[Mac], object] | None = None  # while the gateway drains, its turn held open
    after: Callable[[Mac], object] | None = None  # when that turn has been let go
    strike: tuple[str, Place, str] | None = None  # action, place, program: once
    costs: float = 0.0  # real seconds on top of an undisturbed restart
    next_command: Callable[[dict[str, Any]], bool] = lambda _: False  # worlds that wait for the next invocation
    config: str | None = None
    own_code: bool = False  # a package of its own, that can be broken

    @property
    def is_slow(self) -> bool:
        """Whether it meets one of hermes' own timeouts."""
        return self.costs >= 5


def bound(world: dict[str, Any], fault: Fault, installing: float = 0.0) -> float:
    """Seconds from the request to a fresh, ready instance: what is held up, and starts of processes.

    Those take as long as the machine does: `installing` is how many seconds the same work took just before, an
    installation, which starts about as many.
    """
    throttle = 10 * TIME_SCALE if world["kickstart_throttle"] == "block" else 0.0
    return max(_STARTS, _STARTS / _INSTALLING * installing) + throttle + fault.costs


def letters(world: dict[str, Any]) -> str:
    """A world as a column's head: one letter for each knob that is in its worse position."""
    return "".join(_LETTERS[name] for name, (_, bad) in KNOBS.items() if world[name] == bad) or "-"


def table(cells: list[dict[str, Any]]) -> str:
    """The cells of a run as a page: a row for each fault, a column for each world."""
    seen = {(one["fault"], one["world"]): one for one in cells}
    knobs = "\n".join(f"| {_LETTERS[name]} | `{name}` | {good} | {bad} |" for name, (good, bad) in KNOBS.items())
    rows = [
        f"| {name} | {_bounds(name, seen)} | {' | '.join(_shown(seen.get((name, name_of(one)))) for one in WORLDS)} |"
        for name in [one.name for one in [NOTHING, *FAULTS]]
    ]
    passed = [one for one in cells if one["passed"]]
    whole = (len(FAULTS) + 1) * len(WORLDS)
    head = _HEAD.format(
        cells=len(cells),
        whole=whole,
        passed=len(passed),
        setting="HERMES_LAUNCHD_MATRIX=whole " if len(cells) == whole else "",
        median=statistics.median(one["seconds"] for one in passed) if passed else 0.0,
        slowest=max((one["seconds"] for one in passed), default=0.0),
        next=sum(one["by"] == "next command" for one in passed),
        knobs=knobs,
    )
    columns = f"| fault | bound | {' | '.join(map(letters, WORLDS))} |\n| --- | ---{' | ---:' * len(WORLDS)} |"
    return "\n".join([head, columns, *rows, ""])


def _shown(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return ""
    if not cell["passed"]:
        return "✗"
    return f"{cell['seconds']:.1f}" + ("*" if cell["by"] == "next command" else "")


def _bounds(fault: str, seen: dict[tuple[str, str], dict[str, Any]]) -> str:
    found = sorted({one["bound"] for (name, _), one in seen.items() if name == fault})
    return " to ".join(f"{bound:.0f}" for bound in dict.fromkeys(found[:1] + found[-1:]))


_LETTERS = dict(zip(KNOBS, "OHWCT", strict=True))
_HEAD = f"""\
# The launchd matrix

Written by its last run, {{cells}} of {{whole}} cells, on the emulated launchd (nothing here was run on a Mac):

```sh
{{setting}}HERMES_LAUNCHD_TABLE=$PWD/docs/evidence/launchd-matrix.md \\
  python -m pytest -n 2 tests/e2e/launchd/test_matrix.py
```

Without more it takes so many worlds without a fault that any two of their ways meet, and every fault in the kindest and in
the worst; with `HERMES_LAUNCHD_MATRIX=whole` every fault in every world. Each cell is the report's case: a restart asked
for in the agent's terminal, whose caller is killed as soon as the record is on the disk. A cell passes when exactly one
fresh instance came up, under launchd, within the bound, the record settled, nothing stayed pending, and nobody but the
named instance was signalled.

**{{passed}} of {{cells}} passed.** Seconds are from the request to the fresh, settled instance, the emulator's own durations
scaled by {TIME_SCALE}: median {{median:.1f}}, slowest {{slowest:.1f}}. In the {{next}} cells with a star a `hermes` command was needed, which is what
the design promises when everything else was switched off. ✗ is a cell that failed, an empty one was not run.

A world is the knobs that are in their worse position ([the emulator's page](../../tests/launchd/README.md)); - is none of them.

| letter | knob | kind | worse |
| --- | --- | --- | --- |
{{knobs}}
"""


def _unload_restarter(mac: Mac) -> None:
    mac.launchd.launchctl("bootout", f"{mac.launchd.domain}/{mac.restarter}", check=True)
    mac.launchd.wait_for("removed", mac.restarter)


def _switch_restarter_off(mac: Mac) -> None:
    mac.launchd.launchctl("disable", f"{mac.launchd.domain}/{mac.restarter}", check=True)
    _unload_restarter(mac)


def _unload_gateway(mac: Mac) -> None:
    mac.launchd.launchctl("bootout", f"{mac.launchd.domain}/{mac.gateway}", check=True)


def _disable_and_unload(mac: Mac) -> None:
    mac.launchd.launchctl("disable", f"{mac.launchd.domain}/{mac.gateway}", check=True)
    _unload_gateway(mac)


def _log_out_and_in(mac: Mac) -> None:
    mac.launchd.logout()
    mac.launchd.wait_for("domain-gone")
    mac.launchd.login()


def _kill(label: str) -> Callable[[Mac], None]:
    def kill(mac: Mac) -> None:
        mac.launchd.launchctl("kill", "KILL", f"{mac.launchd.domain}/{getattr(mac, label)}")

    return kill


def _break_the_package(mac: Mac) -> None:
    """As an update that was cut off leaves it: no driver can be imported any more, and the one that ran is gone.

    The gateway itself still can: what to do about one that cannot start is tests/e2e/test_update_on_trial.py's.
    """
    assert mac.code is not None
    (mac.code / "hermes_cli" / ONLY_A_DRIVER).write_text("def half of a")
    _kill(RESTARTER)(mac)


def _let_go(mac: Mac) -> None:
    """The first kickstart of the gateway hangs for good, later ones do not. KeepAlive may be there before any."""
    argv = ["kickstart", f"{mac.launchd.domain}/{mac.gateway}"]
    mac.until(
        lambda: mac.ever_settled() or any(one.t > mac.requested for one in mac.launchd.events("request", argv=argv)),
        "a kickstart of the gateway, or an end without one",
    )
    mac.launchd.knob(kickstart_hang_s=0)


def _pass_the_throttle(mac: Mac) -> None:
    """With launchd's clock held, the restarter's is over and the gateway's is not."""
    mac.launchd.advance(2)


def _let_go_when_throttled(mac: Mac) -> None:
    """A start of the gateway waits for a clock that stands; where a kickstart is let through it waits no longer."""
    mac.until(
        lambda: mac.launchd.events("throttled", mac.gateway) or mac.spawns(after=mac.requested),
        "a start that is throttled",
    )
    mac.launchd.knob(clock="running")


def _nothing_is_started_by_launchd(world: dict[str, Any]) -> bool:
    return bool(world["on_demand_only"])


def _no_event_is_admitted(world: dict[str, Any]) -> bool:
    return bool(world["on_demand_only"]) and world["on_demand_holds"] == "all"


_LONG_THROTTLE = """\
[gateway]
drain_timeout = 20
stop_timeout = 2
teardown_timeout = 20
start_timeout = 15
"""
_NEVER = {"kickstart_hang_effect": "never"}

NOTHING = Fault("nothing")
FAULTS = [
    Fault("watch events dropped", {"drop_watch_events": "all"}),
    Fault("restarter unloaded", before=_unload_restarter),
    Fault("restarter switched off", before=_switch_restarter_off),
    Fault("kickstart of the restarter hangs", later={"kickstart_hang_s": {RESTARTER: 100}, **_NEVER}, costs=12),
    Fault("kickstart of the restarter is late", later={"kickstart_hang_s": {RESTARTER: 10}}, costs=4),
    Fault(
        "kickstart of the gateway hangs", later={"kickstart_hang_s": {GATEWAY: 200}, **_NEVER}, after=_let_go, costs=12
    ),
    Fault("kickstart of the gateway is late", later={"kickstart_hang_s": {GATEWAY: 10}}, costs=4),
    Fault("kickstart answers 37 once", later={"kickstart_rc_once": 37, "fault_label": GATEWAY}, costs=2),
    Fault("kickstart answers 113 once", later={"kickstart_rc_once": 113, "fault_label": GATEWAY}, costs=2),
    Fault("label unloaded while draining", during=_unload_gateway, costs=3),
    Fault("bootstrap EIO three times", later={"bootstrap_eio": 3}, during=_unload_gateway, costs=4),
    Fault("slow bootout", later={"bootout_extra_delay_s": 10}, during=_unload_gateway, costs=6),
    Fault("label disabled and unloaded", during=_disable_and_unload, costs=3),
    Fault("no gui domain", {"gui_domain": "absent"}),
    Fault(
        "throttled spawn",
        {"clock": "held"},
        before=_pass_the_throttle,
        after=_let_go_when_throttled,
        config=_LONG_THROTTLE,
    ),
    Fault("print with unknown fields", later={"print_noise": "unknown fields"}),
    Fault("print reordered", later={"print_noise": "reordered"}),
    Fault("print truncated", later={"print_noise": "truncated"}, costs=4),
    Fault("logout and login", during=_log_out_and_in, next_command=_nothing_is_started_by_launchd, costs=6),
    Fault(
        "requester killed before the signal",
        strike=("kill", on_call(send.begin), "gateway restart"),
        next_command=_no_event_is_admitted,
    ),
    Fault("gateway killed while draining", during=_kill(GATEWAY)),
    Fault(
        "driver killed after its first look",
        strike=("kill", on_return(Driver._observe), "restarter"),
    ),
    Fault("restarter killed while draining", during=_kill(RESTARTER)),
    Fault("package broken by the update", during=_break_the_package, own_code=True, costs=2),
    Fault("exit handler killed", strike=("kill", on_call(run.Gateway._poke), "gateway run")),
]
