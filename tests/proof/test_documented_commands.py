"""Every command in the documents selects tests that are there: a selection that finds nothing proves nothing."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from support import PATIENCE

REPOSITORY = Path(__file__).parent.parent.parent
DOCUMENTS = [*REPOSITORY.glob("*.md"), REPOSITORY / "tests" / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
# Collecting is a matter of importing each file, which one process does once for all the commands.
COLLECT = """
import argparse, contextlib, io, json, sys
import pytest
from _pytest.mark import KeywordMatcher, MarkMatcher
from _pytest.mark.expression import Expression

class Session:
    def pytest_collection_finish(self, session):
        self.items, self.default = session.items, session.config.getini("testpaths")

options = argparse.ArgumentParser()
options.add_argument("paths", nargs="*")
options.add_argument("-k", default="")
options.add_argument("-m", default="")
options.add_argument("-n")
options.add_argument("-rP", action="store_true")

commands = [options.parse_args(arguments) for arguments in json.load(sys.stdin)]
places = {place for command in commands for place in command.paths or ["tests"]}
session = Session()
with contextlib.redirect_stdout(io.StringIO()) as said:
    code = pytest.main([*sorted(places), "--collect-only", "-q", "-p", "no:cacheprovider"], plugins=[session])
assert code == 0, said.getvalue()[-2000:]

def is_below(item, place):
    return item.nodeid == place or item.nodeid.startswith((place + "/", place + "::", place + "["))

def marks(item):
    return MarkMatcher.from_markers(item.iter_markers())

def is_meant(expression, matcher, item):
    return not expression or Expression.compile(expression).evaluate(matcher(item))

counts = []
for found in commands:
    places = [place.rstrip("/") for place in found.paths or session.default]
    counts.append(sum(
        any(is_below(item, place) for place in places)
        and is_meant(found.k, KeywordMatcher.from_item, item)
        and is_meant(found.m, marks, item)
        for item in session.items
    ))
json.dump(counts, sys.stdout)
"""


def commands(text: str) -> list[list[str]]:
    """The words of each command in backticks that runs Python, without the variables in front."""
    found = []
    for quoted in re.findall(r"`([^`\n]*\bpython [^`\n]*)`", text):
        words = shlex.split(quoted)
        start = next(index for index, word in enumerate(words) if word.rpartition("/")[2] == "python")
        found.append(words[start + 1 :])
    return found


def test_every_command_selects_something_that_is_there() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    assert not re.search(r"`… (-|python|tests)", text), "a command that is cut short cannot be run"
    found = commands(text)
    tests = [words[2:] for words in found if words[:2] == ["-m", "pytest"]]
    programs = [words[0] for words in found if words[:1] != ["-m"]]
    assert len(tests) > 20
    missing = [name for name in programs if not (REPOSITORY / name).exists()]
    assert not missing
    done = subprocess.run(
        [sys.executable, "-c", COLLECT],
        input=json.dumps(tests),
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    empty = [f"pytest {shlex.join(words)}" for words, count in zip(tests, counts, strict=True) if not count]
    assert not empty, "\n".join(empty)
