"""A second channel beside the local one: what it is told, and that it needs nothing but the two protocols."""

import asyncio
import os
import time

import pytest

from hermes_cli import __version__
from hermes_cli.config import Config
from hermes_cli.gateway.conversations.message import MessageOrigin
from hermes_cli.gateway.reception import Reception, channels_of
from hermes_cli.programs import own
from hermes_cli.system import durable

SESSION = "pigeon:coop"
COOP = MessageOrigin("pigeon", chat="coop", user="4711", external="1")


class Pigeons:
    """A channel that takes down what it is told."""

    name = "pigeon"

    def __init__(self, store, desk):
        self.told: list[tuple] = []
        self.answered = asyncio.Event()
        self._store = store
        self._desk = desk

    async def open(self):
        self.told.append(("open",))

    def serve(self):
        """Pigeons need no network."""

    async def finish(self):
        """Nor are they in a hurry."""

    def arrive(self, identifier, text, origin=COOP):
        message = self._store.accept(SESSION, identifier, text, origin)
        if message is not None:
            self._desk.accepted(message)

    def publish(self, message):
        self.told.append(("publish", message.id, message.text, message.origin.channel))
        if message.role == "assistant":
            self.answered.set()

    def stream(self, message, offset, text, form):
        self.told.append(("stream", message.id, offset, text))

    def drain(self):
        self.told.append(("drain", self._desk.is_draining()))

    def close(self):
        self.told.append(("close",))

    def state(self):
        return {"pigeons": 1}


@pytest.fixture
def served(paths):
    """Run a scenario with the pigeons of a reception that serves. What they were told is returned."""

    async def run(scenario):
        durable.make_private_directory(paths.state)
        me = own.new(os.getpid(), None, __version__, time.time())
        loft = []

        def channels(paths, store, desk, config):
            loft.append(Pigeons(store, desk))
            return (*channels_of(paths, store, desk, config), *loft)

        reception = Reception(paths, Config(), lambda: me, lambda _: None, channels)
        reception.rights.add("pigeon", lambda _: True)
        await reception.open()
        reception.serve()
        try:
            async with asyncio.timeout(20):
                await scenario(reception, loft[0])
        finally:
            for _, step in reception.last_steps():
                step()
        return loft[0].told

    return lambda scenario: asyncio.run(run(scenario))


def test_a_channel_is_told_of_its_message_the_output_and_the_reply_in_this_order(served):
    async def scenario(_, pigeons):
        pigeons.arrive("p1", "!echo coo")
        await pigeons.answered.wait()

    assert served(scenario) == [
        ("open",),
        ("publish", "p1", "!echo coo", "pigeon"),
        ("stream", "p1", 0, "coo\n"),
        ("publish", "reply:p1", "coo", "pigeon"),
        ("close",),
    ]


def test_a_message_that_arrives_twice_is_told_and_answered_once(served):
    async def scenario(_, pigeons):
        pigeons.arrive("p1", "coo")
        await pigeons.answered.wait()
        pigeons.answered.clear()
        pigeons.arrive("p1", "coo")
        pigeons.arrive("p2", "coo")
        await pigeons.answered.wait()

    told = [words[1] for words in served(scenario) if words[0] == "publish"]
    assert told == ["p1", "reply:p1", "p2", "reply:p2"]


def test_what_arrives_while_draining_is_kept_for_the_next_instance(served):
    async def drained(reception, pigeons):
        reception.drain()
        pigeons.arrive("p1", "coo")
        await asyncio.sleep(0)

    assert served(drained) == [("open",), ("drain", True), ("publish", "p1", "coo", "pigeon"), ("close",)]

    async def next_instance(_, pigeons):
        await pigeons.answered.wait()

    assert ("publish", "reply:p1", "You said: coo. Type /help.", "pigeon") in served(next_instance)


def test_the_report_has_the_state_of_each_channel(served):
    async def scenario(reception, _):
        assert reception.report()["channels"] == {"local": {"clients": 0}, "pigeon": {"pigeons": 1}}

    served(scenario)
