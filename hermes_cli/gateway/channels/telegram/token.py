"""The bot's token: from a file or from a variable, which is taken out of the environment that commands inherit."""

import os
import re
import stat

from hermes_cli.config import TelegramConfig

_FORM = re.compile(r"(\d{1,20}):[A-Za-z0-9_-]{10,200}")
_LARGEST = 4096  # bytes


class NoTokenError(Exception):
    """There is no usable token; the text says why and has nothing of it."""


def claim(config: TelegramConfig, environment: "os._Environ[str]") -> str:
    """Return the token. Raises NoTokenError."""
    if config.token_env:
        token = environment.pop(config.token_env, "").strip()
        where = f"the variable {config.token_env}"
        if not token and not config.token_file:
            raise NoTokenError(f"{where} is not set: put it into the service's environment file")
    if not config.token_env or not token:
        where = config.token_file
        token = _read(os.path.expanduser(where))
    if not _FORM.fullmatch(token):
        raise NoTokenError(f"{where} has no token of BotFather's, which looks like 123456:AAE…: put it there")
    return token


def bot_of(token: str) -> str:
    """Return the id of the bot, with which its token begins."""
    return token.partition(":")[0]


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if found.st_uid not in {os.geteuid(), 0} or found.st_mode & (stat.S_IWGRP | stat.S_IRWXO):
                raise NoTokenError(f"{path} can be read or changed by somebody else: chmod 600 {path}")
            return file.read(_LARGEST).decode("ascii", "replace").strip()
    except OSError as error:
        raise NoTokenError(f"{path} cannot be read ({error.strerror}): put the token there") from None
