"""Commands from spawn to exit, against the interpreter with the imports that no such command can do without."""

import sys
from collections.abc import Iterator

from bench import Bench, hermes, python, to_end
from measure import Limits, Row, interleave
from support.machines.installation import Installation

from hermes_cli.intents.request import make_directories

CLICK = "import click"
# What `status` is made of, without any of it: as many value classes as it has, of as many fields, and the libraries it needs.
_PARTS = """\
import click, json, subprocess, shlex, socket, dataclasses, typing
for fields in (2, 4, 9, 10, 16):
    dataclasses.make_dataclass("Value", [f"f{number}" for number in range(fields)], frozen=True, slots=True)
for fields in (*[2] * 7, *[3] * 9, *[4] * 4, *[5] * 4, *[6] * 3, *[7] * 2, *[8] * 4, 10, 11, 11, 15, 18, 33):
    typing.NamedTuple("Value", [(f"f{number}", int) for number in range(fields)])
"""


def rows(bench: Bench) -> Iterator[Row]:
    """The requester's imports, an idle driver, --help, --version."""
    paths = bench.paths("starts")
    make_directories(paths.intents)
    home = paths.state.removesuffix("/state")
    writer = python("import hermes_cli.intents.request")
    yield _row(bench, home, "import of the write path", writer, "import json,os,time,fcntl", ratio=1.15)
    driver = [sys.executable, "-P", "-m", "hermes_cli.restarter", "--trigger", "watch"]
    yield _row(bench, home, "driver, empty queue", driver, "import json,os", ratio=1.5)
    yield _row(bench, home, "hermes --help", hermes("--help"), CLICK, ratio=1.3)
    yield _row(bench, home, "hermes --version", hermes("--version"), CLICK, ratio=1.3)


def status_row(bench: Bench, running: Installation) -> Row:
    """`status` of a running, supervised gateway: it asks the supervisor, and git for the installed revision."""
    return _row(bench, str(running.home), "hermes gateway status", hermes("gateway", "status"), CLICK, ratio=1.5)


def status_of_its_parts(bench: Bench, running: Installation) -> Row:
    """The same beside the libraries and the value classes that it cannot do without."""
    environment = bench.environment(str(running.home))
    floor, ours = interleave(
        bench.effort.starts,
        (lambda: to_end(python(_PARTS), environment), lambda: to_end(hermes("gateway", "status"), environment)),
    )
    return Row("  of what it is made of", "click, json, subprocess, 44 value classes", floor, ours, Limits(ratio=1.5))


def _row(bench: Bench, home: str, name: str, argv: list[str], modules: str, *, ratio: float) -> Row:
    environment = bench.environment(home)
    floor, ours = interleave(
        bench.effort.starts,
        (lambda: to_end(python(modules), environment), lambda: to_end(argv, environment)),
    )
    return Row(name, f"python -c {modules!r}", floor, ours, Limits(ratio=ratio))
