"""Which mends the doctor carries out by itself, and in which order."""

from hermes_cli.errors import Advice, Problem
from hermes_cli.mends import said
from hermes_cli.status.fixes import safe


def test_a_supervisor_that_was_suspended_goes_on_before_anything_is_asked_of_it():
    found = [
        Problem("skew", "older code runs", "hermes gateway restart"),
        Problem("unknown", "the supervisor, pid 7, is stopped", "kill -CONT 7"),
        Problem("unknown", "the supervisor, pid 7, does not answer", Advice("kill -KILL 7")),
        Problem("other", "somebody else's idea", "kill -KILL 7"),
    ]
    commands = safe(said(one, "work") for one in found)
    assert [command[-2:] for command in commands] == [["-CONT", "7"], ["gateway", "restart"]]
