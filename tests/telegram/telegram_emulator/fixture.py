"""The pytest plugin: `pytest_plugins = ["telegram_emulator.fixture"]` in the topmost conftest.py."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from telegram_emulator.emulator import Telegram


@pytest.fixture
def make_telegram() -> Iterator[Callable[..., Telegram]]:
    """A function that starts a server; each ends with the test."""
    with ExitStack() as closing:
        yield lambda **settings: closing.enter_context(Telegram(**settings))


@pytest.fixture
def telegram(make_telegram: Callable[..., Telegram]) -> Telegram:
    """A server with one bot and no latency."""
    return make_telegram()
