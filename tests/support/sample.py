"""Which cells of a parametrized test .ci/run takes (`pytest --sampled`); with HERMES_PROOF=full it takes all.

A cell on real processes costs seconds of both cores: 1,700 of them took 36 minutes. Every *function* runs each time, in
as many of its cells as stand here, spread over the table from a place that differs from one function to the next, so that
functions which run under three service managers do so in turns. The choice is the same in every run.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

# Where a test lies, by the longest beginning that fits → how many cells.
CELLS = {
    "adopted": 1,
    "e2e": 1,
    "e2e/launchd/test_matrix.py::test_the_gateway_comes_back": 12,
    "e2e/test_the_report.py": 3,
    "gateway": 4,
    "launchd": 4,
    "macos": 1,
    "processes": 3,
    "proof": 2,
    "proof/test_crash_states.py": 5,
    "proof/test_gateway_refused_every_call.py": 5,
    "rescue": 1,
    "services": 1,
    "services/test_conformance.py": 2,
    "services/test_spoiled_files.py": 4,
    "update": 1,
}
WHERE_EACH_IS_ONE_TEST = 1000  # elsewhere cells are cheap, or each is a behaviour of its own


def kept(name: str, cells: Sequence[Item]) -> Iterable[Item]:
    """Return the cells of the function called `name` ("folder/test_x.py::test_y") that a sampled run takes."""
    few = max((place for place in CELLS if name.startswith(place)), key=len, default="")
    count = CELLS.get(few, WHERE_EACH_IS_ONE_TEST)
    total = len(cells)
    if total <= count:
        return cells
    first = zlib.crc32(name.encode()) % total
    return [cells[(first + number * total // count) % total] for number in range(count)]
