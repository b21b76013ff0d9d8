"""The Bot API of Telegram for tests: offsets, long polling, refusals and faults as its server has them.

`Telegram` is the server with its people; `telegram_emulator.fixture` is the pytest plugin.
"""

from telegram_emulator.emulator import Telegram
from telegram_emulator.people import Chat, Shown, User

__all__ = ["Chat", "Shown", "Telegram", "User"]
