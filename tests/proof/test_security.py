"""Who can write into pending/ gains a restart of this profile's own gateway, and nothing else. See docs/threat-model.md."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.machines.installation import Installation
from support.models.in_place import InPlace, drive, paths_below

from hermes_cli.intents.request import compose, make_directories, new_id, submit
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import process
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Identity

NOBODY = 65534


@pytest.fixture
def paths(tmp_path) -> Paths:
    found = paths_below(str(tmp_path))
    make_directories(found.intents)
    return found


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of this user that is no gateway."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as child:
        yield child
        child.kill()


def put(paths: Paths, document: object, name: str | None = None) -> str:
    """A record as an attacker writes it: no fsync, no rename."""
    name = name or f"{new_id(time.time())}.json"
    if isinstance(document, dict):
        document = {"id": name.removesuffix(".json"), **document}
    descriptor = os.open(f"{paths.pending}/{name}", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, document if isinstance(document, bytes) else json.dumps(document).encode())
    os.close(descriptor)
    return name.removesuffix(".json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    *("schema", "id", "action", "reason", "requested_at", "profile", "boot_id", "target", "revision", "requester"),
    *("origin", "force", "drain_timeout", "expires_at", "command", "label", "path", "argv", "outcome", "took"),
]
HOSTILE = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=12) | st.binary(max_size=300) | JSON
PLAUSIBLE = st.fixed_dictionaries(
    {},
    optional={
        "schema": st.sampled_from([1, 0, 2, -1, True, "1", 10**400]),
        "action": st.sampled_from(["restart", "reload", "exec", "stop", {}]),
        "reason": st.sampled_from(["manual", "update", "\ud800", "x" * 10**4]),
        "target": st.fixed_dictionaries(
            {"pid": st.sampled_from([1, os.getpid(), os.getppid(), -1, 0, 2**31, 10**30])},
            optional={"create_time": st.floats(), "start_ticks": st.integers()},
        ),
        "requested_at": st.sampled_from(["0001-01-01T00:00:00", "9999-12-31T23:59:59", "2026-11-23", "x"]),
        "expires_at": st.sampled_from(["0001-01-01T00:00:00", "9999-12-31T23:59:59+00:00"]),
        "drain_timeout": st.floats() | st.integers(),
        "profile": st.sampled_from(["default", "../../other", "other"]),
        "requester": JSON,
        "origin": JSON,
        "force": JSON,
    },
)


@settings(max_examples=int(os.environ.get("HERMES_PROOF_EXAMPLES", max(400, settings().max_examples))))
@given(st.lists(HOSTILE | PLAUSIBLE, min_size=1, max_size=4))
def test_no_content_of_a_record_signals_a_stranger_starts_twice_or_stays(contents):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as root:
        paths = paths_below(root)
        make_directories(paths.intents)
        put_there = {put(paths, content) for content in contents}
        with mock.patch.object(process, "send") as send:
            assert drive(paths) <= 1
        assert not send.called
        assert os.listdir(paths.pending) == []
        aside = {name.removesuffix(".json") for name in os.listdir(paths.queue.rejected)}
        assert {one.intent.id for one in paths.queue.history()} | aside == put_there
        assert sorted(os.listdir(root)) == ["state"]


def test_a_record_that_names_a_living_stranger_harms_nobody(paths, bystander):
    who = Identity.of(bystander.pid)
    assert who is not None
    InPlace(paths).demand_start()
    identifier = put(paths, {"target": who.document(), "force": True, "drain_timeout": 0})
    assert drive(paths) == 0
    assert bystander.poll() is None
    assert paths.queue.find(identifier) is not None


@pytest.mark.parametrize("signals", [["SIGUSR1"], []])
def test_a_gateway_json_with_a_reused_pid_signals_nobody(paths, bystander, signals):
    who = Identity.of(bystander.pid)
    assert who is not None
    stale = Identity(who.pid, (who.create_time or 0) - 500, (who.start_ticks or 0) - 50000, who.boot_id)
    document = {**own.document(own.new(os.getpid(), "x", "0", time.time())), **stale.document()}
    Path(paths.instance).write_text(json.dumps({**document, "state": "ready", "signals": signals}))
    put(paths, {"target": stale.document()})
    drive(paths)
    assert bystander.poll() is None


def test_no_command_path_or_label_in_a_record_is_ever_used(paths, tmp_path):
    proof = tmp_path / "executed"
    hostile = dict.fromkeys(
        ("command", "argv", "program", "label", "path", "reason", "revision", "hook"), f"touch {proof}"
    )
    put(paths, {**hostile, "requester": {"command": f"$(touch {proof})"}, "label": "com.apple.loginwindow"})
    calls: list[tuple] = []
    with mock.patch.object(subprocess, "Popen", side_effect=lambda *a, **k: calls.append(a)):
        drive(paths)
    assert not calls
    assert not proof.exists()
    assert os.listdir(paths.pending) == []


@pytest.mark.parametrize("identifier", ["../../victim", "/etc/passwd", "..", "a/b", "\0", "x" * 5000])
def test_an_id_with_path_parts_leads_nowhere(paths, tmp_path, identifier):
    (tmp_path / "victim.json").write_text("{}")
    put(paths, {"id": identifier})
    drive(paths)
    assert len(os.listdir(paths.queue.rejected)) == 1
    assert paths.queue.find(identifier) is None
    assert (tmp_path / "victim.json").read_text() == "{}"


def test_a_settled_record_that_is_put_back_does_nothing(paths):
    identifier = submit(paths.intents, compose(paths.profile, reason="manual", command="x", target=None, in_tree=False))
    assert drive(paths) == 1
    shutil.copy(f"{paths.queue.settled}/{identifier}.json", f"{paths.pending}/{identifier}.json")
    os.unlink(paths.instance)
    assert drive(paths) == 0
    assert os.listdir(paths.pending) == []


def test_an_old_record_under_a_new_name_does_nothing(paths):
    old = {"requested_at": "2020-01-01T00:00:00+00:00", "expires_at": "2020-01-01T01:00:00+00:00"}
    identifier = put(paths, old)
    assert drive(paths) == 0
    assert paths.queue.find(identifier).outcome == "expired"


def test_a_hard_link_to_a_file_of_ours_is_never_written_through(paths, tmp_path):
    secret = tmp_path / "config.toml"
    secret.write_text("token = 'x'\n")
    secret.chmod(0o600)
    os.link(secret, f"{paths.pending}/{new_id(time.time())}.json")
    drive(paths)
    assert secret.read_text() == "token = 'x'\n"
    assert os.listdir(paths.pending) == []


@pytest.mark.parametrize("kind", ["fifo", "symlink", "device", "directory", "socket"])
def test_what_is_no_file_is_set_aside_unopened(paths, kind):
    where = f"{paths.pending}/{new_id(time.time())}.json"
    if kind == "fifo":
        os.mkfifo(where)
    elif kind == "symlink":
        os.symlink("/etc/passwd", where)
    elif kind == "directory":
        os.mkdir(where)
    elif kind == "device":
        if os.geteuid() != 0:
            pytest.skip("only root makes devices")
        os.mknod(where, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: an endless record
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            directory = os.open(paths.pending, os.O_RDONLY)
            listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(where)}")
            os.close(directory)
    assert drive(paths) == 0
    assert len(os.listdir(paths.queue.rejected)) == 1


def test_a_pending_that_is_a_link_elsewhere_touches_nothing_there(paths, tmp_path):
    elsewhere = tmp_path / "documents"
    elsewhere.mkdir()
    (elsewhere / "letter.txt").write_text("dear")
    os.rmdir(paths.pending)
    os.symlink(elsewhere, paths.pending)
    with pytest.raises(OSError, match="directory"):
        drive(paths)
    assert [path.name for path in elsewhere.iterdir()] == ["letter.txt"]


@pytest.mark.needs_root  # to give a directory away
def test_a_pending_of_another_user_is_not_believed(paths):
    submit(paths.intents, compose(paths.profile, reason="manual", command="x", target=None, in_tree=False))
    os.chown(paths.pending, NOBODY, NOBODY)
    with pytest.raises(OSError, match="another user"):
        drive(paths)


AS_NOBODY = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(10)
    client.connect(sys.argv[1])
    try:
        client.sendall(sys.argv[2].encode() + b"\\n")
        print(repr(client.recv(4096)))
    except (BrokenPipeError, ConnectionResetError):
        print(repr(b""))
"""


