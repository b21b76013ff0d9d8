"""Cut updates off at every step, in every way, and write what became of them into docs/update.md.

`python tests/update_table.py [--jobs N]`: real gateways, real remotes, real environments. Each cell is one update; the
exit code is 1 when one of them ends in anything but the two states that are allowed.
"""

import argparse
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS / "support"))
sys.path.insert(0, str(TESTS.parent))

from checkout import Checkout, git  # noqa: E402
from installation import SHORT_CLOCKS, Installation, end_processes_below, fault  # noqa: E402
from wheels import NEEDED, Environment, Wheels  # noqa: E402

DOCUMENT = TESTS.parent / "docs" / "update.md"
BEGIN, END = "<!-- written by tests/update_table.py -->", "<!-- end -->"
WAYS = {"kill": "SIGKILL", "int": "Ctrl-C", "hup": "closed terminal", "full": "full disk"}
SOUND = ("hermes_cli/__init__.py", '__version__ = "', '__version__ = "9.')
DIES = (
    "hermes_cli/gateway/run.py",
    "return asyncio.run(Gateway(paths, config, query, mark, notifier).run())",
    'sys.exit("a bad start")',
)
UPDATER, DRIVER, PIP = "hermes_cli update", "hermes_cli.restarter", "pip install --quiet"


class Step(NamedTuple):
    """`when` and `where` as tests/faults names them; `who` is cut off."""

    text: str
    when: str
    where: str
    who: str = UPDATER
    broken: bool = False  # the release proves to be sound and does not start


def steps(source: str) -> list[Step]:
    """The steps of an update, in their order."""
    package = f"hermes_cli.update.sources.{'checkout:GitSource' if source == 'git' else 'wheel:WheelSource'}"
    found = [
        Step("before anything is written", "before", "hermes_cli.restarter_copy:keep"),
        Step("the restarter's copy is made", "after", "hermes_cli.restarter_copy:keep"),
        Step("the journal is written", "after", "hermes_cli.update.journal:Journal.write"),
        Step("the intent is recorded", "after", "hermes_cli.intents.request:submit"),
        Step("before the code changes", "before", f"{package}.change"),
        Step("the code has changed", "after", f"{package}.change"),
        Step("while it is proven", "before", "hermes_cli.update.preflight:failure"),
        Step("it is proven", "after", "hermes_cli.update.change:apply"),
        Step("before the gateway is signalled", "before", "hermes_cli.requester:begin"),
        Step("while the outcome is awaited", "after", "hermes_cli.requester:begin"),
        Step("the driver, before the outcome", "before", "hermes_cli.intents.queue:settle", DRIVER),
        Step("the driver, after the outcome", "after", "hermes_cli.intents.queue:settle", DRIVER),
        Step("a bad release: before the old code is back", "before", f"{package}.put_back", DRIVER, broken=True),
        Step("a bad release: after the old code is back", "after", f"{package}.put_back", DRIVER, broken=True),
        Step("a bad release: before the outcome", "before", "hermes_cli.intents.queue:settle", DRIVER, broken=True),
    ]
    if source == "wheel":
        uninstall = "pip._internal.req.req_install:InstallRequirement.uninstall"
        install = "pip._internal.operations.install.wheel:_install_wheel"
        found[5:5] = [
            Step("pip, the old files are moved away", "after", uninstall, PIP),
            Step("pip, the new files are there", "after", install, PIP),
        ]
    return found


def cut_off(source: str, step: Step, way: str, template: Environment) -> str:
    """One update that is cut off; the state that it ends in."""
    with tempfile.TemporaryDirectory(prefix="hermes-") as name:
        folder = Path(name)
        try:
            return _cut_off(folder, source, step, way, template)
        except AssertionError as error:
            return f"**{str(error).splitlines()[0][:80]}**"
        finally:
            end_processes_below(folder)


def _cut_off(folder: Path, source: str, step: Step, way: str, template: Environment) -> str:
    release = DIES if step.broken else SOUND
    if source == "git":
        checkout = Checkout(folder / "git")
        hermes = Installation(folder / "home", code=checkout.path)
    else:
        wheels = Wheels(folder / "wheels")
        for path in template.wheels.folder.iterdir():
            (wheels.folder / path.name).hardlink_to(path)
        environment = template.copy(folder / "environment", wheels)
        links = SHORT_CLOCKS.replace("[update]\n", f'[update]\nfind_links = "{wheels.folder}"\n')
        hermes = Installation(folder / "home", code=None, config=links, python=environment.python)
    struck = folder / "struck"
    strike = fault(way, step.where, step.when, struck, step.who)
    before = hermes.install(fault=strike if step.who == DRIVER else None)
    if source == "git":
        checkout.release(*release)
    else:
        wheels.release("9.1", *([release] if step.broken else []))
    since = time.monotonic()
    hermes.run("update", fault=None if step.who == DRIVER else strike)
    assert struck.exists(), "it was not cut off"
    hermes.until(lambda: not hermes.pending(), "an empty queue")
    under_way = Path(hermes.paths.updates_under_way)
    hermes.until(lambda: not under_way.exists() or not any(under_way.iterdir()), "no journal")
    after = hermes.ready()
    took = time.monotonic() - since
    if source == "git":
        installed = checkout.revision()
        assert checkout.changes() == "", "a mixture"
        is_new = installed == git(checkout.author, "rev-parse", "--short=12", "HEAD")
    else:
        (installed,) = environment.version()
        is_new = installed == "9.1"
    assert after.revision == installed, f"the gateway runs {after.revision}, installed is {installed}"
    same = after.identity == before.identity
    if step.broken:
        assert not is_new, "the bad release is installed"
        return f"old code, restarted, failed ({took:.0f} s)"
    assert is_new != same, "new code without a restart" if is_new else "old code, and a restart"
    return f"{'new code, restarted' if is_new else 'old code, untouched'} ({took:.0f} s)"


def main() -> int:
    """Run every cell, write the table, and give the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory(prefix="hermes-wheels-") as name:
        wheels = Wheels(Path(name) / "wheels")
        for one in NEEDED:
            wheels.repack(one)
        wheels.release("1.0")
        template = Environment.make(Path(name) / "environment", wheels)
        template.pip("install", "hermes-cli")
        cells = [
            (source, step, way)
            for source in ("git", "wheel")
            for step in steps(source)
            for way in WAYS
            if way == "kill" or (step.who == UPDATER and source == "git")
        ]
        with ThreadPoolExecutor(jobs) as pool:
            ends = dict(zip(cells, pool.map(lambda cell: cut_off(*cell, template), cells), strict=True))
    lines = []
    for source, title in (("git", "A git checkout"), ("wheel", "A wheel, installed by pip")):
        ways = list(WAYS) if source == "git" else ["kill"]
        lines += [
            f"\n{title}:\n",
            f"| cut off | {' | '.join(WAYS[way] for way in ways)} |",
            "| --- " * (len(ways) + 1) + "|",
        ]
        for step in steps(source):
            found = [ends.get((source, step, way), "") for way in ways]
            lines.append(f"| {step.text} | {' | '.join(found)} |")
    text = DOCUMENT.read_text()
    table = "\n".join(lines)
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table}\n\n{END}", text, flags=re.DOTALL))
    bad = [end for end in ends.values() if "**" in end]
    print(f"{len(ends)} updates cut off, {len(bad)} ended badly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
