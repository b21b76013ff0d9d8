"""The ratios of an earlier run, kept in the repository. A line that has become dearer by more than a seventh is a regression.

Ratios, since seconds are a machine's. Each is of the medians of samples that were taken in turns with their floor.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from measure import TIMES, Figure, Row

FIGURES = Path(__file__).with_name("figures.json")
TOLERATED = 1.15


def ratios(found: "Iterable[Row | Figure]") -> dict[str, float]:
    """Each line that has a floor, by its name."""
    return {one.name.strip(): round(one.ratio, 3) for one in found if one.ratio is not None}


def read() -> dict[str, float]:
    """What is kept."""
    kept: dict[str, float] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return kept


def write(found: Mapping[str, float]) -> None:
    """Keep these; lines that were not measured stay as they are."""
    before = read() if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps({**before, **found}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def dearer(now: Mapping[str, float], kept: Mapping[str, float]) -> list[str]:
    """A line for each that costs more than is tolerated, with both numbers."""
    return [
        f"{name}: {ratio:.2f}{TIMES} its floor, and {kept[name]:.2f}{TIMES} in {FIGURES.name}"
        for name, ratio in now.items()
        if name in kept and ratio > kept[name] * TOLERATED
    ]
