"""The report, typed in Telegram, to a model behind an endpoint that others wrote: a real inference engine, and a mock.

Under each service manager it is tested with an endpoint of our own: tests/services/test_the_conversation.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.machines.installation import SHORT_CLOCKS, Installation
from support.models.endpoints import aimock, engine
from support.releases.changes import SOUND
from support.releases.checkout import Checkout
from telegram_emulator import Telegram

pytest.importorskip("httpx2", reason="the extras telegram and model are not installed")

ANN = 4711
TOLD, NEWS = "The update is under way.", "It worked: I am on the new one."


@pytest.mark.parametrize("endpoint", [engine, aimock], ids=["engine", "aimock"])
def test_a_model_updates_itself_from_the_conversation_and_knows_that_it_did(
    telegram: Telegram,
    checkout: Checkout,
    make_installation: Callable[..., Installation],
    tmp_path: Path,
    endpoint: Callable,
) -> None:
    token = tmp_path / "token"
    token.write_text(telegram.token)
    token.chmod(0o600)
    bot = f'[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\nterminal = [{ANN}]\n'
    ann = telegram.person(ANN, "Ann")
    with endpoint(tmp_path, "hermes update", TOLD, NEWS) as model:
        hermes = make_installation(code=checkout.path, config=f"{SHORT_CLOCKS}{bot}{model}")
        hermes.install()
        before = hermes.ready()
        new = checkout.release(*SOUND)
        telegram.say(ann, "please update yourself")
        after = hermes.ready(other_than=before)
        telegram.until(lambda: any("gateway is back as pid" in text for text in ann.of_bots()), "the outcome")
        telegram.say(ann, "did it work?")
        telegram.until(lambda: ann.of_bots()[-1] == NEWS, "the model's last word")
    answer, outcome, _ = ann.of_bots()
    assert answer.startswith("$ hermes update\n")
    assert after.revision == new
    assert f"pid {after.identity.pid}, revision {new}" in outcome
    assert [one.outcome for one in hermes.settled()] == ["restarted"]
    assert hermes.starts() == 2
