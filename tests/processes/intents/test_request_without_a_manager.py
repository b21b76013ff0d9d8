"""A request where no service manager would run a driver: a real one is started, in-tree too."""

import time
from pathlib import Path

import pytest
from support import PATIENCE

from hermes_cli.intents import desired
from hermes_cli.intents.request import compose
from hermes_cli.paths import resolve
from hermes_cli.restart import send
from hermes_cli.system.directory_watch import DirectoryWatch

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("in_tree", [True, False])
def test_a_driver_is_started_where_no_supervisor_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_tree: bool
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    monkeypatch.setenv("HERMES_SERVICE_MANAGER", "embedded")
    monkeypatch.delenv("HERMES_PROFILE", raising=False)
    paths = resolve()
    paths.queue.make_directories()
    desired.write(paths.desired, "stopped", "a test")  # so that the driver has to start nothing
    record = compose(paths.profile, reason="manual", command="a test", target=None, in_tree=in_tree, drain_timeout=1.0)
    deadline = time.monotonic() + PATIENCE
    with DirectoryWatch(paths.queue.settled) as watch:
        submitted = send.send(paths, record)
        while (found := paths.queue.find(submitted.id)) is None:
            assert time.monotonic() < deadline, "nobody has settled it"
            watch.wait(1.0)
    assert (found.outcome, found.trigger) == ("cancelled", "poke")
