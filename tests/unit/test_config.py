"""config.toml: defaults without it, an exact complaint with a wrong one."""

import pytest

from hermes_cli.config import Config, load
from hermes_cli.errors import ConfigError
from hermes_cli.restart.policy import policy_of


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_without_a_file_there_are_the_defaults(tmp_path):
    assert load(f"{tmp_path}/none.toml") == load(f"{tmp_path}/none/none.toml") == Config()


def test_an_empty_file_is_the_defaults(written):
    assert load(written("")) == Config()


def test_what_is_set_is_set_and_the_rest_stays(written):
    found = load(written('[gateway]\ndrain_timeout = 5\n[restart]\nmax_attempts = 2\n[terminal]\nshell = "/bin/bash"'))
    assert found.gateway.drain_timeout == 5.0
    assert found.gateway.start_timeout == 60.0
    assert found.restart.max_attempts == 2
    assert found.terminal.shell == "/bin/bash"


def test_a_model_has_an_endpoint_and_a_name(written):
    found = load(written("[model]\nbase_url = 'http://127.0.0.1:11434/v1'\nmodel = 'hermes'")).model
    assert (found.is_on, found.model, found.stream_tools) == (True, "hermes", True)
    assert not load(written("[model]\nmodel = 'hermes'")).model.is_on


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("gateway = 3", r"\[gateway\] must be a table"),
        ("[model]\nbase_url = 'localhost'", "model.base_url must begin with http:// or https://"),
        ("[model]\nbase_url = 'http://localhost'", "model.model is not set: name the model"),
        ("[gateway]\ncolour = 1", "gateway.colour is not a setting; known are drain_timeout"),
        ("[gateway]\ndrain_timeout = '5'", "gateway.drain_timeout must be a number"),
        ("[gateway]\ndrain_timeout = true", "gateway.drain_timeout must be a number"),
        ("[gateway]\ndrain_timeout = -1", "at least 0"),
        ("[limits]\nstore = 4000000000", r"at most 1e\+09"),
        ("[gateway]\ndrain_timeout = nan", "must be a number"),
        ("[gateway]\ndrain_timeout = inf", "must be a number"),
        ("[restart]\nmax_attempts = []", "restart.max_attempts must be a number"),
        ("[terminal]\nshell = 3", "terminal.shell must be a string"),
        ("[update]\nrestart_on_skew = 1", "update.restart_on_skew must be true or false"),
        ("[update]\ncommand = 'rm'", "update.command must be a list of strings"),
        ("[update]\ncommand = ['a', 1]", "update.command must be a list of strings"),
        ('[update]\ncommand = ["\\u0000"]', "update.command must be a list of strings"),
        ("[telegram]\ntoken = 'x'", "telegram.token is not a setting, did you mean token_"),
        ("[telegram]\nallow = ['@me']", "telegram.allow must be a list of whole numbers"),
        ("[telegram]\ngroups = [true]", "telegram.groups must be a list of whole numbers"),
        ("[terminal]\napproval = 'yes'", "terminal.approval must be one of dangerous, always, never"),
        ("[gateway", "not valid TOML"),
        (b"\xff\xfe\x00", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong_in_one_line(written, text, complaint):
    path = written(text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 78


def test_a_directory_in_its_place_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(tmp_path))


def test_the_drivers_policy_comes_from_it(paths):
    with open(paths.config, "w", encoding="ascii") as file:
        file.write(
            "[gateway]\ndrain_timeout = 7\nstart_timeout = 8\n[restart]\nmax_attempts = 9\nstorm_limit = 4\n[update]\nstay_ready = 5"
        )
    found = policy_of(paths)
    assert found.stay_ready == 5
    assert (found.drain_timeout, found.start_timeout, found.max_attempts, found.storm_limit) == (7, 8, 9, 4)


def test_a_wrong_file_does_not_keep_the_driver_from_its_work(paths):
    with open(paths.config, "w", encoding="ascii") as file:
        file.write("[gateway")
    assert policy_of(paths).drain_timeout == 180.0
