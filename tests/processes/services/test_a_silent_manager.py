"""A look at a service manager that does not answer is one question: "unknown" is an answer, and soon."""

import json
import os
from pathlib import Path

import pytest

from hermes_cli.services import registered
from hermes_cli.system import locks, sockets
from hermes_cli.system.durable import make_private_directory

LOOKS = [("status",), ("list",)]


def shown(document):
    return document["profiles"][0] if "profiles" in document else document


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_supervisor_that_does_not_answer_is_asked_once_and_named(hermes, at_home, look):
    make_private_directory(at_home.supervisor)
    registered.write(at_home, "embedded", program=["/bin/true"])
    lock = locks.take(f"{at_home.supervisor}/lock")
    assert lock is not None
    with sockets.listen(f"{at_home.supervisor}/sock") as listener:
        done = hermes("gateway", *look, "--json", environment={"HERMES_SERVICE_MANAGER": "embedded"})
        listener.setblocking(False)
        asked = 0
        while True:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                break
            asked += 1
    lock.release()
    assert done.returncode == 5, done.stderr
    found = shown(json.loads(done.stdout))
    assert asked == 1
    assert found["service"]["state"] == found["restarter"]["state"] == "unknown"
    unknown = next(one for one in found["problems"] if one["code"] == "unknown")
    assert unknown["text"].startswith(f"the supervisor, pid {os.getpid()}, does not answer")
    assert unknown["command"] is None
    assert f"kill -KILL {os.getpid()}" in unknown["mend"]


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_systemd_that_does_not_answer_is_asked_once(hermes, at_home, tmp_path, look):
    make_private_directory(at_home.state)
    registered.write(at_home, "systemd", scope="user")
    (tmp_path / "bin").mkdir()
    client = tmp_path / "bin" / "systemctl"
    client.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\nexec sleep 600\n')
    client.chmod(0o755)
    done = hermes(
        "gateway",
        *look,
        "--json",
        environment={
            "HERMES_SERVICE_MANAGER": "systemd",
            "PATH": f"{client.parent}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": f"{tmp_path}/config",
        },
    )
    assert done.returncode == 5, done.stderr
    found = shown(json.loads(done.stdout))
    assert found["service"]["state"] == found["restarter"]["state"] == "unknown"
    assert len(Path(tmp_path, "asked").read_text().splitlines()) == 1
