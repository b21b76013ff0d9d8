"""Cut updates off at every step, in every way, under every manager; write docs/evidence/cut-off-updates.md.

`python tests/update_table.py [--managers NAME,…] [--sources git,wheel] [--jobs N]`: real gateways, remotes, environments and
managers (launchd is the emulated one). Each cell is one update; the tables of managers that are not named stay as they
are. The exit code is 1 when one of them ends in anything but the states that are allowed.
"""

import argparse
import re
import signal
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "launchd")]

from support.faults.cut_off import UPDATER, WAYS, Step, cut_off, steps  # noqa: E402  after the path is set
from support.releases.wheels import Environment  # noqa: E402

DOCUMENT = TESTS.parent / "docs" / "evidence" / "cut-off-updates.md"
TITLES = {"git": "A git checkout", "wheel": "A wheel, installed by pip"}
MANAGERS = {"embedded": "the embedded manager", "systemd": "systemd", "launchd": "the emulated launchd"}


def ways(manager: str, source: str) -> list[str]:
    """What a table has columns for: how an updater is cut off is no matter of the manager, but for what its death leaves."""
    return list(WAYS) if (manager, source) == ("embedded", "git") else ["kill"]


def cell(template: Environment, key: tuple[str, str, Step, str]) -> str:
    """One cell's text; two asterisks mark a bad end."""
    manager, source, step, way = key
    with tempfile.TemporaryDirectory(prefix="hermes-") as folder:
        try:
            end = cut_off(Path(folder), manager, source, step, way, template)
        except Exception as error:  # noqa: BLE001  one cell must not take the others with it
            traceback.print_exc()
            end = f"**{(str(error).splitlines() or [repr(error)])[0][:80]}**"
    print(f"{manager}, {source}, {step.text}, {WAYS[way]}: {end}", flush=True)
    return end


def write(manager: str, source: str, ends: dict[tuple[str, str, Step, str], str]) -> None:
    """Replace one table of the page. The tables are its last part."""
    names = ways(manager, source)
    rows = [
        f"| {step.text} | {' | '.join(ends.get((manager, source, step, way), '') for way in names)} |"
        for step in steps(source)
    ]
    head = [f"| cut off | {' | '.join(WAYS[way] for way in names)} |", "| --- " * (len(names) + 1) + "|"]
    table = "\n".join(["", f"{TITLES[source]}, {MANAGERS[manager]}:", "", *head, *rows, ""])
    pattern = re.compile("<!-- update_table.py (.*?) -->\n(.*?)\n<!-- end -->\n*", re.DOTALL)
    text = DOCUMENT.read_text()
    tables = dict(pattern.findall(text)) | {f"{manager} {source}": table}
    order = [f"{one} {other}" for other in TITLES for one in MANAGERS]
    blocks = [f"<!-- update_table.py {name} -->\n{tables[name]}\n<!-- end -->\n" for name in order if name in tables]
    DOCUMENT.write_text("\n".join([pattern.sub("", text).rstrip(), "", *blocks]))


def main() -> int:
    """Run every cell, write the tables, and give the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--managers", type=lambda text: text.split(","), default=list(MANAGERS))
    parser.add_argument("--sources", type=lambda text: text.split(","), default=list(TITLES))
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    # Ignored in the background of a shell, or under nohup, and then inherited by who is to be struck.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    cells = [
        (manager, source, step, way)
        for manager in asked.managers
        for source in asked.sources
        for step in steps(source)
        for way in ways(manager, source)
        if way == "kill" or step.who == UPDATER
    ]
    with tempfile.TemporaryDirectory(prefix="hermes-wheels-") as folder, ThreadPoolExecutor(asked.jobs) as pool:
        template = Environment.template(Path(folder))
        ends = dict(zip(cells, pool.map(partial(cell, template), cells), strict=True))
    for manager in asked.managers:
        for source in asked.sources:
            write(manager, source, ends)
    bad = [end for end in ends.values() if "**" in end]
    print(f"{len(ends)} updates cut off, {len(bad)} ended badly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
