"""How cost grows with size, as a table and a picture: `python tests/benchmarks/scale.py [--page docs/evidence/scale.md]`.

The curves are kept in a file, so that a run may be one of them at a time. Linux; `profiles` needs systemd and root.
"""

import argparse
import json
import math
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE.parent / "launchd")]

from bench import FULL, Bench  # noqa: E402
from scale_lines import CURVES, curves  # noqa: E402

_HEAD = """\
# Scale: how cost grows

`python tests/benchmarks/scale.py --page docs/evidence/scale.md`, the last run. A line that should be flat is marked; both axes of
the picture are logarithmic, so a line that rises by one step for each step is one that grows in proportion.

![the curves](scale.svg)
"""
_GROWN = 3.0  # times, from the smallest size to the largest, beyond which what should be flat is not


def main() -> int:
    """Measure, write the page; exit code 1 when what should be flat is not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--directory", help="where to work; on a real disk")
    parser.add_argument("--kept", help="a file: curves of earlier runs, and of this one")
    parser.add_argument("--page", help="write it there, as Markdown, and the picture beside it")
    parser.add_argument("curves", nargs="*", help=f"of {', '.join(CURVES)}; all when none is named")
    asked = parser.parse_args()
    if unknown := set(asked.curves) - set(CURVES):
        parser.error(f"no such curves: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends
    found: dict[str, Any] = {}
    if asked.kept and Path(asked.kept).exists():
        found = json.loads(Path(asked.kept).read_text(encoding="utf-8"))
    for name in asked.curves or CURVES:
        bench = Bench(asked.directory, FULL)
        began = time.monotonic()
        try:
            (curve,) = curves(bench, [name], quick=asked.quick)
        finally:
            bench.close()
        found[name] = json.loads(json.dumps(asdict(curve)))
        print(f"{name}: {time.monotonic() - began:.0f} s", *_table(found[name]), sep="\n", flush=True)
        if asked.kept:
            Path(asked.kept).write_text(json.dumps(found, indent=1), encoding="utf-8")
    if asked.page:
        page = Path(asked.page)
        page.write_text(_page(found, page), encoding="utf-8")
        page.with_suffix(".svg").write_text(picture(found), encoding="utf-8")
    risen = [line for curve in found.values() for line in grown(curve)]
    print(*risen, sep="\n")
    return 1 if risen else 0


def grown(curve: dict[str, Any]) -> list[str]:
    """What should be flat and is not."""
    points = list(curve["points"].values())
    return [
        f"{curve['name']}: {name} grows from {points[0][name]:.2f} to {points[-1][name]:.2f}"
        for name in curve["flat"]
        if points[-1][name] > max(points[0][name] * _GROWN, points[0][name] + 1.0)
    ]


def _page(found: dict[str, Any], page: Path) -> str:
    """The head and the tables; what stands below the last marker is a person's, and stays."""
    marker = "<!-- written by hand -->"
    kept = page.read_text(encoding="utf-8").partition(marker)[2] if page.exists() else "\n"
    nice = os.nice(0)
    machine = (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}{f' of others, over whom it had priority (nice {nice})' if nice < 0 else ''}."
    )
    tables = [
        line for name in CURVES if name in found for line in ("", f"## {found[name]['name']}", "", *_table(found[name]))
    ]
    return "\n".join([_HEAD, machine, *tables, "", marker]) + kept


def _table(curve: dict[str, Any]) -> list[str]:
    names = list(next(iter(curve["points"].values())))
    heads = [f"{name}{' (flat)' if name in curve['flat'] else ''}" for name in names]
    lines = [f"| {curve['name']} | {' | '.join(heads)} |", f"| ---: |{' ---: |' * len(names)}"]
    return lines + [
        f"| {int(size):,} | {' | '.join(_value(point[name]) for name in names)} |"
        for size, point in curve["points"].items()
    ]


def _value(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


# --- the picture

_WIDTH, _HEIGHT, _LEFT, _TOP = 380, 220, 55, 30
_COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#566573", "#117a65", "#7b241c")


def picture(found: dict[str, Any]) -> str:
    """A plot for each curve, two in a row."""
    plots = [_plot(found[name]) for name in CURVES if name in found]
    across, down = _WIDTH + 260, _HEIGHT + 70
    rows = math.ceil(len(plots) / 2)
    placed = [
        f'<g transform="translate({number % 2 * across} {number // 2 * down})">{plot}</g>'
        for number, plot in enumerate(plots)
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * across} {rows * down}" '
        'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
    )
    return "\n".join([head, *placed, "</svg>", ""])


def _plot(curve: dict[str, Any]) -> str:
    sizes = [int(size) for size in curve["points"]]
    points = list(curve["points"].values())
    values = [max(value, 0.01) for point in points for value in point.values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(size: float) -> float:
        return _LEFT + (math.log10(size) - first) / ((last - first) or 1) * (_WIDTH - _LEFT)

    def y(value: float) -> float:
        return _TOP + (high - math.log10(max(value, 0.01))) / ((high - low) or 1) * (_HEIGHT - _TOP)

    parts = [f'<text x="{_LEFT}" y="16" font-weight="bold">{curve["name"]}</text>']
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts.append(f'<path d="M{_LEFT} {at:.1f}H{_WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    parts += [f'<text x="{x(size):.1f}" y="{_HEIGHT + 16}" text-anchor="middle">{size:,}</text>' for size in sizes]
    for number, name in enumerate(points[0]):
        colour, dash = _COLOURS[number % len(_COLOURS)], "" if name in curve["flat"] else ' stroke-dasharray="4 3"'
        line = " ".join(f"{x(size):.1f},{y(point[name]):.1f}" for size, point in zip(sizes, points, strict=True))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
        parts.append(
            f'<text x="{_WIDTH + 10}" y="{_TOP + 10 + 16 * number}" fill="{colour}">{_plain(name, curve["flat"])}</text>'
        )
    return "".join(parts)


def _plain(name: str, flat: Sequence[str]) -> str:
    text = name.replace("`", "").replace("&", "&amp;").replace("<", "&lt;")
    return f"{text} (flat)" if name in flat else text


if __name__ == "__main__":
    sys.exit(main())
