"""What config.toml enables and is not installed: no restart into it, and no update that would lose it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.machines.installation import SHORT_CLOCKS, Installation
from support.releases.checkout import Checkout

pytest.importorskip("httpx2", reason="the extras telegram and model are not installed")

CLIENTS = {
    "telegram": "hermes_cli/gateway/channels/telegram/api.py",
    "model": "hermes_cli/gateway/agents/model/wire.py",
}


@pytest.fixture
def config(telegram, tmp_path: Path) -> dict[str, str]:
    """Sections that enable an extra, each."""
    token = tmp_path / "token"
    token.write_text(telegram.token)
    token.chmod(0o600)
    return {
        "telegram": f'[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\n',
        "model": f'[model]\nbase_url = "{telegram.base_url}"\nmodel = "test"\n',
    }


@pytest.mark.parametrize("extra", CLIENTS)
def test_an_update_that_would_lose_what_is_enabled_is_taken_back(
    checkout: Checkout, make_installation: Callable[..., Installation], config: dict[str, str], extra: str
) -> None:
    hermes = make_installation(code=checkout.path, config=f"{SHORT_CLOCKS}{config[extra]}")
    hermes.install()
    before, old = hermes.ready(), checkout.revision()
    checkout.release(CLIENTS[extra], "import httpx2\n", "import another_client as httpx2\n")
    done = hermes.run("update")
    assert done.returncode == 1, done.stdout
    assert f"[{extra}] needs the package another_client" in done.stderr
    assert f"-m pip install 'hermes-gateway[{extra}]'" in done.stderr
    assert checkout.revision() == old
    assert hermes.ready().identity == before.identity
    assert hermes.pending() == []


@pytest.mark.parametrize("extra", CLIENTS)
def test_a_look_ahead_at_a_start_without_what_is_enabled_says_so_in_a_line(
    make_installation: Callable[..., Installation], config: dict[str, str], extra: str, tmp_path: Path
) -> None:
    hermes = make_installation(config=config[extra])
    missing = tmp_path / "missing" / "httpx2.py"
    missing.parent.mkdir()
    missing.write_text("raise ModuleNotFoundError('No module named httpx2', name='httpx2')\n")
    places = f"{missing.parent}:{hermes.environment()['PYTHONPATH']}"
    done = hermes.run("gateway", "run", "--check", PYTHONPATH=places)
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert f"[{extra}] needs the package httpx2: " in done.stderr
    assert f"-m pip install 'hermes-gateway[{extra}]'" in done.stderr
