"""The Telegram channel: one bot, polled by this process alone, its messages in the store, its answers from there."""

import asyncio
import contextlib
import importlib
import logging
import os
import time
from typing import Any

from hermes_cli import mends
from hermes_cli.config import TelegramConfig
from hermes_cli.credentials import CredentialError
from hermes_cli.gateway.channels.base import Desk
from hermes_cli.gateway.channels.telegram import inbox, token
from hermes_cli.gateway.channels.telegram.access import Access
from hermes_cli.gateway.channels.telegram.standing import Standing
from hermes_cli.gateway.conversations.forms import Form
from hermes_cli.gateway.conversations.message import TELEGRAM, Message, MessageOrigin
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.people import People, tell
from hermes_cli.paths import Paths
from hermes_cli.system import locks
from hermes_cli.system.threads import in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.gateway.channels.telegram.api import Api
    from hermes_cli.gateway.channels.telegram.ledger import Ledger
    from hermes_cli.gateway.channels.telegram.outbox import Outbox
    from hermes_cli.gateway.channels.telegram.poll import Poller

_LOCK = 2.0  # seconds between two tries to be the one who polls
_INVITATION = (
    "You may not write to this bot. Whoever runs it can let you in, within an hour, with the command\n\n"
    "hermes pairing approve {code}"
)
_log = logging.getLogger("hermes.telegram")


