"""The gateway's own sd_notify(3)."""

import os
import socket
from pathlib import Path

import pytest

from hermes_cli.gateway import sd_notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # a socket's address is short, a test's folder is not
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("notify")
        listening.settimeout(5)
        yield listening


def claimed(**variables: str) -> sd_notify.Notifier:
    environment = dict(variables)
    found = sd_notify.claim(environment)
    assert environment == {}
    return found


def test_it_says_ready_and_stopping(manager) -> None:
    found = claimed(NOTIFY_SOCKET="notify")
    found.ready()
    found.stopping()
    assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0hermes-test-{os.getpid()}")
        listening.settimeout(5)
        claimed(NOTIFY_SOCKET=f"@hermes-test-{os.getpid()}").ready()
        assert listening.recv(100) == b"READY=1"


def test_it_beats_three_times_within_the_watchdogs_time(manager) -> None:
    found = claimed(NOTIFY_SOCKET="notify", WATCHDOG_USEC="60000000", WATCHDOG_PID=str(os.getpid()))
    later = []
    found.beat(lambda seconds, *call: later.append((seconds, *call)))
    assert manager.recv(100) == b"WATCHDOG=1"
    ((seconds, again, call_later),) = later
    assert seconds == 20
    again(call_later)
    assert manager.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"NOTIFY_SOCKET": "notify"},
        {"WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "notify", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "notify", "WATCHDOG_USEC": "nonsense"},
        {"NOTIFY_SOCKET": "notify", "WATCHDOG_USEC": "0"},
    ],
)
def test_nobody_waits_for_a_beat_that_was_not_asked_of_this_process(variables) -> None:
    called = []
    claimed(**variables).beat(lambda *call: called.append(call))
    assert called == []


@pytest.mark.parametrize("address", [None, "", "nowhere/at/all", "/" * 300])
def test_a_manager_that_does_not_listen_keeps_nobody(address: str | None) -> None:
    sd_notify.Notifier(address).ready()


def test_a_manager_whose_queue_is_full_keeps_nobody(manager) -> None:
    found = claimed(NOTIFY_SOCKET="notify")
    for _ in range(10_000):
        found.ready()
