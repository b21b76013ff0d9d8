"""The bot's token, with which the bot's id begins."""

import re

from hermes_cli import credentials
from hermes_cli.config import TelegramConfig
from hermes_cli.credentials import CredentialError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

_FORM = re.compile(r"(\d{1,20}):[A-Za-z0-9_-]{10,200}")


def claim(config: TelegramConfig, environment: "MutableMapping[str, str]") -> str:
    """Return the token, and take it out of the environment. Raises CredentialError."""
    token = credentials.claim(config.token_file, config.token_env, environment)
    if not _FORM.fullmatch(token):
        where = config.token_file or f"the variable {config.token_env}"
        raise CredentialError(f"{where} has no token of BotFather's, which looks like 123456:AAE…: put it there")
    return token


def bot_of(token: str) -> str:
    """Return the id of the bot."""
    return token.partition(":")[0]
