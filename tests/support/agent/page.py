"""The page that a run of the scenarios writes."""

import os
from collections.abc import Sequence
from typing import Any

from support.agent.scenarios import SCENARIOS, STAYS, Scenario, Stays

_HEAD = """\
# An unmodified hermes-agent: alone, and beside hermesctl

hermes-agent 0.19.0 as the index has it, not one byte changed, under its own definition, which stays as it is. Written by

```sh
export HERMES_RESCUE=whole HERMES_AGENT_TABLE=$PWD/docs/evidence/adopted-hermes-agent.md HERMES_RESCUE_SEEN=seen.jsonl
python -m pytest tests/rescue && HERMES_RESCUE_TIMES=10 python -m pytest tests/rescue/test_beside.py -k '2a or 7- or s1 or s9'
HERMES_RESCUE_BUSY=8 python -m pytest tests/rescue/test_beside.py
HERMES_RESCUE_IDLE=600 python -m pytest tests/rescue/test_around.py -k small
```

Real are hermes-agent, its commands, its terminal tool, its update (from a repository on the same machine), its processes and
signals, and hermesctl. Emulated are [launchd](../../tests/launchd/README.md), the answer to "is this a Mac", and the place of
the model: what a turn would run is given to the gateway by a hook of its own kind. It has no network but loopback.

"Inside" means: a child of the gateway calls its restart function, and nobody else does anything. Seconds are from the end of
the old process to the start of the new one; where the label went, from that moment.
"""
_EVERY: list[Scenario | Stays] = [*SCENARIOS, *STAYS]
_LONG = 60.0  # seconds of idling that are worth a line
_SHOULD_BE = ["| | what happens | should be | beside hermesctl |", "| --- | --- | --- | --- |"]
_STAYS = """
What a person stops stays stopped, and one end is one restart:
"""


def _fate(found: Sequence[dict[str, Any]]) -> str:
    """Return what was seen of one scenario in one world, over all its runs."""
    if not found:
        return ""
    alive = sum(one["alive"] for one in found)
    if not alive:
        return "**dead**" if len(found) == 1 else f"**dead** ({len(found)} runs)"
    spawns = sorted({one["spawns"] for one in found})
    label = [one["after_label"] for one in found if one["after_label"] is not None]
    times = label or [one["after_end"] for one in found if one["after_end"] is not None]
    parts = ["alive" if len(found) == 1 else f"alive in {alive} of {len(found)} runs"]
    if times:
        least, most = (f"{max(0.0, bound(times)):.1f}" for bound in (min, max))
        parts.append(f"{most} s" if least == most else f"{least} to {most} s")
    if spawns != [1]:
        parts.append(f"{' or '.join(map(str, spawns))} starts")
    return ", ".join(parts)


def page(seen: list[dict[str, Any]]) -> str:
    """Return the page."""

    def fate(name: str, world: str = "beside", busy: int = 0) -> str:
        return _fate([one for one in seen if _of(one) == (name, world, busy)])

    lines = [_HEAD, "| | what happens | hermes-agent alone | beside hermesctl |", "| --- | --- | --- | --- |"]
    lines += [f"| {one.name} | {one.says} | {fate(one.name, 'alone')} | {fate(one.name)} |" for one in SCENARIOS]
    lines += [_STAYS, *_SHOULD_BE]
    lines += [_row(one, fate(one.name)) for one in STAYS]
    lines += _machine([one for one in seen if not one["busy"]])
    for busy in sorted({one["busy"] for one in seen} - {0}):
        lines += [f"\nThe same, with {busy} busy loops beside it:\n", *_SHOULD_BE]
        rows = [(one, fate(one.name, busy=busy)) for one in _EVERY]
        lines += [_row(one, found) for one, found in rows if found]
        lines += _machine([one for one in seen if one["busy"] == busy])
    lines += [_resident(one) for one in seen if one["world"] == "resident" and one["seconds"] >= _LONG]
    return "\n".join([*lines, ""])


def _row(one: Scenario | Stays, found: str) -> str:
    """Return the row of what it should be, and was."""
    is_alive = one.beside if isinstance(one, Scenario) else one.alive
    return f"| {one.name} | {one.says} | {'alive' if is_alive else 'left alone'} | {found.replace('**dead**', 'left alone')} |"


def _machine(seen: list[dict[str, Any]]) -> list[str]:
    """Return the lines on where that was run."""
    loads = sorted(one["load"] for one in seen if "load" in one and one["world"] != "resident")
    if not loads:
        return []
    machine = f"{os.cpu_count()} cores, with a load of {loads[0]:.0f} to {loads[-1]:.0f} of its own"
    return ["", f"The machine: {machine}. A number of runs is each run that there was."]


def _resident(one: dict[str, Any]) -> str:
    share = 100 * one["spent"] / one["seconds"]
    return (
        f"\nOur resident restarter, idle beside it for {one['seconds']:.0f} s: {one['memory'] / 1e6:.1f} MB resident, "
        f"{share:.3f} % of a core, its looks among it."
    )


def _of(one: dict[str, Any]) -> tuple[str, str, int]:
    return one["name"], one["world"], one["busy"]