class TelegramChannel:
    """The channel of one bot. Whatever is the matter with it, the gateway goes on without."""

    def __init__(self, paths: Paths, config: TelegramConfig, store: Store, desk: Desk) -> None:
        self.name = TELEGRAM
        self._paths = paths
        self._config = config
        self._store = store
        self._desk = desk
        self._standing = Standing(paths.telegram, self._counts)
        self._people = People(store)
        self._names: dict[str, str] = {}  # of those who may write, who are few
        self._token = ""
        self._me = inbox.Me("")
        self._api: Api | None = None
        self._ledger: Ledger | None = None
        self._outbox: Outbox | None = None
        self._lock: locks.Lock | None = None
        self._task: asyncio.Task[None] | None = None
        self._poll: asyncio.Task[None] | None = None
        self._pressed: set[asyncio.Task[Any]] = set()
        self._moves: dict[str, str] = {}  # the new ids of groups that became supergroups

    async def open(self) -> None:
        """Take the token; everything else waits until the gateway is ready."""
        try:
            self._token = token.claim(self._config, os.environ)
            self._me = inbox.Me(token.bot_of(self._token))
            self._standing.is_bot(self._me.account)
        except CredentialError as error:
            self._standing.now("no-token", *str(error).rsplit(": ", 1))

    def serve(self) -> None:
        """Connect, and poll from now on, beside everything else."""
        if self._token:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="telegram")

    def publish(self, message: Message) -> None:
        """Deliver a reply or a notice of ours; show that somebody works on a message."""
        outbox = self._outbox
        if outbox is None or not self._is_ours(message):
            return  # what is stored now is found when the outbox opens
        if message.role == "user":
            outbox.expect(message)
            return
        assert self._ledger is not None
        key = self._ledger.key_of(message.seq)
        outbox.deliver(message, key, is_change=key != message.seq and message.role == "notice")

    def called(self, origin: MessageOrigin) -> str:
        """Return what somebody calls themselves, and their id."""
        name = self._names.get(origin.user or "")
        return f"{name} ({origin.user})" if name else origin.user or "somebody"

    def change(self, message: Message) -> None:
        """Edit a message of ours."""
        if self._outbox is not None and self._is_ours(message):
            self._outbox.deliver(message, message.seq, is_change=True)

    def stream(self, message: Message, offset: int, text: str, form: Form | None) -> None:  # noqa: ARG002  a preview has no use for the offset
        """Show output of a turn of ours."""
        if self._outbox is not None and self._is_ours(message):
            self._outbox.stream(message, text, form)

    def refresh(self) -> None:
        """Tell what another process has left to be told: somebody was let in."""
        if self._outbox is not None:
            self._outbox.look()
        self._standing.touch()

    def drain(self) -> None:
        """Fetch no more messages: a poll that is cancelled has confirmed nothing."""
        if self._poll is not None:
            self._poll.cancel()

    async def finish(self) -> None:
        """Say what is due, within a second."""
        if self._outbox is not None:
            await self._outbox.finish()

    def close(self) -> None:
        """Stop at once; the kernel closes what is open."""
        for task in (self._task, self._poll):
            if task is not None:
                task.cancel()
        if self._outbox is not None:
            self._outbox.close()
        with contextlib.suppress(OSError):
            os.unlink(self._paths.telegram)

    def state(self) -> dict[str, Any]:
        """Describe how the bot stands."""
        return self._standing.document()

    def _is_ours(self, message: Message) -> bool:
        return message.origin.channel == TELEGRAM and message.origin.account == self._me.account

    def _counts(self) -> dict[str, Any]:
        return {
            "undelivered": self._outbox.undelivered if self._outbox is not None else 0,
            "undeliverable": self._ledger.count_undeliverable() if self._ledger is not None else 0,
            "held_up": self._outbox.held_up if self._outbox is not None else [],
            "paired": len(self._people.users(TELEGRAM, self._me.account)),
            "codes": sum(one.account == self._me.account for one in self._people.waiting(time.time())),
        }

    def _access(self) -> Access:
        config = self._config
        paired = map(int, self._people.users(TELEGRAM, self._me.account))
        return Access.of([*config.allow, *config.terminal, *paired], config.groups, self._moves)

    async def _run(self) -> None:
        try:
            await self._locked()
            self._api = api = await in_thread(_connect, self._config.api, self._token)
            from hermes_cli.gateway.channels.telegram.ledger import Ledger
            from hermes_cli.gateway.channels.telegram.outbox import Outbox
            from hermes_cli.gateway.channels.telegram.poll import Poller

            self._ledger = Ledger(self._store, self._me.account, self._config.api)
            self._moves = self._ledger.moves()
            self._outbox = Outbox(api, self._ledger, self._store, self._standing.touch)
            self._outbox.open()
            self._standing.recovered = self._outbox.retry_now
            poller = Poller(api, self._ledger, self._store, standing=self._standing, take=self._take, named=self._named)
            if self._desk.is_draining():
                return
            self._poll = asyncio.get_running_loop().create_task(self._polling(poller), name="telegram poll")
        except ImportError:
            self._standing.now(
                "not-installed", "the extra for Telegram is not installed", "pip install httpx2, then restart"
            )
        except Exception as error:  # noqa: BLE001  logged; the gateway goes on without the channel
            _log.exception("Telegram cannot be used")
            self._standing.now("failed", f"Telegram cannot be used ({type(error).__name__})", "hermes gateway logs")

    async def _polling(self, poller: "Poller") -> None:
        try:
            await poller.run()
        except Exception as error:  # noqa: BLE001  logged
            _log.exception("Telegram is not polled any more")
            self._standing.now(
                "failed", f"Telegram is not polled any more ({type(error).__name__})", "hermes gateway restart"
            )

    def _named(self, username: str) -> None:
        self._me = inbox.Me(self._me.account, username)
        self._standing.is_bot(self._me.account, username)

    async def _locked(self) -> None:
        """Become the one who polls this bot on this machine, as soon as nobody else does."""
        path = f"{self._paths.root}/telegram-{self._me.account}.lock"
        while (lock := locks.take(path, timeout=0.0)) is None:
            self._standing.now(
                "conflict", "another gateway of this machine polls this bot", "give one of the two a bot of its own"
            )
            await asyncio.sleep(_LOCK)  # a lock that is let go wakes nobody
        self._lock = lock

    def _take(self, updates: list[object]) -> None:
        """Store an answer to a poll, offset and all, in one commit; then have it answered. Raises sqlite3.Error."""
        if self._people.is_changed():  # whoever wrote may have died before it said so
            self._desk.refresh()
        moves = {old: new for old, new in inbox.moves(updates).items() if int(old) in self._config.groups}
        self._moves |= moves
        batch = inbox.read(updates, self._me, self._access())
        if batch.next is None:
            return
        assert self._ledger is not None
        ledger, following = self._ledger, batch.next
        commands = [inbox.pressed(press, self._me) for press in batch.presses]
        arrivals = [*batch.arrivals, *(command for command in commands if command is not None)]
        told: list[Message] = []

        def beside() -> None:
            ledger.polled(following)
            ledger.moved(moves)
            if self._config.pairing:
                told.extend(tell(self._people, self._store, batch.strangers, time.time(), self._invitation()))

        known = {arrival.origin.user for arrival in arrivals}
        self._names |= {user: name for user, name in inbox.names(updates).items() if user in known and name}
        stored = self._store.accept_batch(arrivals, beside)
        _log.debug("fetched %s", batch)
        for press in batch.presses:
            self._acknowledge(press)
        for message in stored:
            self._desk.accepted(message)
        for notice in told:
            self.publish(notice)

    def _invitation(self) -> str:
        return mends.pasteable(_INVITATION, self._paths.profile)

    def _acknowledge(self, press: inbox.Press) -> None:
        """Have the button stop turning, which it else does for a minute; what it did is said in the chat."""
        assert self._api is not None
        call = self._api.call("answerCallbackQuery", callback_query_id=press.query)
        task = asyncio.get_running_loop().create_task(call, name="telegram press")
        self._pressed.add(task)
        task.add_done_callback(self._pressed.discard)


def _connect(base: str, secret: str) -> "Api":
    """Import the client, and with it what nobody needs before the gateway is ready."""
    for name in ("ledger", "outbox", "poll"):
        importlib.import_module(f"hermes_cli.gateway.channels.telegram.{name}")
    from hermes_cli.gateway.channels.telegram.api import Api

    return Api(base, secret)
