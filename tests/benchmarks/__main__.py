"""What a restart costs, as ratios to what it cannot cost less than: `python tests/benchmarks [--quick]`.

Each line is taken in turns with its floor, in one run, so that a busy machine disturbs both. Absolute figures are
this machine's. Exit code 0 when every target is met, else 1, with the misses listed; with `--nightly` 1 when a ratio
is dearer than the one that is kept, and measured again still is. Linux only.
"""

import argparse
import os
import platform
import sys
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Bench
    from measure import Figure, Row

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE.parent / "telegram")]


def main() -> int:
    """Take the samples, print both tables; the exit code."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer samples, under a minute")
    parser.add_argument("--directory", help="where to work; on a real disk, since an fsync in memory costs nothing")
    parser.add_argument("--page", help="write it there as well, as Markdown")
    parser.add_argument("--nightly", action="store_true", help="fail if a ratio is 15 % above the one in figures.json")
    parser.add_argument("--keep", action="store_true", help="write figures.json")
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(_GROUPS)}; all when none is named")
    asked = parser.parse_args()
    unknown = set(asked.groups) - set(_GROUPS)
    if unknown or sys.platform != "linux":
        parser.error(f"no such groups: {', '.join(sorted(unknown))}" if unknown else "Linux only")

    import kept
    import reasons
    from bench import FULL, QUICK, Bench, file_system
    from measure import Figure, Row
    from table import figures, floors

    began = time.monotonic()
    bench = Bench(asked.directory, QUICK if asked.quick else FULL)
    found: list[Row | Figure] = []
    try:
        where = _where(file_system(str(bench.root)), is_checkout=bench.is_checkout)
        print(where)
        for name, group in _GROUPS.items():
            if not asked.groups or name in asked.groups:
                print(f"  {name}", file=sys.stderr, flush=True)
                measured = group(bench)
                if asked.nightly and kept.dearer(kept.ratios(measured), kept.read()):
                    measured = group(bench)  # what disturbed the one does not disturb the other, unless it is ours
                found += measured
    finally:
        bench.close()
    rows = [one for one in found if isinstance(one, Row)]
    whole = [one for one in found if isinstance(one, Figure)]
    text = f"Floors; milliseconds; * is the largest, of fewer than 100 samples\n\n{floors(rows)}\n" if rows else ""
    text += f"\nWhole processes\n\n{figures(whole)}\n" if whole else ""
    misses = [miss for one in found for miss in one.misses]
    explained = [f"{miss}\n      {why}" if (why := reasons.of(miss)) else miss for miss in misses]
    text += "\n  ".join([f"\n{len(misses)} targets missed; {time.monotonic() - began:.0f} s", *explained])
    print(f"\n{text}")
    if asked.page:
        typed = " ".join(["python tests/benchmarks", *asked.groups])
        page = f"# Cost: figures of the last run\n\n`{typed}`\n\n```\n{where}\n\n{text}\n```\n"
        Path(asked.page).write_text(page, encoding="utf-8")
    regressions = kept.dearer(kept.ratios(found), kept.read()) if asked.nightly else []
    if asked.nightly:
        print(f"\n{len(regressions)} dearer than they were", *regressions, sep="\n  ")
    if asked.keep:
        kept.write(kept.ratios(found))
    return 1 if regressions or (misses and not asked.nightly) else 0


def _where(file_system: str, *, is_checkout: bool) -> str:
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, load {load}, "
        f"{file_system}, a copy of the code, {'a git checkout' if is_checkout else 'no git checkout'}, compiled{_priority()}\n"
        "commands run as python -P -m hermes_cli, floors as python -P -c"
    )


def _priority() -> str:
    """Said where other work had to wait for what is measured: an idle machine is then not needed."""
    nice = os.nice(0)
    return f", nice {nice}" if nice < 0 else ""


def _queue(bench: "Bench") -> "list[Row | Figure]":
    import queue_lines

    return list(queue_lines.rows(bench))


def _starts(bench: "Bench") -> "list[Row | Figure]":
    import start_lines

    return list(start_lines.rows(bench))


def _requests(bench: "Bench") -> "list[Row | Figure]":
    import requester_lines

    return list(requester_lines.rows(bench))


def _driver(bench: "Bench") -> "list[Row | Figure]":
    import driver_line

    return [driver_line.row(bench)]


def _gateway(bench: "Bench") -> "list[Row | Figure]":
    import gateway_lines
    import start_lines

    ready = gateway_lines.ready_figure(bench)
    running = bench.installation("supervised")
    running.install()
    status = start_lines.status_row(bench, running)
    row, figures = gateway_lines.signalled(bench, running)
    made_of = start_lines.status_of_its_parts(bench, running)
    return [status, made_of, row, ready, *figures, gateway_lines.in_tree_figure(bench, running)]


def _list(bench: "Bench") -> "list[Row | Figure]":
    import list_lines

    return list(list_lines.rows(bench))


def _telegram(bench: "Bench") -> "list[Row | Figure]":
    import telegram_lines

    return list(telegram_lines.rows(bench))


_GROUPS: "dict[str, Callable[[Bench], list[Row | Figure]]]" = {
    "queue": _queue,
    "starts": _starts,
    "requests": _requests,
    "driver": _driver,
    "gateway": _gateway,
    "list": _list,
    "telegram": _telegram,
}

if __name__ == "__main__":
    sys.exit(main())
