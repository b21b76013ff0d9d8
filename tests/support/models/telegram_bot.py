"""The bot of one gateway at the emulated Telegram, and Ann, who may use its terminal: fixtures for tests/gateway."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from telegram_emulator import Chat, Telegram

from support.models.model_server import ModelServer, says

ANN = 4711


@pytest.fixture
def bot(telegram: Telegram, configure: Callable[[str], None], tmp_path: Path) -> Callable[..., Telegram]:
    """Configure the gateway of this test for the emulated bot, with Ann as its user. More of [telegram] may be given."""
    token = tmp_path / "token"
    token.write_text(f"{telegram.token}\n")
    token.chmod(stat.S_IRUSR | stat.S_IWUSR)

    def write(more: str = "", rest: str = "") -> Telegram:
        where = f'[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\n'
        configure(f"{where}{more or f'terminal = [{ANN}]'}\n{rest}")
        return telegram

    write()
    return write


@pytest.fixture
def ann(telegram: Telegram) -> Chat:
    """Ann's private chat."""
    return telegram.person(ANN, "Ann")


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """An endpoint that a test writes the words of."""
    made = ModelServer(says("Hello."))
    yield made
    made.close()


def answered(telegram: Telegram, chat: Chat, text: str, thread: int | None = None) -> int:
    """Wait until exactly this was said last, and say how often it stands there."""
    telegram.until(lambda: chat.of_bots(thread)[-1:] == [text], f"{text!r} in {chat.title}")
    return chat.of_bots(thread).count(text)
