"""`hermes gateway dashboard`: a real server, and a real browser where there is one."""

import http.client
import json
import shlex
import signal
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support import PATIENCE
from support.machines import browser
from support.machines.browser import Browser
from support.machines.installation import Installation

from hermes_cli.dashboard import facts, server
from hermes_cli.system import process

pytestmark = pytest.mark.e2e


@pytest.fixture
def url(hermes: Installation) -> Iterator[str]:
    """The page of an installation with one gateway."""
    hermes.install()
    with hermes.start("gateway", "dashboard") as process:
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""


def ask(url: str, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    found = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=PATIENCE)
    given = {"Authorization": f"Bearer {found.fragment.removeprefix('token=')}", **headers}
    if body is not None:
        given.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, given)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_who_has_the_url_sees_everything_and_may_act_and_nobody_else(hermes: Installation, url: str) -> None:
    before = hermes.ready()
    port = urlsplit(url).port
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as stream:
        token = urlsplit(url).fragment.removeprefix("token=")
        stream.sendall(
            f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        said = b""
        while b"\n\n" not in said.partition(b"data: ")[2]:
            more = stream.recv(65536)
            assert more, said
            said += more
    assert b"text/event-stream" in said
    seen = json.loads(said.partition(b"data: ")[2].partition(b"\n\n")[0])
    assert [(one["profile"], one["state"]) for one in seen["profiles"]] == [("default", "ready")]
    for name in ("../../etc/passwd", "..%2f..%2fetc/passwd", "app.js%00", "page/app.js"):
        assert ask(url, "GET", f"/{name}")[0] == 404

    act = {"profile": "default", "act": "restart", "confirmed": True}
    refusals = [
        ask(url, "POST", "/api/act", act, Authorization="Bearer wrong"),
        ask(url, "POST", "/api/act", act, Origin="http://evil.example"),
        ask(url, "POST", "/api/act", act, Host=f"evil.example:{port}"),
        ask(url, "POST", "/api/act", {**act, "confirmed": False}),
        ask(url, "POST", "/api/act", "no act"),
    ]
    assert [status for status, _ in refusals] == [401, 403, 421, 400, 400]
    assert ask(url, "GET", "/api/history?profile=nosuch")[0] == 400
    assert hermes.ready().identity == before.identity
    assert not hermes.ever_settled()

    status, body = ask(url, "POST", "/api/act", act)
    assert (status, json.loads(body)["code"]) == (200, 0)
    hermes.ready(other_than=before)
    (settled,) = hermes.settled()
    history = json.loads(ask(url, "GET", "/api/history?profile=default")[1])
    assert history["restarts"][0]["id"] == settled.intent.id
    assert [one["phase"] for one in history["restarts"][0]["phases"]][-1] == "settled"
    assert "ready, revision" in "\n".join(json.loads(ask(url, "GET", "/api/logs?profile=default")[1])["lines"])


def test_it_listens_on_the_loopback_interface_only_and_to_a_bounded_number(url: str) -> None:
    port = urlsplit(url).port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", port))  # as every other address of this machine
    held = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(server._CONNECTIONS)]
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as one_more:
        assert one_more.recv(1) == b""
    for one in held:
        one.close()


class _Elsewhere(BaseHTTPRequestHandler):
    """Another program's page on this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.skipif(browser.program() is None, reason="there is no Chromium")
def test_in_a_browser_it_is_live_and_works_by_keyboard_and_no_other_page_gets_in(
    hermes: Installation, url: str, tmp_path: Path
) -> None:
    before = hermes.ready()
    with Browser(tmp_path / "browser") as page, ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        page.size(360, 740, mobile=True)
        page.open(url)
        page.until("document.querySelector('.badge')?.textContent == 'ready'")
        assert "token" not in page.run("location.href")
        assert page.run("document.documentElement.scrollWidth") <= 360
        assert page.run(
            "[...document.querySelectorAll('main button')].filter((one) => one.offsetParent).every((one) => one.textContent.trim())"
        )

        page.run("document.querySelector('[aria-label=\"Restart default\"]').focus()")
        page.press("Enter", 13)
        page.until("document.getElementById('confirm').open")
        assert page.run("document.activeElement.id") == "confirm-no"
        page.press("Tab", 9)
        page.press("Enter", 13)
        after = hermes.ready(other_than=before)
        hermes.settled()
        page.until(
            f"document.querySelector('.badge').textContent == 'ready' && document.body.innerText.includes('{after.revision}')"
        )
        page.run("document.querySelector('[aria-label=\"History of default\"]').click()")
        page.until("document.querySelector('#detail details strong')?.textContent == 'restarted'")
        assert page.run("document.querySelectorAll('#detail .phases li').length") >= 7
        page.run("document.querySelector('[aria-label=\"Log of default\"]').click()")
        page.until("document.querySelector('#detail .log')?.textContent.includes('hermes.lifecycle: ready')")

        token = urlsplit(url).fragment.removeprefix("token=")
        page.open(f"http://127.0.0.1:{elsewhere.server_port}/")
        page.until("document.title == 'elsewhere'")
        act = "body: JSON.stringify({profile: 'default', act: 'restart', confirmed: true})"
        for options in (
            f"{{method: 'POST', mode: 'no-cors', {act}}}",
            f"{{method: 'POST', {act}, headers: {{Authorization: 'Bearer {token}', 'Content-Type': 'application/json'}}}}",
        ):  # not even who has stolen the token, from there
            said = page.run(
                f"fetch('http://127.0.0.1:{urlsplit(url).port}/api/act', {options}).then((one) => one.type, () => 'refused')"
            )
            assert said in {"refused", "opaque"}
        elsewhere.shutdown()
    assert hermes.ready().identity == after.identity
    assert len(hermes.ever_settled()) == 1


def test_a_mend_on_the_page_names_the_home_for_whoever_pastes_it(
    hermes: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = hermes.install()
    supervisor = hermes.supervisor()
    assert supervisor is not None
    for number in (signal.SIGSTOP, signal.SIGKILL):  # at once: who is left starts the other one again
        for one in (supervisor, running.identity):
            process.send(one, number)
    for one in (supervisor, running.identity):
        hermes.gone(one)
    monkeypatch.setenv("HERMES_HOME", str(hermes.home))
    _, seen = facts.everything(hermes.paths)
    mends = [one["mend"] for one in seen["profiles"][0]["problems"]]
    assert f"HERMES_HOME={shlex.quote(str(hermes.home))} hermes gateway start" in mends


def test_a_port_that_is_taken_is_said_in_a_line(hermes: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = hermes.run("gateway", "dashboard", "--port", str(port))
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
    assert len(done.stderr.splitlines()) == 1
