"""Lines from anybody: understood, or refused with a reason."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_cli.gateway.channels.local import protocol


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_what_is_encoded_is_one_line_and_decodes_to_the_same(document):
    line = protocol.encode(document)
    assert line.count(b"\n") == 1
    assert protocol.decode(line) == document


@given(st.binary())
def test_any_bytes_are_an_object_or_a_protocol_error(line):
    with contextlib.suppress(protocol.ProtocolError):
        assert isinstance(protocol.decode(line), dict)


@pytest.mark.parametrize("identifier", ["", "outcome:1", "reply:m1", "a b", "é", "x" * 129, 7, None, "a\n"])
def test_an_id_that_could_be_taken_for_the_gateways_own_is_refused(identifier):
    with pytest.raises(protocol.RefusedError):
        protocol.message_id({"id": identifier})


@pytest.mark.parametrize("session", ["", "x" * 129, "a\nb", "\x1b[2J", 7, None])
def test_a_session_name_that_cannot_be_shown_is_refused(session):
    with pytest.raises(protocol.RefusedError):
        protocol.session({"session": session})


@pytest.mark.parametrize("number", [-1, True, 1.5, "1", 2**63])
def test_a_seq_that_sqlite_could_not_hold_is_refused(number):
    with pytest.raises(protocol.RefusedError):
        protocol.number({"after": number}, "after", 0)


def test_an_undecodable_file_name_becomes_storable_text():
    assert protocol.text({"text": "caf\udce9"}) == "caf?"
    assert protocol.decode(protocol.encode({"text": "caf\udce9"})) == {"text": "caf?"}
