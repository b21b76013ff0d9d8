"""The look that every command takes says only what is there."""

import os

from hermes_cli.paths import Paths
from hermes_cli.restart import wake


def test_what_a_driver_finishes_between_two_looks_is_not_called_an_update(tmp_path, monkeypatch):
    paths = Paths("default", f"{tmp_path}/state", str(tmp_path), f"{tmp_path}/logs", str(tmp_path))
    os.makedirs(paths.pending)
    record = f"{paths.pending}/20261127T080000.000000Z-1-0000.json"

    def settled_meanwhile(_: object) -> bool:
        os.unlink(record)
        return False

    monkeypatch.setattr("hermes_cli.intents.queue.Queue.is_driven", settled_meanwhile)
    with open(record, "w", encoding="ascii") as file:
        file.write("{}")
    assert wake.look(paths) is None
