"""The journal of an update that cannot be read for a while: it is the only order to undo that there is."""

import errno
import os

import pytest

from hermes_cli.errors import QueueError
from hermes_cli.intents.request import new_id
from hermes_cli.jobs import restarter
from hermes_cli.update import journal
from hermes_cli.update.recovery import UpdateRecovery

ERRORS = [errno.EIO, errno.EMFILE]


@pytest.fixture
def begun(paths) -> journal.Journal:
    identifier = new_id(0.0)
    made = journal.Journal(
        journal.path_of(paths, identifier),
        identifier,
        {"kind": "git", "root": "/", "package": "/x/y"},
        "0" * 40,
        "1" * 40,
    )
    made.write()
    return made


@pytest.mark.parametrize("error", ERRORS)
def test_a_journal_that_cannot_be_read_is_not_set_aside(paths, begun, failing_open, error):
    failing_open(".json", error, 100)
    with pytest.raises(OSError, match=os.strerror(error)):
        journal.under_way(paths)
    assert os.path.exists(begun.path)


@pytest.mark.parametrize("error", ERRORS)
def test_what_can_say_nothing_of_an_update_does_not_say_that_there_is_none(paths, begun, failing_open, error):
    failing_open(".json", error, 100)
    recovery = UpdateRecovery(paths)
    for ask in (recovery.recover, recovery.change, lambda intent: recovery.put_back(intent, "it does not start")):
        with pytest.raises(OSError, match=os.strerror(error)):
            ask(begun.intent)
    recovery.ended(begun.intent, "restarted", "")
    assert os.path.exists(begun.path)


def test_a_driver_that_cannot_read_a_journal_says_so_and_is_run_again(paths, begun, failing_open, monkeypatch):
    monkeypatch.setenv("HERMES_SERVICE_MANAGER", "embedded")
    failing_open(f"{begun.intent}.json", errno.EMFILE, 100)
    with pytest.raises(QueueError, match="Too many open files"):
        restarter.drive(paths, "watch")
    assert os.path.exists(begun.path)
