"""The line that service managers write is understood without a parser, and exactly as the parser understands it."""

import itertools

import pytest

from hermes_cli.cli.gateway import run
from hermes_cli.cli.line import profile_of
from hermes_cli.gateway import start
from hermes_cli.installation import entry_points

OPTIONS = ("--supervise", "--background", "--resume", "--stay")
WRITTEN = [
    entry_points.gateway(profile, *options)
    for profile in ("default", "-p")
    for count in range(len(OPTIONS) + 1)
    for options in itertools.combinations(OPTIONS, count)
]


@pytest.mark.parametrize("argv", [pytest.param(one, id=" ".join(one[4:])) for one in WRITTEN])
def test_what_is_written_is_understood_as_the_parser_does(argv):
    _, _, _, module, *arguments = argv
    assert module == entry_points.HERMES
    profile, words = profile_of(arguments)
    assert words[:2] == ["gateway", "run"]
    by_click = run.make_context("run", words[2:]).params
    assert by_click.pop("check") is False
    assert start.parsed(arguments) == (profile, by_click)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "gateway run",
        "-p work",
        "-p work gateway",
        "-p work gateway run --check",
        "-p work gateway run --help",
        "-p work gateway run --supervize",
        "-p work gateway run --supervise=1",
        "-p work gateway run now",
        "-p work gateway run -p other",
        "-p work gateway restart",
        "--profile work gateway run",
        "gateway run -p work",
    ],
)
def test_anything_else_is_left_to_the_parser(typed):
    assert start.parsed(typed.split()) is None
