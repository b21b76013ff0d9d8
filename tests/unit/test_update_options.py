"""The options of an update as a conversation types them: what the command line makes of the same words."""

import click
import pytest

from hermes_cli.cli.update import update as command
from hermes_cli.errors import UsageError
from hermes_cli.update.candidate import Selection
from hermes_cli.update.options import Options, compose, parse
from hermes_cli.update.rollback import Rollback


def typed_at_the_command_line(words):
    with command.make_context("update", list(words)) as context:
        return {name: value for name, value in context.params.items() if value not in {None, False}}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--check"],
        ["--to", "v1.2"],
        ["--to=v1.2", "--check"],
        ["--to", "--check"],
        ["--to", "one", "--to", "two"],
        ["--to="],
        ["--pre", "--stash", "--no-restart", "--all-profiles"],
        ["--rollback"],
        ["--history"],
        ["--check", "--"],
    ],
)
def test_what_is_understood_is_what_the_command_line_understands(words):
    assert parse(words) == typed_at_the_command_line(words)


def test_every_option_of_the_command_is_understood():
    for option in command.params:
        assert isinstance(option, click.Option)
        words = option.opts if option.is_flag else [*option.opts, "value"]
        assert list(parse(words)) == [option.name]


@pytest.mark.parametrize(
    "words",
    [
        ["--nonsense"],
        ["--chek"],
        ["-x"],
        ["-check"],
        ["--check=1"],
        ["--to"],
        ["v1.2"],
        ["a", "b"],
        ["--after-crashes"],
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_the_command_line(words):
    with pytest.raises(click.UsageError) as by_click:
        typed_at_the_command_line(words)
    with pytest.raises(UsageError) as refused:
        parse(words)
    text = by_click.value.format_message().rstrip(".")
    assert str(refused.value) == f"{text}: see hermes update --help"


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["--check", "--help"]])
def test_help_is_asked_for(words):
    assert parse(words)["help"] is True


@pytest.mark.parametrize(
    "typed",
    [{"no_restart": True, "all_profiles": True}, {"rollback": True, "to": "v1"}, {"rollback": True, "pre": True}],
)
def test_options_that_contradict_each_other_are_refused(typed):
    with pytest.raises(UsageError):
        compose(**typed)


def test_the_command_that_asked_is_known():
    assert compose(to="v1", stash=True) == Options(Selection("v1", stash=True))
    assert compose().command == "hermes update"
    assert compose(rollback=True).command == "hermes update --rollback"
    assert Options(back=Rollback("gateway, after 3 crashes", of="x")).command == "gateway, after 3 crashes"
