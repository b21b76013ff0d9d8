"""Socket names of any length, private from their first moment."""

import contextlib
import os
import socket
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from hermes_cli.system import sockets


@pytest.mark.parametrize(
    "directory", ["plain", "with space 'and\" quotes", "héme ☃", "x" * 90, "/".join(["deep" * 20] * 4)]
)
def test_any_path_can_be_bound_and_reached(tmp_path, directory):
    path = tmp_path / directory
    path.mkdir(parents=True)
    with sockets.listen(f"{path}/gateway.sock") as listener, sockets.connect(f"{path}/gateway.sock", 5) as client:
        accepted, _ = listener.accept()
        with accepted:
            client.sendall(b"hi")
            assert accepted.recv(2) == b"hi"
    assert os.path.exists(f"{path}/gateway.sock")


def test_the_socket_is_the_owners_only_whatever_the_umask(tmp_path):
    previous = os.umask(0)
    try:
        with sockets.listen(f"{tmp_path}/s"):
            assert stat.S_IMODE(os.stat(f"{tmp_path}/s").st_mode) == 0o600
        assert os.umask(0) == 0  # given back
    finally:
        os.umask(previous)


def test_what_a_dead_owner_left_is_replaced(tmp_path):
    sockets.listen(f"{tmp_path}/s").close()
    with sockets.listen(f"{tmp_path}/s"), sockets.connect(f"{tmp_path}/s", 5):
        pass


def test_a_socket_without_listener_refuses(tmp_path):
    sockets.listen(f"{tmp_path}/s").close()
    with pytest.raises(ConnectionRefusedError):
        sockets.connect(f"{tmp_path}/s", 5)


def test_the_peer_is_known_by_its_uid(tmp_path):
    with sockets.listen(f"{tmp_path}/s") as listener, sockets.connect(f"{tmp_path}/s", 5):
        accepted, _ = listener.accept()
        with accepted:
            assert sockets.peer_uid(accepted) == os.geteuid()


def test_no_descriptor_is_left_open_by_a_long_path(tmp_path):
    path = tmp_path / ("x" * 120)
    path.mkdir()
    before = len(os.listdir("/dev/fd"))
    with sockets.listen(f"{path}/s"), sockets.connect(f"{path}/s", 5):
        pass
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel refuses at once")
def test_who_connects_while_others_are_not_taken_yet_waits_for_their_turn(tmp_path):
    path = f"{tmp_path}/s"
    with sockets.listen(path) as listener, contextlib.ExitStack() as closing:
        listener.listen(0)
        while True:
            waiting = closing.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            try:
                waiting.connect(path)
            except OSError:
                break
        with pytest.raises(BlockingIOError):
            sockets.connect(path, 0.05)
        with ThreadPoolExecutor() as beside:
            connected = beside.submit(sockets.connect, path, 20)
            closing.enter_context(listener.accept()[0])
            connected.result().close()
