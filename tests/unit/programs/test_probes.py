"""The probes of a program file: three answers, each within its bound."""

import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hermes_cli.programs import probes


def ask(probe, age=None, **values):
    return probes.ask(probe, lambda text: text.format(**values), age)


@pytest.fixture
def server():
    """An HTTP server on a port of its own; its path is the status that it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"uptimeMs": 4200}).encode()
            self.send_response(int(self.path[1:]))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found.server_address[1]
        found.shutdown()


@pytest.fixture
def silent():
    """A port whose listener accepts and says nothing, or what a test has it say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_http_holds_with_the_status_that_is_asked_for(server):
    found = ask({"http": "http://127.0.0.1:{port}/200"}, port=server)
    assert found.holds is True
    assert found.document == {"uptimeMs": 4200}
    assert ask({"http": f"http://127.0.0.1:{server}/503"}).holds is False
    assert ask({"http": f"http://127.0.0.1:{server}/503", "status": [200, 503]}).holds is True


def test_nobody_who_listens_is_no_and_a_redirect_is_not_followed(server, silent):
    port = silent.getsockname()[1]
    silent.close()
    assert ask({"http": f"http://127.0.0.1:{port}/"}).holds is False
    assert ask({"http": f"http://127.0.0.1:{server}/302"}).holds is False


def test_a_server_that_says_nothing_is_unknown_within_the_bound(silent):
    begun = time.monotonic()
    found = ask({"http": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": 0.3})
    assert found.holds is None
    assert 0.3 <= time.monotonic() - begun < 5


def test_a_server_that_drips_for_ever_is_unknown_within_the_bound(silent):
    ended = threading.Event()

    def drip():
        peer, _ = silent.accept()
        with peer:
            while not ended.wait(0.05):
                try:
                    peer.sendall(b"H")
                except OSError:
                    return

    threading.Thread(target=drip, daemon=True).start()
    found = ask({"http": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": 0.5})
    ended.set()
    assert found.holds is None


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "http://example.org/",
        "http://127.0.0.1.example.org/",
        "http://u@127.0.0.1/",
        "http://127.0.0.1:{port}/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/a\r\nX: y",
        "file:///etc/passwd",
    ],
)
def test_a_probe_asks_this_machine_only(url):
    found = probes.ask({"http": url}, str)
    assert found.holds is None
    assert "this machine only" in found.why


def test_a_command_holds_when_it_exits_0_and_gives_nothing_to_a_shell(tmp_path):
    code = "import sys, json; print(json.dumps(sys.argv[1:]))"
    assert ask({"command": [sys.executable, "-c", "raise SystemExit(3)"], "timeout": 10.0}).holds is False
    word = f"$(touch {tmp_path}/here); {{value}}"
    found = ask({"command": [sys.executable, "-c", code, word], "timeout": 10.0}, value="ü")
    assert found.holds is True
    assert not (tmp_path / "here").exists()
    document = "import sys, json; print(json.dumps(dict(version=sys.argv[1])))"
    assert ask({"command": [sys.executable, "-c", document, "{v}"], "timeout": 10.0}, v="2").document == {
        "version": "2"
    }


def test_a_command_that_does_not_end_or_is_not_there_is_unknown():
    assert ask({"command": [sys.executable, "-c", "import signal; signal.pause()"], "timeout": 0.3}).holds is None
    assert ask({"command": ["/no/such/program"]}).holds is None


def test_a_file_is_there_or_not_and_fresh_or_not(tmp_path):
    path = tmp_path / "mark"
    assert ask({"exists": str(path)}).holds is False
    path.touch()
    assert ask({"exists": str(path)}).holds is True
    os.utime(path, (1, 1))
    assert ask({"exists": str(path), "fresh": 60.0}).holds is False


def test_a_field_of_a_json_file_has_three_answers(tmp_path):
    path = tmp_path / "state.json"
    probe = {"json": str(path), "field": "gateway.wanted", "is": True}
    assert ask(probe).holds is False
    path.write_text('{"gateway": {"wanted": true}}')
    assert ask(probe).holds is True
    path.write_text('{"gateway": {"wanted": 1}}')
    assert ask(probe).holds is False
    path.write_text('{"gateway": {"wan')
    assert ask(probe).holds is None


def test_a_file_behind_a_link_is_read(tmp_path):
    (tmp_path / "real.json").write_text('{"port": 18790}')
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert ask({"json": str(tmp_path / "link.json"), "field": "port"}).document == {"port": 18790}


def test_alive_for_is_a_matter_of_age():
    assert ask({"alive_for": 5.0}, age=4.9).holds is False
    assert ask({"alive_for": 5.0}, age=5.0).holds is True
    assert ask({"alive_for": 5.0}).holds is None
