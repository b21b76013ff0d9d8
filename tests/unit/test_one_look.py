"""What one look at many profiles reads: each file of a profile once, and what it says is handed on."""

import os
import sys
import time
from collections import Counter

from hermes_cli.cli import list_now
from hermes_cli.intents import desired
from hermes_cli.paths import resolve, sibling
from hermes_cli.programs import own, starts

_ONCE = ("desired.json", "starts.json", "telegram.json", "restart-intents/driver.lock")
_AGAIN = "gateway.json"  # by whoever manages the service, too: who says that nothing is supervised sees what runs
_opened: list[str] | None = None


def _note(event: str, arguments: tuple) -> None:
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)


def test_a_list_of_profiles_opens_each_file_of_a_profile_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    names = [f"p{number}" for number in range(4)]
    for name in names:
        paths = resolve(name)
        os.makedirs(paths.state, mode=0o700)
        starts.record(paths, os.getpid(), time.time())
        own.write(paths, own.new(os.getpid(), "abc", "1", time.time()))
        desired.write(paths.desired, "running", "a test")
    monkeypatch.setattr(sys.modules[__name__], "_opened", [])
    rows = list_now.look(resolve())
    counts = Counter(_opened)
    assert [row.state for row in rows] == ["starting"] * len(names)
    for name in names:
        state = sibling(resolve(), name).state
        assert {file: counts[f"{state}/{file}"] for file in _ONCE} == dict.fromkeys(_ONCE, 1)
        assert counts[f"{state}/{_AGAIN}"] <= 2
