"""What endpoints send, and what is made of it; each case names where it was seen."""

import json

import pytest

from hermes_cli.gateway.agents.model.deltas import Call, Deltas

UPDATE = '{"command": "hermes update"}'


def of(*deltas, finish=None):
    """The answer that is put together from these deltas, and the text that was shown of it."""
    found = Deltas()
    shown = [found.add({"choices": [{"delta": delta}]}) for delta in deltas]
    if finish is not None:
        found.add({"choices": [{"delta": {}, "finish_reason": finish}]})
    shown.append(found.end())
    completion = found.completion()
    assert "".join(shown) == completion.text
    return completion


def piece(arguments="", *, name=None, **more):
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"tool_calls": [{"function": function, **more}]}


def commands(completion):
    return [(call.name, call.values) for call in completion.calls]


ONE = [("terminal", {"command": "hermes update"})]
TWO = [("terminal", {"command": "a"}), ("terminal", {"command": "b"})]


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(
            [piece(name="terminal", index=0, id="1"), piece(UPDATE[:9], index=0), piece(UPDATE[9:], index=0)],
            id="as it is documented",
        ),
        pytest.param(
            [piece(name="terminal", id="1"), piece(UPDATE[:9]), piece(UPDATE[9:])], id="no index, Ollama #7881"
        ),
        pytest.param([piece(UPDATE, name="terminal", index=0)], id="no id, Ollama, continue #13235"),
        pytest.param(
            [piece(name="terminal", index=0, id="1"), piece(UPDATE, index=0, id=None)],
            id="id null later, SGLang #35542",
        ),
        pytest.param(
            [piece(name="terminal", index=0, id="1"), piece(UPDATE, index=0, id="")], id="id empty later, SGLang #35542"
        ),
        pytest.param(
            [piece(UPDATE[:9], name="terminal", index=0, id="1"), piece(UPDATE[9:], name="terminal", index=0, id="1")],
            id="id and name in each chunk, SGLang #4700",
        ),
        pytest.param(
            [piece(UPDATE[:9], name="terminal", index=0, id="1"), piece(UPDATE[9:], name="", index=0)],
            id="name empty later, SGLang #4700",
        ),
        pytest.param(
            [piece(json.loads(UPDATE), name="terminal", index=0, id="1")], id="arguments as an object, whole at once"
        ),
    ],
)
def test_one_call_is_one_call_however_it_is_cut(deltas):
    assert commands(of(*deltas, finish="tool_calls")) == ONE


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(
            [
                piece('{"command": "a"}', name="terminal", index=0, id="1"),
                piece('{"command": "b"}', name="terminal", index=1, id="2"),
            ],
            id="as it is documented",
        ),
        pytest.param(
            [
                piece('{"command": "a"}', name="terminal", index=0, id="1"),
                piece('{"command": "b"}', name="terminal", index=0, id="2"),
            ],
            id="index always 0, Ollama #15457",
        ),
        pytest.param(
            [
                piece('{"command": "a"}', name="terminal", index=0),
                piece('{"command": "b"}', name="terminal", index=0),
            ],
            id="index always 0 and no id",
        ),
        pytest.param(
            [
                piece('{"command": "a"}', name="terminal", id="1"),
                piece('{"command": "b"}', name="terminal", id="2"),
            ],
            id="no index, Gemini's layer",
        ),
    ],
)
def test_two_calls_are_two_calls(deltas):
    assert commands(of(*deltas)) == TWO
    assert len({call.id for call in of(*deltas).calls}) == 2


def test_a_call_without_an_id_is_given_one():
    (call,) = of(piece(UPDATE, name="terminal", index=0)).calls
    assert call.id


@pytest.mark.parametrize("finish", ["stop", None, "tool_calls"])
def test_calls_count_and_not_the_finish_reason(finish):
    # Gemini's layer, python-genai #2868: "stop" beside calls.
    assert commands(of(piece(UPDATE, name="terminal", index=0, id="1"), finish=finish)) == ONE


def test_text_in_the_chunk_that_finishes_is_kept():
    found = Deltas()
    found.add({"choices": [{"delta": {"role": "assistant", "content": None}}]})
    found.add({"choices": [{"delta": {"content": "Done."}, "finish_reason": "stop"}]})  # vLLM #35705
    assert (found.completion().text, found.is_finished) == ("Done.", True)


@pytest.mark.parametrize("chunk", [{"choices": [], "usage": {}}, {}, {"choices": None}, {"choices": [{"delta": None}]}])
def test_a_chunk_without_a_choice_says_nothing(chunk):
    found = Deltas()
    assert found.add(chunk) == ""
    assert found.completion().is_empty


def test_arguments_that_are_missing_are_none_and_those_that_are_no_object_are_not_believed():
    assert Call("1", "terminal", "").values == {}
    for arguments in ('{"command": "a', "[]", '"a"', "a", "[" * 100_000):
        assert Call("1", "terminal", arguments).values is None


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_details"])
def test_thoughts_are_not_shown_and_are_no_answer(name):
    found = of({name: "I should restart it"}, {"content": ""}, finish="stop")
    assert (found.text, found.is_empty) == ("", True)


@pytest.mark.parametrize("cut", range(1, 40))
def test_thoughts_in_the_text_are_left_out_wherever_a_tag_is_cut(cut):
    text = "A <think>secret < plan</think>B < C <thin"
    found = of(*[{"content": text[at : at + cut]} for at in range(0, len(text), cut)])
    assert found.text == "A B < C <thin"


def test_a_call_that_is_written_as_text_is_told_and_no_call():
    found = of({"content": '<tool_call>{"name": "terminal"}</tool_call>'})
    assert found.has_calls_as_text
    assert found.calls == ()


def test_an_answer_that_is_not_streamed_is_read_alike():
    found = Deltas()
    call = {"id": "1", "type": "function", "function": {"name": "terminal", "arguments": UPDATE}}
    found.add({"choices": [{"message": {"content": "Now.", "tool_calls": [call]}, "finish_reason": "tool_calls"}]})
    assert (found.completion().text, commands(found.completion())) == ("Now.", ONE)
