"""A release that works at first and then dies again and again goes back by itself, under every service manager.

Some combinations by default; HERMES_UPDATES=whole runs them all.
"""

import os

import pytest
from support import PATIENCE
from support.machines.installation import Installation
from support.machines.worlds import WORLDS
from support.releases.changes import Source
from support.releases.checkout import Checkout

from hermes_cli.update import journal
from hermes_cli.update.journal import Journal

RUN = "hermes_cli/gateway/run.py"
SUCCEEDED = (
    "os.path.isdir(self._paths.updates) and any(one.endswith('.json') for one in os.listdir(self._paths.updates))"
)
# Once the update has its receipt, every gateway on this release ends a second after it was ready: stay_ready is less.
DIES_LATER = (
    RUN,
    "        await self._ending.wait()\n",
    f"""        async def die():
            while not ({SUCCEEDED}):
                await asyncio.sleep(0.1)
            await asyncio.sleep(1.0)
            os._exit(9)

        self._spawn(die())
        await self._ending.wait()
""",
)
# The same, and whoever comes after it does not even become ready any more.
DIES_AND_NEVER_STARTS_AGAIN = (
    RUN,
    "        try:\n            await self._open()\n",
    f"        if {SUCCEEDED}:\n            os._exit(9)\n        try:\n            await self._open()\n",
)
CELLS = [(name, kind) for name in WORLDS for kind in ("git", "wheel")]
by_default = {("embedded", "git"), ("systemd", "wheel"), ("launchd", "git")}
each = pytest.mark.parametrize(
    ("name", "source"),
    CELLS if os.environ.get("HERMES_UPDATES") == "whole" else sorted(by_default),
    indirect=["source"],
)


def rolled_back(hermes: Installation) -> Journal:
    """The receipt of the rollback, once it is there."""

    def look() -> Journal | None:
        newest = next(journal.receipts(hermes.paths), None)
        return newest if newest is not None and newest.rolls_back else None

    return hermes.until(look, "the receipt of a rollback", PATIENCE)


def ends_well(hermes: Installation, old: str | None, bad: str) -> None:
    """The old release runs, nothing is pending, and everybody who asks is told."""
    receipt = rolled_back(hermes)
    assert (receipt.outcome, receipt.new_shown, receipt.old_shown) == ("restarted", old, bad), hermes.log()
    after = hermes.until(lambda: (now := hermes.ready()).revision == old and now, "the old release")
    assert hermes.chat("!sleep 1.5; echo alive") == "alive\n"  # longer than a gateway on the bad one lived
    assert hermes.ready().identity == after.identity
    assert hermes.pending() == []
    assert [one["code"] for one in hermes.status()["problems"]] == ["rolled-back"]
    newest, oldest = hermes.run("update", "--history").stdout.splitlines()
    assert f"{bad} → {old}" in newest
    assert ", by gateway, after 3 crashes" in newest
    assert f"{old} → {bad}" in oldest
    assert f"{bad} was rolled back (gateway, after 3 crashes)" in hermes.run("update").stdout
    assert hermes.ready().identity == after.identity


@each
def test_a_release_that_dies_after_the_update_goes_back(
    request: pytest.FixtureRequest, name: str, source: Source
) -> None:
    hermes = WORLDS[name](request, interpreter=source.interpreter).hermes
    old = hermes.install().revision
    bad = source.release(*DIES_LATER)
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr + hermes.log()
    ends_well(hermes, old, bad)
    assert source.revision() == old
    mended = source.release(RUN, DIES_LATER[2], DIES_LATER[1]) if isinstance(source, Checkout) else source.release()
    assert hermes.run("update").returncode == 0
    assert hermes.ready().revision == source.revision() == mended
    assert hermes.status()["problems"] == []


@pytest.mark.parametrize(("name", "source"), [(name, "git") for name in WORLDS], indirect=["source"])
def test_a_release_that_does_not_start_again_goes_back_although_no_gateway_lives_long_enough_to_see_it(
    request: pytest.FixtureRequest, name: str, source: Source
) -> None:
    hermes = WORLDS[name](request, interpreter=source.interpreter).hermes
    old = hermes.install().revision
    bad = source.release(*DIES_AND_NEVER_STARTS_AGAIN)
    assert hermes.run("update").returncode == 0
    hermes.until(lambda: next(journal.receipts(hermes.paths), None), "the receipt of the update")
    now = hermes.ready()
    os.kill(now.identity.pid, 9)
    ends_well(hermes, old, bad)
