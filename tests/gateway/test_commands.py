"""Slash commands beside a running turn, and the approval of a command by a person."""

import asyncio

import pytest

from hermes_cli.gateway.approvals import PREFIX, Approvals
from hermes_cli.gateway.conversations.message import Message, MessageOrigin
from hermes_cli.gateway.conversations.turn import Turn
from hermes_cli.gateway.rights import Rights

pytestmark = pytest.mark.e2e


@pytest.fixture
def busy(resident):
    """A client of a session in which a turn runs until it is stopped."""
    client = resident.following()
    client.say("!echo begun; sleep 600", "m1")
    client.chunk_of("m1")
    yield client
    client.say("/stop all", "end")
    client.reply_to("end")


def ask(client, text, identifier):
    client.say(text, identifier)
    return client.reply_to(identifier)["text"]


def test_status_and_help_are_answered_beside_a_running_turn(busy):
    assert "1 other turn running" in ask(busy, "/status", "m2")
    assert "/approve" in ask(busy, "/help", "m3")


def test_stop_ends_the_turn_that_runs_and_the_next_begins(resident):
    client = resident.following()
    client.say("!echo begun; sleep 600", "m1")
    client.chunk_of("m1")
    client.say("!echo next", "m2")
    client.say("/stop", "m3")
    replies = client.until(lambda event: event.get("reply_to") == "m2" and event["event"] == "message")
    texts = {event["reply_to"]: event["text"] for event in replies if event.get("role") == "assistant"}
    assert texts["m3"] == "stopped; 1 more waits: /stop all drops them too"
    assert texts["m1"].startswith("cut off by /stop after")
    assert texts["m2"] == "next"


def test_stop_all_drops_what_waits(resident):
    client = resident.following()
    client.say("!echo begun; sleep 600", "m1")
    client.chunk_of("m1")
    client.say("!echo never", "m2")
    client.say("/stop all", "m3")
    assert client.reply_to("m2")["text"] == "dropped by /stop all; it was not begun"
    assert client.reply_to("m3")["text"] == "stopped; 1 dropped"
    assert ask(client, "!echo after", "m4") == "after"


def test_stop_with_nothing_to_stop(resident):
    assert ask(resident.following(), "/stop", "m1") == "nothing runs here"


def test_approve_with_nothing_to_approve(resident):
    assert ask(resident.following(), "/approve", "m1") == "nothing waits for approval here"


OWNER = MessageOrigin("pigeon", chat="coop", user="1")
GUEST = MessageOrigin("pigeon", chat="coop", user="2")


def message(text="x", origin=OWNER, session="coop", seq=7):
    return Message(seq, session, f"m{seq}", "user", text, 0.0, origin)


class Asked:
    """Approvals of a channel whose user 1 may use the terminal, and a turn of that user's."""

    def __init__(self, ask="dangerous", patience=60.0):
        self.told = asyncio.Queue()
        rights = Rights()
        rights.add("pigeon", lambda origin: origin.user == "1")
        self.approvals = Approvals(
            rights,
            lambda *notice: self.told.put_nowait(notice),
            change=lambda *_: None,
            called=lambda _: "Ann",
            ask=ask,
            patience=patience,
        )

    def permit(self, command, origin=OWNER):
        turn = Turn(message(origin=origin), 0.0, lambda *_: None, 1024)
        return asyncio.create_task(self.approvals.permit(turn, command))

    async def code(self):
        _, identifier, self.text = await self.told.get()
        return identifier.removeprefix(PREFIX).partition(":")[0]


def run(scenario, **settings):
    async def all_of_it():
        async with asyncio.timeout(20):
            return await scenario(Asked(**settings))

    return asyncio.run(all_of_it())


def test_what_is_harmless_runs_without_a_question():
    async def scenario(asked):
        return await asked.permit("ls")

    assert run(scenario) == ""


@pytest.mark.parametrize(
    ("word", "answer", "said"),
    [
        ("approved", "", "approved: rm -rf x"),
        ("denied", "[not run: it removes files without asking, and it was denied]", "denied: rm -rf x"),
    ],
)
def test_a_person_decides_and_sees_the_whole_command(word, answer, said):
    command = "rm -rf x\n" + "echo more\n" * 500

    async def scenario(asked):
        permitted = asked.permit(command)
        code = await asked.code()
        assert command in asked.text
        assert asked.approvals.decide(message(), word, code) == said
        assert asked.approvals.decide(message(), word, code) == f"nothing waits under {code}: it is over"
        return await permitted

    assert run(scenario) == answer


def test_who_may_not_use_the_terminal_neither_runs_nor_approves():
    async def scenario(asked):
        assert await asked.permit("ls", GUEST) == "[not run: who asked may not use the terminal]"
        permitted = asked.permit("rm -rf x")
        code = await asked.code()
        assert asked.approvals.decide(message(origin=GUEST), "approved", code) == "you may not approve commands here"
        assert (
            asked.approvals.decide(message(session="another"), "approved", code)
            == f"nothing waits under {code}: it is over"
        )
        assert not permitted.done()
        permitted.cancel()
        await asyncio.wait({permitted})
        assert not asked.approvals.open

    run(scenario)


def test_a_question_is_over_when_nobody_answers():
    async def scenario(asked):
        return await asked.permit("rm -rf x")

    assert (
        run(scenario, patience=0.01)
        == "[not run: it removes files without asking, and nobody approved it within 0.01 s]"
    )


def test_what_cannot_be_shown_whole_is_not_asked():
    async def scenario(asked):
        return await asked.permit("rm -rf " + "x" * 20_000)

    assert "too long to be shown" in run(scenario)


def test_every_command_or_none_may_be_asked_about():
    async def scenario(asked):
        permitted = asked.permit("ls")
        assert asked.approvals.decide(message(), "approved", await asked.code())
        return await permitted

    assert run(scenario, ask="always") == ""

    async def never(asked):
        return await asked.permit("rm -rf x")

    assert run(never, ask="never") == ""


def test_of_several_that_wait_one_is_named():
    async def scenario(asked):
        first, second = asked.permit("rm -rf x"), asked.permit("rm -rf y")
        codes = [await asked.code(), await asked.code()]
        assert (
            asked.approvals.decide(message(), "approved", None)
            == f"several commands wait: name one, {', '.join(codes)}"
        )
        assert asked.approvals.decide(message(), "denied", codes[1]) == "denied: rm -rf y"
        assert asked.approvals.decide(message(), "approved", codes[0]) == "approved: rm -rf x"
        return await first, await second

    assert run(scenario)[0] == ""
