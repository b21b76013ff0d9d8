"""What becomes of a request whose record is on the disk while nothing else works any more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hermes_cli.intents.request import compose
from hermes_cli.paths import resolve

# No file, socket or process can be opened once the record is durable.
_BEGIN = """
import json, resource, sys
from hermes_cli.intents import request
from hermes_cli.paths import resolve
from hermes_cli.restart import send
paths, record = resolve(), json.loads(sys.argv[1])
request.submit(paths.intents, record)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
submitted = send.begin(paths, send.Submitted(record))
submitted.is_poked = True
submitted.obstacle = {obstacle!r}
send.look_after(paths, submitted)
print(submitted.id)
"""


@pytest.mark.parametrize("in_tree", [True, False])
@pytest.mark.parametrize("obstacle", [None, "no room"])
def test_nothing_that_fails_after_the_record_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_tree: bool, obstacle: str | None
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    monkeypatch.delenv("HERMES_PROFILE", raising=False)
    paths = resolve()
    record = compose(paths.profile, reason="manual", command="a test", target=None, in_tree=in_tree, drain_timeout=1.0)
    argv = [sys.executable, "-c", _BEGIN.format(obstacle=obstacle), json.dumps(record)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, record["id"], "")
    assert [intent.id for intent in paths.queue.unsettled()] == [record["id"]]
