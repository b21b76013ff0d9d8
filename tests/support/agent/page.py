"""The page that a run of the scenarios writes."""

from collections.abc import Sequence
from typing import Any

from support.agent.scenarios import SCENARIOS, STAYS

_HEAD = """\
# An unmodified hermes-agent: alone, and beside hermesctl

hermes-agent 0.19.0 as the index has it, not one byte changed, under its own definition, which stays as it is. Written by

```sh
HERMES_RESCUE=whole HERMES_AGENT_TABLE=$PWD/docs/evidence/adopted-hermes-agent.md python -m pytest tests/rescue
```

Real are hermes-agent, its commands, its terminal tool, its update (from a repository on the same machine), its processes and
signals, and hermesctl. Emulated are [launchd](../../tests/launchd/README.md), the answer to "is this a Mac", and the place of
the model: what a turn would run is given to the gateway by a hook of its own kind. It has no network but loopback.

"Inside" means: a child of the gateway calls its restart function, and nobody else does anything. Seconds are from the end of
the old process to the start of the new one; where the label went, from that moment.
"""
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
        parts.append(f"{max(0.0, *times):.1f} s{'' if len(times) == 1 else ' at most'}")
    if spawns != [1]:
        parts.append(f"{' or '.join(map(str, spawns))} starts")
    return ", ".join(parts)


def page(seen: list[dict[str, Any]]) -> str:
    """Return the page."""

    def of(name: str, world: str) -> list[dict[str, Any]]:
        return [one for one in seen if (one["name"], one["world"]) == (name, world)]

    lines = [_HEAD, "| | what happens | hermes-agent alone | beside hermesctl |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {one.name} | {one.says} | {_fate(of(one.name, 'alone'))} | {_fate(of(one.name, 'beside'))} |"
        for one in SCENARIOS
    ]
    lines += [_STAYS, "| | what happens | should be | beside hermesctl |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {one.name} | {one.says} | {'alive' if one.alive else 'left alone'} | {_stayed(of(one.name, 'beside'))} |"
        for one in STAYS
    ]
    busy = {one["busy"] for one in seen}
    lines += ["", f"Busy loops beside it: {' and '.join(map(str, sorted(busy)))}."]
    return "\n".join([*lines, ""])


def _stayed(found: Sequence[dict[str, Any]]) -> str:
    return _fate(found).replace("**dead**", "left alone")
