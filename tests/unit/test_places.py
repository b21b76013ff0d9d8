"""Faults name code by the object, and what they name is there."""

import json
import re
from pathlib import Path

import pytest
from support import TESTS
from support.faults.places import all_of, fault, on_call, on_return

from hermes_cli.intents import request
from hermes_cli.intents.driver import Driver
from hermes_cli.services.embedded import supervisor


def test_a_place_is_the_function_as_it_is_called() -> None:
    assert str(on_return(Driver._observe)) == "after hermes_cli.intents.driver:Driver._observe"
    assert str(on_call(request.submit)) == "before hermes_cli.intents.request:submit"


def test_only_the_module_that_uses_it_can_be_meant() -> None:
    there = on_call(supervisor.make_directories, used_by=supervisor)
    assert there.where == "hermes_cli.services.embedded.supervisor:make_directories"
    with pytest.raises(AttributeError):
        on_call(Driver._observe, used_by=supervisor)


def test_a_function_is_the_moment_before_its_call() -> None:
    assert fault("kill", request.submit) == fault("kill", on_call(request.submit))
    both = all_of(fault("skip", request.submit), fault("stop", on_return(Driver.run), Path("/once"), "drive"))
    assert json.loads(both) == [
        ["skip", None, "before", "hermes_cli.intents.request:submit", ""],
        ["stop", "/once", "after", "hermes_cli.intents.driver:Driver.run", "drive"],
    ]


def test_no_test_names_code_of_ours_by_a_string() -> None:
    named = re.compile(r"""["' ]hermes_cli(\.\w+)*:[A-Za-z_][\w.]*["']|f["'](before|after) {""")
    allowed = {Path(__file__), TESTS / "support" / "releases" / "wheels.py"}  # the latter is an entry point in a wheel
    found = [
        f"{path.relative_to(TESTS)}: {line.strip()}"
        for path in sorted(TESTS.rglob("*.py"))
        if path not in allowed
        for line in path.read_text().splitlines()
        if named.search(line)
    ]
    assert not found, "support.faults.places names it by the object"
