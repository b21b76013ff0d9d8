"""Every command in the documents selects tests that are there: a selection that finds nothing proves nothing."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
DOCUMENTS = [*REPOSITORY.glob("*.md"), REPOSITORY / "tests" / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
# Collecting is a matter of importing each file, which one process does once for all the commands.
COLLECT = """
import contextlib, io, json, sys
import pytest

class Count:
    def pytest_collection_finish(self, session):
        self.found = len(session.items)

counts = []
for arguments in json.load(sys.stdin):
    count = Count()
    count.found = 0
    with contextlib.redirect_stdout(io.StringIO()) as said:
        pytest.main([*arguments, "--collect-only", "-q", "-p", "no:cacheprovider"], plugins=[count])
    counts.append((count.found, said.getvalue()[-2000:]))
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
        timeout=100,
        check=True,
    )
    empty = [
        f"pytest {shlex.join(words)}: {said}"
        for words, (count, said) in zip(tests, json.loads(done.stdout), strict=True)
        if not count
    ]
    assert not empty, "\n".join(empty)
