"""`/update`: outside the gateway's tree, its output in the conversation before and after the restart, once."""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support import PATIENCE
from support.faults.places import Place, fault, on_call, on_return
from support.machines.installation import Installation
from support.releases.changes import SOUND
from support.releases.checkout import Checkout

from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.conversations.updates import Updates
from hermes_cli.update import chat_job

pytestmark = pytest.mark.e2e


@pytest.fixture
def hermes(checkout: Checkout, make_installation: Callable[..., Installation]) -> Installation:
    made = make_installation(code=checkout.path)
    made.install()
    return made


def told(hermes: Installation) -> list[str]:
    """Every line that the conversation has of the update, in order."""
    query = "SELECT text FROM messages WHERE role = 'assistant' OR id LIKE 'update:%' ORDER BY seq"
    with closing(sqlite3.connect(hermes.paths.messages)) as database:
        return [line for (text,) in database.execute(query) for line in text.splitlines()]


def logged(hermes: Installation) -> list[str]:
    """What the update said, by its log."""
    lines = Path(hermes.paths.logs, "update.log").read_text().splitlines()
    return [line.split(" ", 2)[2] for line in lines]


def is_over(hermes: Installation) -> bool:
    """Whether the conversation has everything."""
    return not os.listdir(chat_job.folder(hermes.paths))


def test_the_output_comes_before_and_after_the_restart_and_each_line_once(
    hermes: Installation, checkout: Checkout
) -> None:
    before = hermes.ready()
    new = checkout.release(*SOUND)
    shown = hermes.chat("/update")
    after = hermes.ready(other_than=before)
    assert after.revision == new
    assert "fetching origin" in shown
    assert f"restarted: gateway is back as pid {after.identity.pid}" in shown
    hermes.until(lambda: is_over(hermes), "the end of the update's output")
    found = told(hermes)
    said = logged(hermes)
    assert [line for line in found if line in said] == said
    assert sum(line.startswith(f"restarted: pid {after.identity.pid}") for line in found) == 1
    assert [one.outcome for one in hermes.settled()] == ["restarted"]
    assert "out of tree" in str(hermes.settled()[0].intent.requester)


def test_options_are_those_of_the_command(hermes: Installation, checkout: Checkout) -> None:
    before = hermes.ready()
    checkout.release(*SOUND)
    assert "next release" in hermes.chat("/update --check")
    assert "No such option" in hermes.chat("/update --nonsense")
    assert "no updates yet" in hermes.chat("/update --history")
    assert "Usage: hermes update [OPTIONS]" in hermes.chat("/update --check --help")
    assert "leave --to and --pre out" in hermes.chat("/update --rollback --to v1")
    hermes.until(lambda: is_over(hermes), "the end of the update's output")
    assert hermes.ready().identity == before.identity


def test_a_gateway_that_is_killed_meanwhile_is_followed_by_one_that_delivers_everything(
    hermes: Installation, checkout: Checkout
) -> None:
    before = hermes.ready()
    new = checkout.release("hermes_cli/gateway/run.py", "_REVISION_WAIT = 0.2", "_REVISION_WAIT = 0.3")
    with hermes.start("chat", "/update") as process:
        hermes.until(lambda: "proving that" in hermes.log(), "the proof of the new code")
        os.kill(before.identity.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    hermes.until(lambda: is_over(hermes), "the end of the update's output")
    hermes.until(lambda: hermes.ready().revision == new, "the new revision")
    said = logged(hermes)
    assert [line for line in told(hermes) if line in said] == said


@pytest.mark.parametrize(
    "step",
    [
        on_call(Updates._deliver),
        on_return(Updates._deliver),
        on_call(Store.finish),
        on_return(Store.finish),
    ],
)
def test_an_instance_killed_while_it_delivers_loses_and_repeats_nothing(
    checkout: Checkout, make_installation: Callable[..., Installation], step: Place
) -> None:
    hermes = make_installation(code=checkout.path)
    struck = hermes.home / "struck"
    hermes.install(fault=fault("kill", step, struck, "gateway run"))
    new = checkout.release(*SOUND)
    hermes.run("chat", "/update")
    hermes.until(struck.exists, "the blow")  # it may come after the answer
    hermes.until(lambda: is_over(hermes), "the end of the update's output")
    hermes.until(lambda: hermes.ready().revision == new, "the new revision")
    said = logged(hermes)
    assert [line for line in told(hermes) if line in said] == said


def test_nobody_can_have_the_supervisor_run_something_else(hermes: Installation) -> None:
    from hermes_cli.errors import HermesError
    from hermes_cli.services.embedded.manager import Embedded

    with pytest.raises(HermesError, match="not a program of hermes"):
        Embedded(hermes.paths).run_outside("update", ["/bin/sh", "-c", "true"], {})
