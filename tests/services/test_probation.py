"""A release that works at first and then dies again and again goes back by itself, under every service manager.

Some combinations by default; HERMES_UPDATES=whole runs them all.
"""

import os

import pytest
from support import PATIENCE
from support.machines.installation import Installation
from support.machines.worlds import WORLDS
from support.releases.changes import DIES_LATER, NEVER_STARTS_AGAIN, Source
from support.releases.checkout import Checkout

from hermes_cli.update import journal
from hermes_cli.update.journal import Journal

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
    mended = (
        source.release(DIES_LATER[0], DIES_LATER[2], DIES_LATER[1])
        if isinstance(source, Checkout)
        else source.release()
    )
    assert hermes.run("update").returncode == 0
    assert hermes.ready().revision == source.revision() == mended
    assert hermes.status()["problems"] == []


@pytest.mark.parametrize(("name", "source"), [(name, "git") for name in WORLDS], indirect=["source"])
def test_a_release_that_does_not_start_again_goes_back_although_no_gateway_lives_long_enough_to_see_it(
    request: pytest.FixtureRequest, name: str, source: Source
) -> None:
    hermes = WORLDS[name](request, interpreter=source.interpreter).hermes
    old = hermes.install().revision
    bad = source.release(*NEVER_STARTS_AGAIN)
    assert hermes.run("update").returncode == 0
    hermes.until(lambda: next(journal.receipts(hermes.paths), None), "the receipt of the update")
    now = hermes.ready()
    os.kill(now.identity.pid, 9)
    ends_well(hermes, old, bad)
