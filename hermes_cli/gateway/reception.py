"""The conversations of an instance put together: store, channels, turns, the agent and its tools, notices, updates.

    channel → store → turn → agent → tools
                ↓       ↓
             channels (what was stored, what is streamed)

`run` decides when it opens, drains and closes.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from hermes_cli.config import Config, ModelConfig, TelegramConfig
from hermes_cli.gateway.agents.base import Agent, Tools
from hermes_cli.gateway.agents.builtin import BuiltinAgent
from hermes_cli.gateway.approvals import NO_RIGHT, PREFIX, Approvals, left_open
from hermes_cli.gateway.channels.base import Channel, Desk
from hermes_cli.gateway.channels.local.server import LocalChannel
from hermes_cli.gateway.commands import Commands, named
from hermes_cli.gateway.conversations.forms import Form
from hermes_cli.gateway.conversations.message import TELEGRAM, Message
from hermes_cli.gateway.conversations.notices import Notices
from hermes_cli.gateway.conversations.room import Room
from hermes_cli.gateway.conversations.store import Store, open_store
from hermes_cli.gateway.conversations.turn import GONE, REVOKED, Turn
from hermes_cli.gateway.conversations.turns import Turns, interrupt_left_behind
from hermes_cli.gateway.conversations.updates import Updates
from hermes_cli.gateway.exit import LastStep
from hermes_cli.gateway.rights import Rights
from hermes_cli.gateway.tools import terminal
from hermes_cli.gateway.tools.restart import request_restart
from hermes_cli.gateway.tools.session import run_command
from hermes_cli.gateway.tools.status import status_text
from hermes_cli.gateway.tools.update import run_update
from hermes_cli.intents.instance import Instance
from hermes_cli.paths import Paths
from hermes_cli.programs import own

_log = logging.getLogger("hermes.gateway")


async def _not_admitted() -> str:
    return f"not run: {GONE}"


def channels_of(paths: Paths, store: Store, desk: Desk, config: Config) -> tuple[Channel, ...]:
    """Return the channels of this profile, in the order in which they open."""
    local = LocalChannel(paths.socket, store, desk, config.limits)
    if not config.telegram.is_on:
        return (local,)
    from hermes_cli.gateway.channels.telegram.channel import TelegramChannel

    return (local, TelegramChannel(paths, config.telegram, store, desk))


def telegram_rights(rights: Rights, config: TelegramConfig, store: Store) -> None:
    """Add who may what in Telegram: whom the configuration names and, where there is a bot, who was let in by a code."""
    terminal = frozenset(map(str, config.terminal))
    if not config.is_on:
        rights.add(TELEGRAM, lambda origin: origin.user in terminal)
        return
    from hermes_cli.gateway.people import People

    people, allow = People(store), terminal | frozenset(map(str, config.allow))
    rights.add(
        TELEGRAM,
        lambda origin: origin.user in terminal | people.users(TELEGRAM, origin.account, terminal=True),
        lambda origin: origin.user in allow | people.users(TELEGRAM, origin.account),
    )


def agent_of(config: ModelConfig, store: Store, tools: Tools) -> Agent:
    """Return what answers: a model, where one is configured."""
    if not config.is_on:
        return BuiltinAgent(tools)
    from hermes_cli.gateway.agents.model.agent import ModelAgent
    from hermes_cli.gateway.agents.model.key import claim

    return ModelAgent(config, claim(config, os.environ), store, tools)


class Reception:
    """All conversations of an instance, which answers what its channels ask (`Desk`)."""

    def __init__(
        self,
        paths: Paths,
        config: Config,
        me: Callable[[], Instance],
        turns_changed: Callable[[int], None],
        channels: Callable[[Paths, Store, Desk, Config], tuple[Channel, ...]] = channels_of,
    ) -> None:
        """Open the store. Raises OSError and sqlite3.Error.

        `turns_changed` is called with the number of running turns when a turn has begun or ended.
        """
        self._paths = paths
        self._config = config
        self._me = me
        self._turns_changed = turns_changed
        self._draining = False
        self._store, aside = open_store(paths.messages, Room(config.limits.queued, config.limits.store))
        if aside is not None:
            _log.error("%s was corrupt and is kept as %s: a new one was begun", paths.messages, aside)
        self._channels = channels(paths, self._store, self, config)
        self._notices = Notices(paths, self._store, me, self._publish)
        self._updates = Updates(paths, self._store, self._publish)
        self.rights = Rights()
        telegram_rights(self.rights, config.telegram, self._store)
        self._approvals = Approvals(
            self.rights,
            self._tell,
            change=self._change,
            called=self._called,
            ask=config.terminal.approval,
            patience=config.terminal.approval_timeout,
        )
        tools = self._tools()
        self._agent = agent_of(config.model, self._store, tools)
        self._commands = Commands(tools, self._approvals, self.rights, stop=self._stop, renew=self._renew)
        identity = me().identity
        self.turns = Turns(
            self._store,
            self._answer,
            f"{identity.pid}:{identity.start_ticks or identity.create_time}",
            publish=self._publish,
            stream=self._stream,
            changed=lambda: turns_changed(len(self.turns.active)),
            restart_of=self._notices.restart_of,
            limits=config.limits,
        )

    async def open(self) -> None:
        """Accept messages from now on. Raises OSError and sqlite3.Error."""
        left = interrupt_left_behind(self._store, self._notices.restart_of)
        if left:
            _log.warning("%d turns of an instance that died were answered as cut off", left)
        for question in self._store.unchanged(PREFIX):
            self._store.changes.replace(question.seq, left_open(question))
        for channel in self._channels:
            await channel.open()

    def serve(self) -> None:
        """Answer messages from now on, and tell what became of restarts and updates."""
        self.turns.open()
        self._notices.follow()
        self._updates.follow()
        for channel in self._channels:
            channel.serve()

    def tend(self) -> None:
        """See that the local channel can be reached."""
        for channel in self._channels:
            if isinstance(channel, LocalChannel):
                channel.tend()

    async def finish(self) -> None:
        """Give the channels a moment for what is due: no turn runs any more."""
        await asyncio.gather(*(channel.finish() for channel in self._channels), return_exceptions=True)

    def drain(self) -> None:
        """Begin no turn any more: what is accepted from now on is answered by the next instance."""
        self._draining = True
        self.turns.close()
        for channel in self._channels:
            channel.drain()

    def last_steps(self) -> list[LastStep]:
        """Return what ends the conversations, in order."""
        closing: list[LastStep] = [("channel", channel.close) for channel in self._channels]
        return [*closing, ("commands", terminal.kill_all), ("messages", self._store.close)]

    # --- what the channels ask

    def accepted(self, message: Message) -> None:
        """Show a stored message to every channel and have it answered: a command at once, others in their order."""
        self._publish(message)
        try:
            if named(message.text) is not None and self.turns.beside(message):
                return
        except sqlite3.Error as error:  # it stays queued
            _log.error("a command could not be begun: %s", error)
        self.turns.wake(message.session)

    def is_draining(self) -> bool:
        """Tell whether the next instance will answer what is accepted now."""
        return self._draining

    def refresh(self) -> None:
        """Tell who was let in, and end the turns of those who may not write any more."""
        for channel in self._channels:
            channel.refresh()
        for turn in list(self.turns.active.values()):
            if not self.rights.admits(turn.message.origin):
                turn.cut_off(REVOKED, asyncio.get_running_loop().time())

    def running_turn(self, session: str) -> Turn | None:
        """Return the session's running turn."""
        return self.turns.of(session)

    def report(self) -> dict[str, Any]:
        """Describe the instance, its pending restarts and its channels."""
        return {
            **own.document(self._me()),
            "pending": [intent.id for intent in self._paths.queue.unsettled()],
            "channels": {channel.name: channel.state() for channel in self._channels},
        }

    # --- what the turns need

    def _publish(self, message: Message) -> None:
        for channel in self._channels:
            channel.publish(message)

    def _stream(self, message: Message, offset: int, text: str, form: Form | None) -> None:
        for channel in self._channels:
            channel.stream(message, offset, text, form)

    def _tell(self, about: Message, identifier: str, text: str) -> Message | None:
        stored = self._store.notice(about.session, identifier, text, origin=about.origin.of_notice())
        if stored is not None:
            self._publish(stored)
        return stored

    def _change(self, message: Message, text: str) -> None:
        """Have a message read otherwise wherever that can be shown; if it cannot be stored now, a later start does it."""
        try:
            self._store.changes.replace(message.seq, text)
        except sqlite3.Error as error:
            _log.error("what became of a question could not be stored: %s", error)
            return
        for channel in self._channels:
            channel.change(message)

    def _called(self, message: Message) -> str:
        found = (channel.called(message.origin) for channel in self._channels if channel.name == message.origin.channel)
        return next(found, "somebody")

    def _answer(self, turn: Turn) -> Coroutine[Any, Any, str]:
        if not self.rights.admits(turn.message.origin):
            return _not_admitted()
        return (self._commands if named(turn.message.text) is not None else self._agent).answer(turn)

    def _stop(self, message: Message, everything: bool) -> str:
        """End the turn of the message's session and, if asked, drop what waits there."""
        dropped = (
            self._store.drop_queued(message.session, "dropped by /stop all; it was not begun") if everything else []
        )
        for reply in dropped:
            self._publish(reply)
        turn = self.turns.of(message.session)
        if turn is not None:
            turn.cut_off("/stop", asyncio.get_running_loop().time())
        waiting = self._store.count_queued(message.session)
        words = ["nothing runs here" if turn is None else "stopped"]
        words += [f"{len(dropped)} dropped"] if dropped else []
        words += [f"{waiting} more {'waits' if waiting == 1 else 'wait'}: /stop all drops them too"] if waiting else []
        return "; ".join(words)

    def _renew(self, message: Message) -> str:
        self._store.renew(message)
        return "a new conversation begins here"

    def _tools(self) -> Tools:
        return Tools(
            terminal=self._run,
            status=lambda: status_text(self._paths, self._me()),
            restart=partial(request_restart, paths=self._paths),
            update=self._update,
            permit=self._approvals.permit,
        )

    async def _run(self, turn: Turn, command: str, emit: Callable[[str], None]) -> str:
        if not self.rights.terminal(turn.message.origin):
            return NO_RIGHT
        turn.commands += 1
        if self._draining:
            self._turns_changed(len(self.turns.active))  # the drain looks again
        try:
            return await run_command(turn, command, self._paths, self._config, self._me().identity, emit=emit)
        finally:
            turn.commands -= 1

    async def _update(self, turn: Turn, options: Sequence[str]) -> str:
        try:
            return await run_update(turn, options, self._paths, self.is_draining)
        finally:
            self._updates.follow()
