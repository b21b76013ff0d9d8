"""Ours beside an unmodified hermes-agent 0.19, in one run on one machine: `python tests/benchmarks/side_by_side.py`.

Each question is asked of both in turns, ten times. The answers are kept in a file, so that a run may be one group of
questions at a time; what is there is written as a page, and in short into the README. Linux with systemd, as root.
"""

import argparse
import json
import os
import platform
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE.parent / "launchd"), str(HERE.parent / "telegram")]

import side_lines  # noqa: E402
from bench import FULL, Bench  # noqa: E402
from side_lines import Line  # noqa: E402
from support.agent.apart import apart  # noqa: E402

GROUPS: dict[str, Callable[[Bench, int], Iterator[Line]]] = {
    "foreground": side_lines.foreground,
    "systemd": side_lines.systemd,
    "launchd": side_lines.launchd,
    "update": side_lines.update,
    "beside": side_lines.beside,
    "telegram": side_lines.telegram,
}
_HEAD = """\
# Side by side with hermes-agent 0.19

hermes-agent 0.19.0 as the index has it, not one byte changed, with its own definition and its own commands, and hermes:
both idle, with no channel but where Telegram is named, on one machine in one run, in turns. Written by

```sh
python tests/benchmarks/side_by_side.py
```

systemd is a real user manager for each; launchd is [emulated](../../tests/launchd/README.md), in its normal mode, and owes
nobody a throttle. "Ready" is what each one's own file says. Median and p99 (of fewer than 100 samples the largest) of
at least {times} each. Each has its bytecode.
"""
_NOTES = """
- *exit 75 → ready, systemd*: a signal by hand has no driver, so ours waits for `RestartSec=1` of its unit. A restart that hermes
  was asked for does not: the lines below it.
- *CPU at rest*: the gateway of hermes-agent alone, and the same gateway while it is adopted, over a minute each.
- *one restart at a time*: hermes-agent counts its starts and puts the sixth within some minutes off, for 10 s and more. Its
  count is emptied before each sample: this is what one restart costs, not the sixth.
- *Telegram*: an [emulated Bot API](../../tests/telegram/README.md) for each (hermes-agent's own setting `extra.base_url`), and a
  model that says one word. The next process of hermes-agent is started by the benchmark in the moment in which the old one
  ends, ours by its own supervisor. The exit of hermes-agent makes one more poll, which the server holds for 3 s if the one
  before was not longer ago.
- *on-demand-only*: in that mode of launchd hermes-agent alone stays dead; see
  [adopted hermes-agent](adopted-hermes-agent.md). Here it gets SIGUSR1, as its own commands send it.
"""
_SHORT = (
    "`gateway status`",
    "`gateway run`, until it is ready",
    "memory at rest",
    "SIGUSR1 → exit 75, systemd",
    "exit 75 → ready, systemd",
    "exit 75 → ready, launchd",
    "`gateway restart` in a shell, systemd: → fresh and ready",
    "`gateway restart` in a shell, launchd: → fresh and ready",
    "update of a checkout: → fresh and ready",
)


def main() -> int:
    """Take the samples of the groups, write the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--directory", help="where to work; on a real disk")
    parser.add_argument("--kept", help="a file: what earlier runs of other groups found, and what this one finds")
    parser.add_argument("--page", help="write it there, as Markdown")
    parser.add_argument("--readme", help="and in short into this file")
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(GROUPS)}; all when none is named")
    asked = parser.parse_args()
    if unknown := set(asked.groups) - set(GROUPS):
        parser.error(f"no such groups: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends
    found: dict[str, Any] = {}
    if asked.kept and Path(asked.kept).exists():
        found = json.loads(Path(asked.kept).read_text(encoding="utf-8"))
    for name, group in GROUPS.items():
        if asked.groups and name not in asked.groups:
            continue
        bench = Bench(asked.directory, FULL)
        before, began = os.getloadavg()[0], time.monotonic()
        try:
            with apart(updates=name == "update"):
                lines = [asdict(one) for one in group(bench, asked.times)]
        finally:
            bench.close()
        found[name] = {"lines": lines, "load": before, "took": time.monotonic() - began, "times": asked.times}
        print(f"{name}: {found[name]['took']:.0f} s, load {before:.1f}", *_table(lines), sep="\n", flush=True)
        if asked.kept:
            Path(asked.kept).write_text(json.dumps(found, indent=1), encoding="utf-8")
    if asked.page:
        Path(asked.page).write_text(page(found), encoding="utf-8")
    if asked.readme:
        write_short(Path(asked.readme), found)
    return 0


def page(found: dict[str, Any]) -> str:
    """The whole of it."""
    times = min(one["times"] for one in found.values())
    lines = [line for name in GROUPS for line in found.get(name, {"lines": []})["lines"]]
    loads = [one["load"] for one in found.values()]
    took = sum(one["took"] for one in found.values())
    nice = os.nice(0)
    priority = f", over which both had priority (nice {nice})" if nice < 0 else ""
    machine = (
        f"The machine: {os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}, a load of "
        f"{min(loads):.1f} to {max(loads):.1f} when a group of questions began{priority}; {took:.0f} s in all."
    )
    return "\n".join([_HEAD.format(times=times), *_table(lines), _NOTES, machine, ""])


def write_short(readme: Path, found: dict[str, Any]) -> None:
    """Replace the table between the README's markers."""
    lines = {line["name"]: line for one in found.values() for line in one["lines"]}
    rows = ["| | hermes-agent 0.19 | hermes | |", "| --- | ---: | ---: | ---: |"]
    for name in _SHORT:
        line = lines[name]
        there, here = median(line["theirs"]), median(line["ours"])
        values = (_value(there, line["unit"]), _value(here, line["unit"]), f"{there / here:.1f}\N{MULTIPLICATION SIGN}")
        rows.append(f"| {' | '.join((name, *values))} |")
    text = readme.read_text(encoding="utf-8")
    table = "\n".join(["<!-- side by side -->", *rows, "<!-- /side by side -->"])
    changed, count = re.subn(
        "<!-- side by side -->.*?<!-- /side by side -->", lambda _: table, text, count=1, flags=re.DOTALL
    )
    assert count == 1, f"{readme} has no markers"
    readme.write_text(changed, encoding="utf-8")


def _table(lines: Sequence[dict[str, Any]]) -> list[str]:
    head = ["| | hermes-agent 0.19 | p99 | hermes | p99 | ratio |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    return [*head, *map(_row, lines)]


def _row(line: dict[str, Any]) -> str:
    cells = [line["name"]]
    for values in (line["theirs"], line["ours"]):
        cells += [_value(one, line["unit"]) if values else "" for one in (median(values or [0]), max(values or [0]))]
    is_both = line["theirs"] and median(line["ours"])
    ratio = f"{median(line['theirs']) / median(line['ours']):.1f}\N{MULTIPLICATION SIGN}" if is_both else ""
    return f"| {' | '.join([*cells, ratio])} |"


def _value(value: float, unit: str) -> str:
    if unit == "ms" and value >= 1000:
        return f"{value / 1e3:.1f} s"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


if __name__ == "__main__":
    sys.exit(main())
