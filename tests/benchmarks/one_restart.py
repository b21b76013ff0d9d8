"""Where the time of one restart goes, phase by phase, each beside its floor: `python tests/benchmarks/one_restart.py`.

`hermes gateway restart` is typed in the terminal of the agent of an idle gateway under the embedded manager, again and
again; the phases are those of `intents show`. `--page docs/evidence/one-restart.md` writes the table. Linux.
"""

import argparse
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from bench import FULL, QUICK, Bench, python, to_end  # noqa: E402
from driver_line import spawn_after_death  # noqa: E402
from gateway_lines import restart_in_tree  # noqa: E402
from measure import TIMES, timed  # noqa: E402

from hermes_cli.system import durable  # noqa: E402

_LOOP = "import asyncio, sqlite3"
# A phase ends where the next begins. What it is spent on, and what it cannot be had without.
_SPENT = {
    "asked": (
        "the command's start, its look at the queue and the record on the disk",
        "the start of an interpreter, and a durable write",
    ),
    "requested": ("the look whether the next gateway could start (rule 10), then the signal", ""),
    "signalled": ("the gateway's loop wakes up and begins to drain", ""),
    "draining": (
        "the command waits until a driver has taken it up, answers and ends; channels and messages are closed",
        "the start of an interpreter, and two durable writes",
    ),
    "exited": ("the end of the process is seen, the next one is started", "end, pidfd wake-up, spawn"),
    "demanded": ("the interpreter and its imports, until gateway.json says starting", "import asyncio, sqlite3"),
    "starting": ("the database, the lock, the socket, gateway.json says ready", "two durable writes"),
    "ready": ("the driver sees it and settles the record", "a durable write"),
}
_HEAD = """\
# One restart, phase by phase

`python tests/benchmarks/one_restart.py --page docs/evidence/one-restart.md`, the last run: `hermes gateway restart` typed in the
agent's terminal of an idle gateway, embedded manager, medians of {count}. A floor is taken in turns with it, in the same run: what the phase
cannot be had without, done by nothing but Python's own libraries.

| phase | ms | floor, ms | ratio | what it is spent on | the floor |
| --- | ---: | ---: | ---: | --- | --- |
"""


_NOTES = """
The three largest:

- *draining*: the agent's own command is the turn that is waited for. It ends when a driver has the request (rule 12: a poke that was
  accepted is no driver), which is the start of the driver's interpreter, and then says "recorded". Its own end, the turn's and the
  channels' follow. Nothing else is waited for: a bare SIGUSR1 to an idle gateway is answered by its exit within 50 ms.
- *demanded*: a gateway is Python with asyncio and sqlite3 (the floor) and 100 modules of ours, imported before anything is served,
  since afterwards an update may have replaced them (imports before the swap).
- *asked*: an interpreter and what writes the record, without a parser.
"""


def main() -> int:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--page", help="write it there, as Markdown")
    asked = parser.parse_args()
    bench = Bench(None, QUICK if asked.quick else FULL)
    try:
        text = _page(bench)
    finally:
        bench.close()
    print(text)
    if asked.page:
        Path(asked.page).write_text(text, encoding="utf-8")
    return 0


def _page(bench: Bench) -> str:
    running = bench.installation("supervised")
    running.install()
    environment = bench.environment(str(running.home))
    place = str(bench.root / "durable")
    os.mkdir(place)

    def write() -> float:
        return timed(lambda: durable.publish(f"{place}/state.json", {"state": "ready"}))

    phases: dict[str, list[float]] = {}
    floors: dict[str, list[float]] = {
        "asked": [],
        "draining": [],
        "exited": [],
        "demanded": [],
        "starting": [],
        "ready": [],
    }
    for number in range(-2, bench.effort.restarts):
        took = restart_in_tree(bench, running)
        stamp = float((running.home / "asked").read_text(encoding="ascii"))
        shown = running.run("gateway", "intents", "show", "last", "--json").stdout
        found = json.loads(shown)["phases"]
        loop, written = to_end(python(_LOOP), environment), write()
        if number < 0:
            continue
        began = datetime.fromisoformat(found[0]["at"]).timestamp()
        phases.setdefault("asked", []).append(began - stamp)
        for one in found[:-1]:
            phases.setdefault(one["phase"], []).append(one["lasted"])
        phases.setdefault("whole", []).append(took)
        bare = to_end(python("import json, os"), environment)
        taken = (bare + written, bare + 2 * written, spawn_after_death(bench), loop, 2 * written, written)
        for name, seconds in zip(floors, taken, strict=True):
            floors[name].append(seconds)
    whole = median(phases.pop("whole")) * 1e3
    lines = [_line(name, values, floors.get(name)) for name, values in phases.items()]
    least = sum(median(values) for values in floors.values()) * 1e3
    lines.append(
        f"| from the command's start to ready | {whole:.1f} | {least:.1f} | {whole / least:.2f}{TIMES} | | all of them |"
    )
    nice = os.nice(0)
    machine = (
        f"Load {os.getloadavg()[0]:.1f}{f' of others, over whom it had priority (nice {nice})' if nice < 0 else ''}."
    )
    return _HEAD.format(count=bench.effort.restarts) + "\n".join([*lines, _NOTES, machine, ""])


def _line(name: str, values: list[float], floor: list[float] | None) -> str:
    ours = median(values) * 1e3
    spent, what = _SPENT[name]
    beside = f"{median(floor) * 1e3:.1f} | {ours / (median(floor) * 1e3):.2f}{TIMES}" if floor else " |"
    return f"| {name} | {ours:.1f} | {beside} | {spent} | {what} |"


if __name__ == "__main__":
    sys.exit(main())