@pytest.mark.needs_root  # to become somebody else
def test_the_sockets_admit_nobody_but_their_owner(hermes: Installation) -> None:
    before = hermes.install()
    with tempfile.TemporaryDirectory(dir="/tmp") as where:
        os.chmod(where, 0o755)
        for number, (path, ask) in enumerate(
            [(hermes.paths.socket, '{"type": "status"}'), (f"{hermes.paths.supervisor}/sock", '{"op": "stop"}')]
        ):
            assert os.stat(path).st_mode & 0o077 == 0
            os.chmod(path, 0o777)  # as if every other wall had fallen
            os.link(path, f"{where}/{number}")
            done = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, f"{where}/{number}", ask], capture_output=True, text=True, check=False
            )
            assert done.stdout.strip() == "b''", done.stdout + done.stderr
    assert hermes.ready().identity == before.identity


def test_records_notes_and_logs_carry_nothing_of_argv_or_the_environment(hermes: Installation) -> None:
    hermes.install()
    secret = "hunter2-hunter2"
    before = hermes.ready()
    hermes.chat(f"!MY_TOKEN={secret} hermes gateway restart # {secret}")
    hermes.ready(other_than=before)
    hermes.run("gateway", "restart", OPENAI_API_KEY=secret, MY_TOKEN=secret)
    hermes.settled(2)
    for folder, _, files in os.walk(hermes.home):
        for name in files:
            if not name.startswith("messages.sqlite") and Path(folder, name).is_file():  # not the conversation itself
                assert secret.encode() not in Path(folder, name).read_bytes(), name


def test_the_watch_and_the_signal_are_where_these_tests_believe_them_to_be() -> None:
    """A check that mocks what is no longer called would pass for ever."""
    from hermes_cli.intents import driver

    assert driver.process is process
    assert driver.DirectoryWatch is DirectoryWatch
