"""What releases of this package change, and what tests ask of the place that they are installed in.

A `Change` is a file of the package, some of its text, and what stands there instead.
"""

from typing import Protocol

from support.machines.interpreter import Python

Change = tuple[str, str, str]
RUN = "hermes_cli/gateway/run.py"
SOUND: Change = ("hermes_cli/__init__.py", '__version__ = "', '__version__ = "9.')
CRASHES_AT_IMPORT: Change = (RUN, "import asyncio\n", "import asyncio\nraise ImportError('a bad day')\n")
DIES_AT_START: Change = (
    RUN,
    "return asyncio.run(Gateway(paths, config, query, mark, notifier, start=start).run())",
    'sys.exit("a bad start")',
)
NEEDS_EXTRA: Change = (RUN, "import asyncio\n", "import asyncio\nimport extra as _extra\n")


class Source(Protocol):
    """A checkout or an environment: where hermes is installed, and where its next release comes from."""

    interpreter: Python  # finds the package

    def release(self, *change: str, needs: tuple[str, ...] = ()) -> str:
        """Publish the next release; its revision. `change` is a Change, `needs` are requirements besides the usual ones."""

    def pull(self) -> None:
        """Install the newest release by hand, with what it needs."""

    def revision(self) -> str:
        """The one that is installed; AssertionError when it is half of each."""

    def extra(self) -> str | None:
        """The version of the package `extra` that is installed."""
