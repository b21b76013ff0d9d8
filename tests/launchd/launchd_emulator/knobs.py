"""The knobs: all the ways in which the emulator can behave otherwise. The first value named is the default.

A value that counts ("the next N") goes down as it strikes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

INFINITE = float("inf")
_CHOICES: dict[str, tuple[object, ...]] = {
    "clock": ("running", "held"),
    "watch_while_running": ("coalesce", "drop"),
    "watch_depth": ("children", "subtree"),
    "watch_missing": ("fires", "never"),
    "bootout_client_blocks": ("path", "label", "both", "neither"),
    "bootout_rc": (0, 36, 37, 5),
    "second_bootout_rc": (36, 5, 37, 0),
    "on_demand_holds": ("all", "keepalive+load"),
    "kickstart_throttle": ("block", "bypass", "fail"),
    "kickstart_hang_effect": ("done-late", "never"),
    "kickstart_rc_once": (None, 5, 37, 113, 125),
    "coalition_kill": ("off", "bootout", "bootout+kickstart"),
    "group_kill_signal": ("TERM", "KILL", "none"),
    "print_noise": ("none", "unknown fields", "reordered", "truncated"),
}
_WORDS: dict[str, tuple[str, ...]] = {
    "drop_watch_events": ("all",),
    "bootstrap_eio": ("always",),
    "spawn_fail": ("remove",),
    "gui_domain": ("present", "absent", "tearing_down"),
}


@dataclass(frozen=True)
class Knobs:
    """The behaviour of one launchd. Durations are in launchd's seconds, before `time_scale`."""

    clock: str = "running"
    time_scale: float = 1.0  # multiplies every duration; 0.1 makes ten seconds last one
    exit_timeout_scale: float | None = None  # instead of it for ExitTimeOut, the time that a job has for its end
    fault_label: str | None = None  # the faults that strike a call or an event strike only this label
    # path events
    fs_latency_ms: float | tuple[float, float] = (500, 1500)  # one value, or a range to draw from
    watch_while_running: str = "coalesce"
    drop_watch_events: int | str = 0  # the next N events (a burst is one), or "all"
    spurious_watch_events: int = 0  # so many events without a change, for each watching job
    watch_depth: str = "children"
    watch_missing: str = "fires"  # a path that was missing at load, when it appears
    # bootout, bootstrap
    bootout_client_blocks: str = "path"  # the form whose client waits for the old process
    bootout_rc: int = 0  # of a bootout that has a process to wait for
    second_bootout_rc: int = 36  # of a bootout in mid-teardown
    bootout_extra_delay_s: float = 0  # how long the row outlives the process
    bootstrap_eio: int | str = 0  # the next N, or "always"
    bootstrap_no_spawn: int = 0  # the next N load, answer 0, and start nothing
    plain_errors: bool = False  # 5 instead of 109, 110, 111, 122, 134, as callers other than root often see
    # starts
    on_demand_only: bool | float = False  # True, or for so many seconds
    on_demand_holds: str = "all"
    keepalive_deferral_s: float = 0
    kickstart_throttle: str = "block"
    kickstart_hang_s: float | Mapping[str, float] = 0  # of every label, or {label: seconds}
    kickstart_hang_effect: str = "done-late"
    kickstart_rc_once: int | None = None
    spawn_fail: int | str = 0  # the next N exit 78 before their program, or "remove": the next one, and the job with it
    # ends
    coalition_kill: str = "off"
    group_kill_signal: str = "TERM"
    # the domain and its answers
    gui_domain: str | float = "present"  # or after so many seconds
    disabled_db: Mapping[str, bool] = field(default_factory=dict)  # overrides of the gui domain: label → disabled
    print_noise: str = "none"
    launchctl_latency_ms: float = 20

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: {getattr(self, name)!r} is none of {choices}")
        for name, words in _WORDS.items():
            value = getattr(self, name)
            if isinstance(value, str) and value not in words:
                raise ValueError(f"{name}: {value!r} is neither a number nor one of {words}")
        for name in ("time_scale", "exit_timeout_scale"):
            value = getattr(self, name)
            if value is not None and not 0 < value < INFINITE:
                raise ValueError(f"{name}: {value!r} is no number above 0")

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the knobs that `to_json` wrote."""
        return cls().changed(json.loads(text))

    def to_json(self) -> str:
        """Return the knobs as one line."""
        return json.dumps(asdict(self))

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return a copy with these changes. Raises ValueError for a knob or a value that does not exist."""
        known = {one.name for one in fields(self)}
        if unknown := sorted(set(changes) - known):
            raise ValueError(f"no such knob: {', '.join(unknown)}")
        return replace(self, **{name: _plain(value) for name, value in changes.items()})

    def hits(self, label: str) -> bool:
        """Return whether a fault may strike this label."""
        return self.fault_label in {None, label}

    def hang_of(self, label: str) -> float:
        """Return how long a kickstart of this label hangs."""
        if isinstance(self.kickstart_hang_s, Mapping):
            return self.kickstart_hang_s.get(label, 0)
        return self.kickstart_hang_s if self.hits(label) else 0


def _plain(value: Any) -> Any:
    """Return a value read from JSON, which knows no tuples and no infinity that all could read."""
    if value == "infinite":
        return INFINITE
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return tuple(value) if isinstance(value, list) else value
