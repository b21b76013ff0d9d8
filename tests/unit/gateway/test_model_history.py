"""What a model is told of the conversation so far."""

import pytest

from hermes_cli.gateway.agents.model.history import CUT_OFF, NOT_BEGUN, Clipped, answered, clipped, conversation
from hermes_cli.gateway.conversations.message import Message, MessageOrigin

HERE = MessageOrigin.local("main")


def said(seq, role, text, reply_to=None):
    return Message(seq, "main", f"m{seq}", role, text, 0.0, HERE, reply_to)


def calling(*identifiers):
    calls = [
        {"id": one, "type": "function", "function": {"name": "terminal", "arguments": "{}"}} for one in identifiers
    ]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def result(identifier, text="done"):
    return {"role": "tool", "tool_call_id": identifier, "content": text}


def told(messages, steps=None, room=10_000):
    return conversation(messages, lambda seq: (steps or {}).get(seq, []), "be brief", room)


def test_a_turn_of_before_is_told_by_its_steps():
    steps = {1: [calling("a"), result("a"), {"role": "assistant", "content": "It is done."}]}
    messages = [said(1, "user", "do it"), said(2, "assistant", "$ x\nIt is done.", "m1"), said(3, "user", "thanks")]
    assert told(messages, steps) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "do it"},
        *steps[1],
        {"role": "user", "content": "thanks"},
    ]


def test_a_turn_that_was_cut_off_says_what_was_begun_and_that_nobody_knows_more():
    messages = [said(1, "user", "do it"), said(2, "assistant", "cut off by the restart", "m1"), said(3, "user", "so?")]
    found = told(messages, {1: [calling("a", "b", "c"), result("a")]})
    assert found[3:7] == [
        result("a"),
        result("b", CUT_OFF),
        result("c", NOT_BEGUN),
        {"role": "assistant", "content": "cut off by the restart"},
    ]


def test_outcomes_of_restarts_are_in_the_history():
    messages = [said(1, "user", "do it"), said(2, "assistant", "recorded", "m1"), said(3, "notice", "restarted: pid 7")]
    found = told([*messages, said(4, "user", "so?")])
    assert found[-2] == {"role": "user", "content": "[notice of the gateway] restarted: pid 7"}


def test_commands_of_the_gateway_are_not_told():
    messages = [said(1, "user", "/status"), said(2, "assistant", "gateway pid 7", "m1"), said(3, "user", "hello")]
    assert told(messages)[1:] == [{"role": "user", "content": "hello"}]


def test_a_reply_stands_behind_its_question_though_others_came_before_it():
    messages = [said(1, "user", "one"), said(2, "user", "two"), said(3, "assistant", "1", "m1")]
    assert [one["content"] for one in told([*messages, said(4, "user", "three")])[1:]] == ["one", "1", "two", "three"]


def test_the_oldest_turns_make_room_and_the_last_message_is_always_told():
    messages = [said(number, "user", f"{number} {'x' * 400}") for number in range(1, 9)]
    found = told(messages, room=1500)
    assert [one["content"][0] for one in found[1:]] == ["6", "7", "8"]
    assert told([said(1, "user", "x" * 5000)], room=1000)[-1]["content"] == "x" * 5000


def test_a_long_result_of_before_is_told_by_its_head_and_its_tail():
    messages = [said(1, "user", "do it"), said(2, "assistant", "ok", "m1"), said(3, "user", "so?")]
    found = told(messages, {1: [calling("a"), result("a", f"begin{'x' * 9000}end")]})
    (text,) = [one["content"] for one in found if one["role"] == "tool"]
    assert text.startswith("begin")
    assert text.endswith("end")
    assert len(text) < 2100


@pytest.mark.parametrize("steps", [[], [calling("a"), result("a")], [{"role": "assistant", "content": "hello"}]])
def test_whole_steps_are_left_as_they_are(steps):
    assert answered(steps) == steps


def test_a_short_text_is_not_clipped():
    assert clipped("x" * 100, 100) == "x" * 100
    assert len(clipped("x" * 101, 100)) > 100


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_output_in_pieces_is_clipped_like_the_whole(size):
    text = "".join(f"{number}\n" for number in range(500))
    found = Clipped(100)
    for at in range(0, len(text), size):
        found.add(text[at : at + size])
    assert found.text == clipped(text, 100)
    assert found.text.startswith(text[:50])
    assert found.text.endswith(f"{len(text) - 100} characters left out …]\n{text[-50:]}")
