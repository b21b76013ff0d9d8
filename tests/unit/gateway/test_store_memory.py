"""How much of the messages' file a gateway keeps in memory once it has opened it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="resident pages are read off /proc")

_STORED = 40_000  # messages, below the size up to which every page is checked at the start
_MOST = 1024  # KiB
_FILL = """
import sys
from hermes_cli.gateway.conversations.database import connect, transaction
database = connect(sys.argv[1])
with transaction(database):
    rows = ((f"{n}", "main", "user", "x" * 60, 0.0) for n in range(int(sys.argv[2])))
    database.executemany("INSERT INTO messages (id, session, role, text, at) VALUES (?, ?, ?, ?, ?)", rows)
database.close()
"""
_OPEN = """
import os, sys
from hermes_cli.gateway.conversations.database import connect
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
connect(f"{sys.argv[1]}.empty").close()
before = resident()
database = connect(sys.argv[1])
print(resident() - before)
"""


def test_what_was_checked_at_the_start_does_not_stay_in_memory(tmp_path: Path) -> None:
    """Else a gateway is the larger the more has been said, restart after restart."""
    path = str(tmp_path / "messages.sqlite")
    run(_FILL, path, str(_STORED))
    assert 4 * 1024 * 1024 < Path(path).stat().st_size < 8 * 1024 * 1024
    assert int(run(_OPEN, path)) < _MOST


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
