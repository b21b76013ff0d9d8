"""Fuzz the reader of records with atheris: `python tests/fuzz_record.py -max_total_time=60` (pip install atheris).

Any exception but RecordError is a crash of every command's look at pending/.
"""

import json
import sys

import atheris

with atheris.instrument_imports(include=["hermes_cli"]):
    from hermes_cli.intents.record import RecordError, parse

IDENTIFIER = "20261123T160511.123456Z-4321-9f3a"
FIELDS = ("schema", "action", "reason", "requested_at", "profile", "boot_id", "target", "revision", "requester")
MORE = ("origin", "force", "drain_timeout", "expires_at", "pid", "create_time", "start_ticks", "in_tree", "message")


def value(source: atheris.FuzzedDataProvider, depth: int) -> object:
    """Anything that JSON can hold."""
    kind = source.ConsumeIntInRange(0, 7 if depth else 5)
    if kind == 0:
        return source.PickValueInList([None, True, False, "default", "restart", "reload", "update", 10**400])
    if kind in {1, 2}:
        return source.ConsumeUnicode(40)
    if kind == 3:
        return source.ConsumeInt(8)
    if kind == 4:
        return source.ConsumeFloat()
    if kind == 5:
        return f"{source.ConsumeIntInRange(0, 10000)}-{source.ConsumeIntInRange(0, 13)}-01T00:00:00"
    if kind == 6:
        return [value(source, depth - 1) for _ in range(source.ConsumeIntInRange(0, 3))]
    names = [source.PickValueInList([*FIELDS, *MORE]) for _ in range(source.ConsumeIntInRange(0, 5))]
    return {name: value(source, depth - 1) for name in names}


def one(data: bytes) -> None:
    """One record: the bytes as they are, and fields made of them."""
    source = atheris.FuzzedDataProvider(data)
    names = [source.PickValueInList([*FIELDS, *MORE]) for _ in range(source.ConsumeIntInRange(0, 8))]
    document = {"id": IDENTIFIER} | {name: value(source, 3) for name in names}
    for content in (data, json.dumps(document).encode()):
        try:
            intent = parse(content, IDENTIFIER, "default")
        except RecordError:
            continue
        assert intent.id == IDENTIFIER
        assert str(intent.requester).isprintable()


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
