"""asyncio comes without OpenSSL where nothing needs it, and with it wherever something may."""

import pytest

SHOW = "import asyncio.sslproto; print(asyncio.sslproto.ssl is not None, '_ssl' in sys.modules)"
START = "import sys\nfrom hermes_cli.paths import resolve\nfrom hermes_cli.gateway import tls\ntls.import_asyncio(resolve())\n"
MODEL = '[model]\nbase_url = "https://127.0.0.1:1/v1"\nmodel = "m"\n'


@pytest.fixture
def after(run_code, tmp_path):
    def shown(config, code):
        home = tmp_path / "home"
        home.mkdir()
        if config is not None:
            (home / "config.toml").write_text(config)
        return run_code(START + code, environment={"HERMES_HOME": str(home)}).strip()

    return shown


@pytest.mark.parametrize("config", [None, "[gateway]\ndrain_timeout = 5\n"])
def test_a_gateway_that_speaks_to_no_server_loads_no_tls(after, config):
    assert after(config, SHOW) == "False False"


@pytest.mark.parametrize("config", [MODEL, '[telegram]\ntoken_env = "T"\n', "not = [a file\n"])
def test_a_gateway_that_may_speak_to_one_has_it(after, config):
    assert after(config, SHOW) == "True True"


def test_whoever_needs_it_later_gets_it(after):
    assert after(None, "import ssl; print(ssl.create_default_context().verify_mode.name)") == "CERT_REQUIRED"


def test_a_configuration_that_is_changed_in_between_is_a_start_to_be_tried_again(after):
    changed = (
        "import os\n"
        f"open(os.environ['HERMES_HOME'] + '/config.toml', 'w').write({MODEL!r})\n"
        "from hermes_cli.config import load\n"
        "from hermes_cli.gateway import another_try, extras\n"
        "path = resolve().config\n"
        "try:\n"
        "    extras.check(path, load(path))\n"
        "except Exception as error:\n"
        "    print(another_try.may_pass(error), str(error).removeprefix(path))\n"
    )
    assert after(None, changed) == "True : it was changed while the gateway started"
