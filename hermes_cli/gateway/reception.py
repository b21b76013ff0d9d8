"""The conversations of an instance put together: store, channels, turns, the agent and its tools, notices, updates.

    channel → store → turn → agent → tools
                ↓       ↓
             channels (what was stored, what is streamed)

`run` decides when it opens, drains and closes.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hermes_cli.config import Config, LimitsConfig
from hermes_cli.gateway.agents.base import Tools
from hermes_cli.gateway.agents.builtin import BuiltinAgent
from hermes_cli.gateway.channels.base import Channel, Desk
from hermes_cli.gateway.channels.local.server import LocalChannel
from hermes_cli.gateway.conversations.message import Message
from hermes_cli.gateway.conversations.notices import Notices
from hermes_cli.gateway.conversations.store import Room, Store, open_store
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.gateway.conversations.turns import Turns, interrupt_left_behind
from hermes_cli.gateway.conversations.updates import Updates
from hermes_cli.gateway.exit import LastStep
from hermes_cli.gateway.tools import terminal
from hermes_cli.gateway.tools.restart import request_restart
from hermes_cli.gateway.tools.session import run_command
from hermes_cli.gateway.tools.status import status_text
from hermes_cli.gateway.tools.update import run_update
from hermes_cli.paths import Paths
from hermes_cli.programs.own import GatewayInstance

_log = logging.getLogger("hermes.gateway")


def channels_of(paths: Paths, store: Store, desk: Desk, limits: LimitsConfig) -> tuple[Channel, ...]:
    """Return the channels of this profile, in the order in which they open."""
    return (LocalChannel(paths.socket, store, desk, limits),)


class Reception:
    """All conversations of an instance, which answers what its channels ask (`Desk`)."""

    def __init__(
        self,
        paths: Paths,
        config: Config,
        me: Callable[[], GatewayInstance],
        turns_changed: Callable[[int], None],
        channels: Callable[[Paths, Store, Desk, LimitsConfig], tuple[Channel, ...]] = channels_of,
    ) -> None:
        """Open the store. Raises OSError and sqlite3.Error.

        `turns_changed` is called with the number of running turns when a turn has begun or ended.
        """
        self._paths = paths
        self._config = config
        self._me = me
        self._draining = False
        self._store, aside = open_store(paths.messages, Room(config.limits.queued, config.limits.store))
        if aside is not None:
            _log.error("%s was corrupt and is kept as %s: a new one was begun", paths.messages, aside)
        self._channels = channels(paths, self._store, self, config.limits)
        self._notices = Notices(paths, self._store, me, self._publish)
        self._updates = Updates(paths, self._store, self._publish)
        identity = me().identity
        self.turns = Turns(
            self._store,
            BuiltinAgent(self._tools()).answer,
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
        for channel in self._channels:
            await channel.open()

    def serve(self) -> None:
        """Answer messages from now on, and tell what became of restarts and updates."""
        self.turns.open()
        self._notices.follow()
        self._updates.follow()

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
        """Show a stored message to every channel and have it answered."""
        self._publish(message)
        self.turns.wake(message.session)

    def is_draining(self) -> bool:
        """Tell whether the next instance will answer what is accepted now."""
        return self._draining

    def running_turn(self, session: str) -> Turn | None:
        """Return the session's running turn."""
        return next((turn for turn in self.turns.active.values() if turn.message.session == session), None)

    def report(self) -> dict[str, Any]:
        """Describe the instance, its pending restarts and its channels."""
        return {
            **self._me().document(),
            "pending": [intent.id for intent in self._paths.queue.unsettled()],
            "channels": {channel.name: channel.state() for channel in self._channels},
        }

    # --- what the turns need

    def _publish(self, message: Message) -> None:
        for channel in self._channels:
            channel.publish(message)

    def _stream(self, message: Message, offset: int, text: str) -> None:
        for channel in self._channels:
            channel.stream(message, offset, text)

    def _tools(self) -> Tools:
        return Tools(
            terminal=lambda turn, command: run_command(turn, command, self._paths, self._config, self._me().identity),
            status=lambda: status_text(self._paths, self._me()),
            restart=partial(request_restart, paths=self._paths),
            update=self._update,
        )

    async def _update(self, turn: Turn, options: Sequence[str]) -> str:
        try:
            return await run_update(turn, options, self._paths, self.is_draining)
        finally:
            self._updates.follow()
