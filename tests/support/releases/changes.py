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
    "lambda config, given: Gateway(paths, config, given),",
    "lambda *_: __import__('sys').exit('a bad start'),",
)
DIES_IN_ONE_PROFILE: Change = (
    RUN,
    "lambda config, given: Gateway(paths, config, given),",
    "lambda config, given: Gateway(paths, config, given) if paths.profile != 'middle' else __import__('sys').exit(1),",
)
# What an update leaves when it has ended well: a receipt.
_SUCCEEDED = 'os.path.isdir(self._paths.updates) and any(".json" in name for name in os.listdir(self._paths.updates))'
# Once the update has its receipt, every gateway on this release ends a second after it was ready: stay_ready is less.
DIES_LATER: Change = (
    RUN,
    "            await self._ending.wait()\n",
    f"""\
            async def die():
                while not ({_SUCCEEDED}):
                    await asyncio.sleep(0.1)
                await asyncio.sleep(1.0)
                os._exit(9)

            self._spawn(die())
            await self._ending.wait()
""",
)
# Once the update has its receipt, no gateway on this release becomes ready.
NEVER_STARTS_AGAIN: Change = (
    RUN,
    "        await self._open()\n",
    f"        if {_SUCCEEDED}:\n            os._exit(9)\n        await self._open()\n",
)
# It dies when a driver has noted that it saw this very process ready: one that was never seen ready was not ready.
DIES_WHEN_SEEN_READY: Change = (
    RUN,
    "            await self._ending.wait()\n",
    """\
            import glob

            def is_noted() -> bool:
                for place in glob.glob(glob.escape(self._paths.intents) + "/progress/*.json"):
                    try:
                        with open(place, encoding="utf-8") as note:
                            if f'"ready_pid": {os.getpid()},' in note.read():
                                return True
                    except FileNotFoundError:
                        continue
                return False

            while not is_noted():
                await asyncio.sleep(0.01)
            os._exit(9)
""",
)
IS_NEVER_READY: Change = (RUN, "        self._lifecycle.ready()\n", "        pass\n")
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
