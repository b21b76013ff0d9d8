"""`hermes pairing`: who may write to the bot by a code. It works on the store, whether a gateway runs or not."""

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import click

from hermes_cli.cli.completion import complete_people
from hermes_cli.config import load_or_defaults
from hermes_cli.errors import HermesError, UsageError
from hermes_cli.gateway.channels.local.client import Connection
from hermes_cli.gateway.conversations.database import CorruptError
from hermes_cli.gateway.people import FullError, People, Person, is_code, opened
from hermes_cli.intents.request import timestamp
from hermes_cli.paths import Paths
from hermes_cli.system.printable import printable

_WELCOME = "You may write here now. /help says what is answered at once."
_STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP}


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.pass_obj
def list_(paths: Paths, *, as_json: bool) -> None:
    """Show who was let in by a code, and who waits for it. A code is only told to whom it is for."""
    now = time.time()
    with _people(paths) as found:
        people = found.all() if found is not None else []
        waiting = found.waiting(now) if found is not None else []
    if as_json:
        rows = [_row(one) | {"terminal": one.terminal, "since": timestamp(one.since)} for one in people]
        codes = [_row(one) | {"since": timestamp(one.since), "expires": timestamp(one.expires)} for one in waiting]
        click.echo(json.dumps({"schema": 1, "people": rows, "waiting": codes}, indent=2))
        return
    if not people and not waiting:
        click.echo("nobody was let in by a code, and nobody waits")
    for one in people:
        right = "with the terminal" if one.terminal else "without the terminal"
        click.echo(printable(f"{one.user:<12}  {right:<20}  since {_day(one.since)}  {one.name}"))
    for other in waiting:
        left = max(1, round((other.expires - now) / 60))
        click.echo(printable(f"{other.user:<12}  {'has a code':<20}  for {left} min more  {other.name}"))


@click.command()
@click.argument("code", metavar="CODE")
@click.option("--terminal", is_flag=True, help="They may have commands run, restart, update and approve as well.")
@click.pass_obj
def approve(paths: Paths, code: str, *, terminal: bool) -> None:
    """Let in whom the bot has told this code, for good and at once, and tell them."""
    if not is_code(code):
        raise UsageError(f"{printable(code, 40)!r} is no code, which looks like ABCD-EFGH: see hermes pairing list")
    with _people(paths) as people, _undisturbed():
        try:
            person = None
            if people is not None:
                person = people.approve(code, time.time(), terminal=terminal, welcome=_WELCOME)
        except FullError:
            raise HermesError("so many were let in that there is no room: hermes pairing list") from None
    if person is None:
        raise HermesError("no open code is this one: a code is open for an hour, see hermes pairing list")
    told = "" if _refresh(paths) else "; they are told when the gateway runs"
    what = "write to the bot and use the terminal" if terminal else "write to the bot, without the terminal"
    click.echo(printable(f"{_named(person)} may {what}{told}"))


@click.command()
@click.argument("who", metavar="WHO", shell_complete=complete_people)
@click.pass_obj
def revoke(paths: Paths, who: str) -> None:
    """End at once what somebody may who was let in by a code. WHO is their id; what they have running is cut off."""
    if not who.isdecimal():
        raise UsageError(f"{printable(who, 40)!r} is no id, which is a number: see hermes pairing list")
    with _people(paths) as people, _undisturbed():
        known = people is not None and people.revoke(who)
    _refresh(paths)
    telegram = load_or_defaults(paths.config).telegram
    still = next((name for name in ("terminal", "allow") if int(who) in getattr(telegram, name)), None)
    if still is not None:
        mend = f"hermes config set telegram.{still}, without it, and hermes gateway restart"
        raise HermesError(f"{who} may write by telegram.{still} of config.toml, which is nobody's code: {mend}")
    if not known:
        raise HermesError(f"nobody with the id {who} was let in by a code: see hermes pairing list")
    click.echo(f"{who} may not write to the bot any more")


@contextlib.contextmanager
def _people(paths: Paths) -> Iterator[People | None]:
    """Open the tables, None where no gateway of this profile has ever run."""
    if not os.path.exists(paths.messages):
        yield None
        return
    try:
        store, people = opened(paths.messages)
        with contextlib.closing(store):
            yield people
    except CorruptError as error:
        raise HermesError(f"{paths.messages} cannot be read ({error}): hermes gateway restart sets it aside") from None
    except sqlite3.Error as error:
        raise HermesError(f"{paths.messages} cannot be used ({error}): see hermes gateway doctor, and repeat") from None


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no key stop this process while it has the store, for which the gateway waits."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _refresh(paths: Paths) -> bool:
    """Have the running gateway look. It does by itself at the next message, so nothing is lost if this fails."""
    import select

    try:
        connection = Connection(paths.socket)
        with contextlib.closing(connection):
            connection.send({"op": "refresh"})
            while select.select([connection], [], [], 2.0)[0]:
                events = connection.receive()
                if events is None:
                    return False
                if events:
                    return events[0].get("event") == "refreshed"
    except (OSError, ValueError):
        pass
    return False


def _row(one: Any) -> dict[str, Any]:
    return {"channel": one.channel, "account": one.account, "user": one.user, "name": printable(one.name)}


def _named(person: Person) -> str:
    return f"{person.name} ({person.user})" if person.name else person.user


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
