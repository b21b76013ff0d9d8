"""What installers are asked on the command line, where others can read it."""

import pytest

from hermes_cli.update.sources.wheel.installers import _any, _other_form


@pytest.mark.parametrize(
    ("asked", "typed"),
    [
        ("hermes-gateway", "hermes-gateway>=0"),
        ("hermes-gateway==1.1", "hermes-gateway==1.1"),
        ("hermes-gateway[telegram]", "hermes-gateway[telegram]"),
        ("hermes-cli", "hermes-cli>=0"),
    ],
)
def test_no_word_is_what_hermes_agent_takes_for_its_gateway(asked, typed):
    # gateway/status.py of hermes-agent 0.19.0: a word whose part behind the last slash is `hermes-gateway`.
    assert _any(asked) == typed
    assert _any(asked).rpartition("/")[2] not in {"hermes-gateway", "hermes-gateway.exe"}


def test_an_environment_of_pipx_is_named_in_its_other_form():
    assert _other_form("hermes-gateway") == "hermes_gateway"
