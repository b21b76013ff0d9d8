"""What a start, a message and a poll ask of the store costs the same however many messages there are: by index alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_cli.gateway.conversations.message import MessageOrigin
from hermes_cli.gateway.conversations.store import Store, open_store

ASKED: dict[str, Callable[[Store], object]] = {
    "accept": lambda store: store.accept("s1", "m1", "hello", MessageOrigin.local("s1")),
    "room": Store.room,
    "waiting_in": lambda store: store.waiting_in("telegram"),
    "queued_sessions": Store.queued_sessions,
    "next_queued": lambda store: store.next_queued("s1"),
    "count_queued": lambda store: store.count_queued("s1"),
    "drop_queued": lambda store: store.drop_queued("s1", "why"),
    "running": Store.running,
    "last_seq": Store.last_seq,
}


@pytest.mark.parametrize("name", ASKED)
def test_what_waits_is_found_without_reading_every_message(tmp_path: Path, name: str) -> None:
    store, _ = open_store(str(tmp_path / "messages.sqlite"))
    statements: list[str] = []
    store._database.set_trace_callback(statements.append)
    ASKED[name](store)
    store._database.set_trace_callback(None)
    selected = [one for one in statements if one.lstrip().startswith("SELECT")]
    assert selected, statements
    for statement in selected:
        plan = [row[3] for row in store._database.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not any(step.startswith("SCAN messages") for step in plan), f"{statement}: {plan}"
        if "'queued'" in statement:  # a session's own index has all of its messages
            assert any("INDEX unfinished" in step for step in plan), f"{statement}: {plan}"
