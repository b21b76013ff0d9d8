"""What Telegram itself says of the bot, for `hermes gateway doctor`: asked once, within a bound, and never polled.

A poll would throw out the one of the gateway; who polls as well (409) is what the running gateway says. No answer is an
answer: then it is not known, and nothing is wrong with this machine for that.
"""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies

from hermes_cli import mends, user_environment
from hermes_cli.config import TelegramConfig, load_or_defaults
from hermes_cli.credentials import CredentialError
from hermes_cli.errors import Advice, ConfigError, Problem
from hermes_cli.gateway.channels.telegram import token
from hermes_cli.gateway.channels.telegram.outcomes import Done, NotSent, Outcome, Refused, Unknown
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.status import telegram
from hermes_cli.status.doctor import Check
from hermes_cli.status.text import telegram_line
from hermes_cli.system import threads
from hermes_cli.system.printable import printable

_PATIENCE = 5.0  # seconds for both answers, and as many for the server's address


def checks(paths: Paths) -> Iterator[Check]:
    """Check the bot of this profile, if it has one."""
    config = load_or_defaults(paths.config).telegram
    if config.is_on:
        passed, problems = _asked(paths, config)
        home = mends.home_to_name()
        yield Check(passed, tuple(mends.said(one, paths.profile, home) for one in problems))


def _asked(paths: Paths, config: TelegramConfig) -> tuple[str, tuple[Problem, ...]]:
    passed = "Telegram takes the bot's token"
    try:
        secret = token.claim(config, os.environ | user_environment.read(paths))
    except CredentialError as error:
        text, _, mend = str(error).rpartition(": ")
        return passed, (Problem("telegram", text, Advice(mend)),)
    except ConfigError:
        return passed, ()  # the check of the environment says it
    try:
        me, hook = _answers(config.api, secret)
    except ImportError:
        return passed, (Problem("telegram", "the extra for Telegram is not installed", "pip install httpx2"),)
    if isinstance(me, Done):
        return f"Telegram knows the bot as @{me.result.get('username')}{_waiting(hook)}{_of_gateway(paths)}", ()
    if isinstance(me, Refused) and me.code in {401, 404}:
        mend = Advice("get another one from BotFather, then hermes gateway restart")
        return passed, (Problem("telegram", f"Telegram refuses the bot's token ({me.code})", mend),)
    if isinstance(me, Refused):
        text = f"Telegram does not say who the bot is: {me.code} {printable(me.description, 200)}"
        return passed, (Problem("telegram", text, Advice("hermes gateway doctor, in a while")),)
    return f"not known whether Telegram takes the bot's token: {printable(me.why, 200)}{_of_gateway(paths)}", ()


def _answers(base: str, secret: str) -> tuple[Outcome, Outcome]:
    """Return what Telegram answers, asked for the bot and for its webhook. Raises ImportError without the extra."""
    from hermes_cli.gateway.channels.telegram.api import Api

    if not getproxies() and not _has_address(base):
        nothing = NotSent(f"{urlsplit(base).hostname} has no address here")
        return nothing, nothing

    async def ask() -> tuple[Outcome, Outcome]:
        api = Api(base, secret)
        me: Outcome = Unknown(f"no answer within {_PATIENCE:g} s")
        hook: Outcome = Unknown("not asked")
        try:
            async with asyncio.timeout(_PATIENCE):
                me = await api.call("getMe")
                if isinstance(me, Done):
                    hook = await api.call("getWebhookInfo")
        except TimeoutError:
            pass
        return me, hook

    return asyncio.run(ask())


def _has_address(base: str) -> bool:
    """Tell whether the server's name leads anywhere. The system's own resolver may take half a minute: not here."""
    import socket

    found: list[bool] = []

    def look() -> None:
        try:
            found.append(bool(socket.getaddrinfo(urlsplit(base).hostname, urlsplit(base).port or 443)))
        except (OSError, ValueError):
            found.append(False)

    thread = threading.Thread(target=look, name="address", daemon=True)
    if threads.start(thread):
        thread.join(_PATIENCE)
    return found == [True]


def _waiting(hook: Outcome) -> str:
    if not isinstance(hook, Done):
        return ""
    count = hook.result.get("pending_update_count")
    waiting = f", {count} update{'' if count == 1 else 's'} to fetch" if isinstance(count, int) and count else ""
    return f"{waiting}, a webhook is set, which the gateway takes away" if hook.result.get("url") else waiting


def _of_gateway(paths: Paths) -> str:
    running = own.read_alive(paths)
    found = telegram.read(paths, running.identity.pid) if running is not None else None
    return "" if found is None else f"; the gateway: {telegram_line(found, time.time())}"
