"""Whatever stands in a file, nothing but lines of letters leaves the command line, and nothing else is logged."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from hermes_cli.intents.record import is_id
from hermes_cli.intents.request import make_directories
from hermes_cli.paths import Paths

HOSTILE = "\x1b[2J\x1b]0;x\x07\r\nhermes: all is well\x9b31m\x7f\u202e"
BAD = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae")
COMMANDS = (
    ("gateway", "status"),
    ("gateway", "status", "--json"),
    ("gateway", "doctor"),
    ("gateway", "intents", "list"),
    ("gateway", "intents", "list", "--json"),
    ("update", "--history"),
    ("gateway", "stop"),
    ("gateway", "uninstall"),
)


def poisoned(value: Any) -> Any:
    """The same document with every text but ids and words of the protocol poisoned."""
    if isinstance(value, dict):
        return {
            key: one if key in {"id", "schema", "profile", "manager"} else poisoned(one) for key, one in value.items()
        }
    if isinstance(value, list):
        return [poisoned(one) for one in value]
    return value + HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_text_of_a_file_reaches_the_terminal_as_it_is(hermes, home, record, command) -> None:
    paths = Paths("default", f"{home}/state", str(home), f"{home}/logs")
    make_directories(paths.intents)
    intents = Path(paths.intents)
    settled = {**record(), "outcome": "failed", "detail": "d", "trigger": "cli", "took": 1.0, "attempts": 1}
    assert is_id(settled["id"])
    documents = {
        intents / "settled" / f"{settled['id']}.json": {
            **poisoned(settled),
            "requested_at": settled["requested_at"],
            "action": "restart",
        },
        Path(paths.instance): {**poisoned({"state": "ready", "revision": "r", "version": "v"}), "pid": os.getpid()},
        Path(paths.desired): poisoned({"state": "running", "by": "somebody"}),
        Path(paths.updates) / f"{settled['id']}.json": {
            **poisoned(
                {"old": "a", "new": "b", "old_shown": "a", "new_shown": "b", "why": "w", "command": "c", "outcome": "o"}
            ),
            "schema": 2,
            "intent": settled["id"],
            "source": {"kind": "git"},
            "step": "proven",
            "rolls_back": "x",
        },
    }
    for path, document in documents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
        path.chmod(0o600)
    (intents / "pending" / HOSTILE.replace("/", "")).write_text("no record")
    done = hermes(*command)
    shown = done.stdout + done.stderr
    assert "hermes: all is well" in shown or "list" not in command, shown  # it was read at all
    for stream in (done.stdout, done.stderr):
        raw = stream.encode(errors="surrogateescape")
        assert not BAD.search(raw), raw
        assert b"\nhermes: all is well" not in raw
    for log in Path(paths.logs).glob("*.log"):
        assert not BAD.search(log.read_bytes())


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_what_a_child_wrote_into_a_log_is_shown_without_what_a_terminal_obeys(hermes, home, options) -> None:
    log = Path(home, "logs", "gateway.log")
    log.parent.mkdir(mode=0o700, exist_ok=True)
    log.write_bytes(f"first\twörd {HOSTILE}\n".encode() + b"\xff\x1b[31m without an end")
    done = hermes("gateway", "logs", *options)
    assert done.returncode == 0, done.stderr
    assert not BAD.search(done.stdout.encode())
    assert "wörd" in done.stdout or "w\\u00f6rd" in done.stdout
