"""The record: what a requester composes is what readers see, and nothing that lies there can hurt a reader."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.values import replace

from hermes_cli.intents.record import LIMIT, Intent, Origin, RecordError, Requester, is_id, parse
from hermes_cli.intents.request import compose, new_id, timestamp
from hermes_cli.programs.own import parse as parse_instance
from hermes_cli.system.process import Identity

ID = "20261123T160511.123456Z-4321-9f3a"
AT = 1795449911.123456
MINIMAL = {"schema": 1, "id": ID}


def read(document, identifier=ID, profile="default"):
    return parse(json.dumps(document).encode(), identifier, profile)


@pytest.fixture
def composed(record):
    return record(
        reason="update",
        command="hermes update",
        target={"pid": 4242, "create_time": 1795449670.7, "start_ticks": 77},
        in_tree=True,
        revision="91ab77d",
        origin={"channel": "telegram", "chat": "c", "message": "m", "turn": "t"},
        force=True,
        drain_timeout=42.0,
    )


def test_what_is_composed_is_what_is_read(composed):
    found = read(composed, composed["id"])
    assert found.id == composed["id"]
    assert (found.action, found.reason, found.profile) == ("restart", "update", "default")
    assert found.target == Identity(4242, 1795449670.7, 77, composed["boot_id"])
    assert found.requester == Requester(composed["requester"]["pid"], "hermes update", in_tree=True)
    assert found.origin == Origin("telegram", "c", "m", "t")
    assert (found.force, found.drain_timeout, found.revision) == (True, 42.0, "91ab77d")
    assert timestamp(found.requested_at)[:23] == composed["requested_at"][:23]
    assert found.document == composed


def test_a_record_has_every_documented_field(record):
    documented = (
        "schema id action reason requested_at profile boot_id target revision requester origin force drain_timeout "
        "expires_at"
    )
    assert set(record()) >= set(documented.split())


def test_a_manual_request_expires_and_an_updates_does_not(record):
    manual, update = (read(one, one["id"]) for one in (record(), record(reason="update")))
    assert manual.expires_at == pytest.approx(manual.requested_at + 3600, abs=0.01)
    assert update.expires_at is None


@given(st.floats(0, 4e9))
def test_an_id_is_recognised_sorts_by_time_and_tells_it(at):
    identifier = new_id(at)
    assert is_id(identifier)
    assert new_id(at + 1)[:23] > identifier[:23]
    assert read({"id": identifier}, identifier).requested_at == int(at)


def test_ids_of_one_moment_differ():
    assert len({new_id(AT) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    "text", ["", "x", "../" + ID, f"{ID}/..", ID + "\n", "/" + ID, ID + ".json", ".", "..", "\0", ID.replace("Z", "/")]
)
def test_nothing_with_the_parts_of_a_path_is_an_id(text):
    assert not is_id(text)


# Tolerance.


def test_unknown_fields_are_ignored(composed):
    extended = {**composed, "colour": "green", "requester": {**composed["requester"], "mood": 1}}
    plain = read(composed, composed["id"])
    assert replace(read(extended, composed["id"]), document={}) == replace(plain, document={})


@pytest.mark.parametrize(
    "name",
    [
        "schema",
        "action",
        "reason",
        "requested_at",
        "profile",
        "boot_id",
        "target",
        "revision",
        "requester",
        "origin",
        "force",
        "drain_timeout",
        "expires_at",
    ],
)
def test_a_missing_field_degrades(composed, name):
    del composed[name]
    assert isinstance(read(composed, composed["id"]), Intent)


def test_a_record_of_nothing_but_an_id_is_a_cautious_restart():
    found = read({"id": ID})
    assert found.action == "restart"
    assert found.requested_at == 1795449911
    assert found.target is None
    assert found.requester.in_tree
    assert found.is_automatic
    assert not found.force
    assert found.expires_at is None


@pytest.mark.parametrize("value", [7, [], {}, True, None, "yesterday", "9" * 50, "2026-13-45T99:99:99"])
@pytest.mark.parametrize("name", ["reason", "requested_at", "boot_id", "revision", "requester", "origin", "expires_at"])
def test_a_field_of_a_wrong_type_is_as_good_as_missing(name, value):
    assert isinstance(read({**MINIMAL, name: value}), Intent)


@pytest.mark.parametrize("value", ["x", -1, True, [], float("nan"), None])
def test_a_senseless_drain_timeout_means_the_configured_one(value):
    assert read({**MINIMAL, "drain_timeout": value}).drain_timeout is None


@pytest.mark.parametrize("value", [1e300, float("inf"), 10**400], ids=["float", "infinite", "long"])
def test_an_endless_drain_is_cut_to_a_day(value):
    assert read({**MINIMAL, "drain_timeout": value}).drain_timeout == 86400


@pytest.mark.parametrize("value", [1, "true", [True], {}])
def test_only_true_forces(value):
    assert not read({**MINIMAL, "force": value}).force


def test_a_time_without_a_zone_is_utc():
    assert read({**MINIMAL, "requested_at": "1970-01-01T00:01:00"}).requested_at == 60


def test_strings_are_bounded_and_printable():
    found = read({**MINIMAL, "reason": "\x1b[31m" + "x" * 9000, "requester": {"command": "a\nb\u202e\ud800"}})
    assert len(found.reason) == 500
    assert found.reason.isprintable()
    assert found.requester.command == "a?b??"


def test_the_targets_boot_is_the_records_own():
    assert read({**MINIMAL, "boot_id": "b", "target": {"pid": 4}}).target == Identity(4, None, None, "b")


# Refusals.


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({**MINIMAL, "schema": 2}, "newer"),
        ({**MINIMAL, "schema": 0}, "schema"),
        ({**MINIMAL, "schema": "1"}, "schema"),
        ({**MINIMAL, "schema": True}, "schema"),
        ({**MINIMAL, "id": ID.replace("9f3a", "9f3b")}, "id"),
        ({"schema": 1}, "id"),
        ({**MINIMAL, "profile": "work"}, "profile"),
        ({**MINIMAL, "profile": None}, "profile"),
        ({**MINIMAL, "action": "rm -rf /"}, "action"),
        ({**MINIMAL, "action": None}, "action"),
        ({**MINIMAL, "target": {}}, "target"),
        ({**MINIMAL, "target": {"pid": 0}}, "target"),
        ({**MINIMAL, "target": {"pid": -1}}, "target"),
        ({**MINIMAL, "target": {"pid": True}}, "target"),
        ({**MINIMAL, "target": "4242"}, "target"),
        ([], "object"),
        ("restart", "object"),
        (float("nan"), "object"),
        (None, "object"),
    ],
)
def test_what_is_no_intent_of_ours_is_refused_with_why(document, why):
    with pytest.raises(RecordError, match=why):
        read(document)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 60000, b'{"a":' * 9000, b"\0" * 100, b"9" * 9000])
def test_bytes_that_are_no_json_are_refused(data):
    with pytest.raises(RecordError):
        parse(data, ID, "default")


@pytest.mark.parametrize("identifier", ["../../etc/passwd", "x", "", "a/b"])
def test_an_id_that_agrees_but_is_none_is_refused(identifier):
    with pytest.raises(RecordError):
        read({"id": identifier}, identifier)


@pytest.mark.parametrize(
    "number", [10**400, -(10**400), float("nan"), float("inf")], ids=["long", "-long", "nan", "inf"]
)
@pytest.mark.parametrize("name", ["pid", "create_time", "start_ticks"])
def test_a_target_with_an_absurd_number_is_refused_or_simply_not_alive(name, number):
    try:
        found = read({**MINIMAL, "target": {"pid": 4242, name: number}})
    except RecordError:
        return
    assert found.target is not None
    assert not found.target.is_alive()


# Whatever lies there.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "schema",
    "id",
    "action",
    "reason",
    "requested_at",
    "profile",
    "boot_id",
    "target",
    "revision",
    "requester",
    "origin",
    "force",
    "drain_timeout",
    "expires_at",
    "pid",
    "create_time",
    "start_ticks",
    "command",
    "in_tree",
    "channel",
    "chat",
    "message",
]
RECORDS = st.dictionaries(
    st.sampled_from(FIELDS), JSON | st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4), max_size=9
)
NEAR_MISSES = st.builds(lambda fields, base: {**fields, **base}, RECORDS, st.sampled_from([{}, {"id": ID}, MINIMAL]))


def parses_or_refuses(data):
    why = ""
    try:
        found = parse(data, ID, "default")
    except RecordError as error:
        why = str(error)
        found = None
    if found is None:
        assert why
        assert "\n" not in why
        return
    assert found.id == ID
    assert found.drain_timeout is None or 0 <= found.drain_timeout <= 86400
    assert found.action in {"restart", "reload"}


@given(st.binary(max_size=300))
def test_no_bytes_make_parse_raise_anything_else(data):
    parses_or_refuses(data)


@given(NEAR_MISSES | JSON)
def test_no_json_makes_parse_raise_anything_else(document):
    parses_or_refuses(json.dumps(document).encode())


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "create_time",
                "start_ticks",
                "boot_id",
                "state",
                "started_at",
                "active_turns",
                "signals",
                "drain",
                "exit_code",
            ]
        ),
        JSON | st.integers(1, 9) | st.fixed_dictionaries({"turns": JSON, "since": JSON, "deadline": JSON}),
    )
)
def test_no_gateway_json_makes_its_reader_raise(document):
    parse_instance({"pid": 4242, **document})


def test_an_honest_record_is_far_below_the_limit(composed):
    assert len(json.dumps(composed)) * 10 < LIMIT


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ({"pid": 7, "command": "x", "in_tree": False}, Requester(7, "x", in_tree=False)),
        ({"pid": "7"}, Requester(0, "unknown", in_tree=True)),
        ({"pid": True, "in_tree": 0}, Requester(0, "unknown", in_tree=True)),
        ("who", Requester(0, "unknown", in_tree=True)),
    ],
)
def test_who_asked_is_what_was_said_or_unknown_which_is_in_tree(said, understood):
    assert read({**MINIMAL, "requester": said}).requester == understood


def test_a_time_that_is_missing_is_the_ids_wherever_one_lives(monkeypatch):
    try:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert read(MINIMAL).requested_at == float(int(AT))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_id_that_is_no_date_is_of_the_beginning_of_time():
    assert read({"schema": 1, "id": "20269999T999999.1Z-1-a"}, "20269999T999999.1Z-1-a").requested_at == 0.0


def test_a_timestamp_is_exact_to_the_microsecond():
    assert timestamp(1795449911.25) == "2026-11-23T16:05:11.250000+00:00"


def test_nobody_is_forced_and_in_tree_unless_it_is_said(paths, record):
    made = compose(paths.profile, reason="manual", command="x", target=None, in_tree=False)
    assert (made["force"], made["drain_timeout"]) == (False, 180.0)
    assert read(made, made["id"]).requester.in_tree is False


def test_a_target_may_name_a_generation_of_its_process(record):
    named = record(target={"pid": 4242, "create_time": 1795449670.7, "start_ticks": 77, "generation": AT})
    assert read(named, named["id"]).generation == AT
    odd = record(target={"pid": 4242, "create_time": 1795449670.7, "generation": "yesterday"})
    assert read(odd, odd["id"]).generation is None
