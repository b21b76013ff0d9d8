"""The page's server: loopback only, a thread for each of a few connections, nothing that runs while nobody looks."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hermes_cli.dashboard import acts, facts, guard
from hermes_cli.dashboard.looks import Looks, await_change
from hermes_cli.errors import HermesError, UsageError
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.status.log_view import View
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.log_reader import Reader

_PAGE = f"{os.path.dirname(__file__)}/page"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/app.css": ("app.css", "text/css; charset=utf-8"),
}
_CONNECTIONS = 32
_PATIENCE = 20.0  # seconds that a client may take to ask, or to read
_LINES = 300
_LOGS = ("gateway", "restarter", "update")


class Server(ThreadingHTTPServer):
    """The server of one installation's page. `port` 0: any that is free."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, paths: Paths, port: int, token: str) -> None:
        """Listen on 127.0.0.1. Raises OSError."""
        super().__init__(("127.0.0.1", port), Handler)
        self.paths = paths
        self.token = token
        self.looks = Looks(paths)
        self._room = threading.BoundedSemaphore(_CONNECTIONS)

    @property
    def url(self) -> str:
        """The page, with the token where no browser sends it anywhere."""
        return f"http://127.0.0.1:{self.server_port}/#token={self.token}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, unless there are too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "hermes"
    sys_version = ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Answer with a file of the page, or with facts."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Carry out an act."""
        self._answer("POST")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server's name for it
        """Log nothing: requests hold names of profiles and nobody reads them."""

    def _answer(self, method: str) -> None:
        asked = urlsplit(self.path)
        headers = {name.title(): value for name, value in self.headers.items()}
        refused = guard.refusal(method, asked.path, headers, self.server.server_port, self.server.token)
        if refused is not None:
            self.close_connection = True
            self._send(refused[0], _json({"error": refused[1]}))
            return
        try:
            if method == "POST":
                self._act(asked.path)
            elif asked.path in _FILES:
                name, kind = _FILES[asked.path]
                with open(f"{_PAGE}/{name}", "rb") as file:
                    self._send(200, file.read(), kind)
            else:
                self._tell(asked.path, {name: values[-1] for name, values in parse_qs(asked.query).items()})
        except UsageError as error:
            self._send(400, _json({"error": str(error)}))
        except HermesError as error:
            self._send(500, _json({"error": str(error)}))
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True
        except OSError as error:
            self._send(500, _json({"error": f"{error.filename or ''} {error.strerror}".strip()}))

    def _tell(self, path: str, query: dict[str, str]) -> None:
        known = {"/api/events": self._events, "/api/history": self._history, "/api/logs": self._logs}
        if path in known:
            known[path](query)
        else:
            self._send(404, _json({"error": "there is no such thing"}))

    def _act(self, path: str) -> None:
        if path != "/api/act":
            self._send(404, _json({"error": "there is no such thing"}))
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            raise UsageError("not JSON") from None
        self._send(200, _json(acts.carry_out(self.server.paths, asked)))

    def _events(self, _: dict[str, str]) -> None:
        """Send every profile whenever something has changed, as server-sent events, until the client has gone."""
        self.close_connection = True
        self._head(200, "text/event-stream")
        last = b""
        is_there = True
        while is_there:
            with DirectoryWatch(*self.server.looks.places()) as watch:  # before the look, so that nothing falls between
                seen = self.server.looks.now()
                self.wfile.write(b": here\n\n" if seen.body == last else b"data: " + seen.body + b"\n\n")
                self.wfile.flush()
                last = seen.body
                is_there = await_change(watch, seen, self.connection)

    def _history(self, query: dict[str, str]) -> None:
        self._send(200, _json(facts.history(self._profile(query))))

    def _logs(self, query: dict[str, str]) -> None:
        name = query.get("log", "gateway")
        if name not in _LOGS:
            raise UsageError("no such log")
        one = self._profile(query)
        try:
            with Reader([getattr(one, f"{name}_log")]) as reader:
                found = b"".join(line for _, line in View().last(reader.backwards(unfinished=True), _LINES))
        except FileNotFoundError:
            found = b""
        self._send(200, _json({"lines": found.decode(errors="replace").splitlines()}))

    def _profile(self, query: dict[str, str]) -> Paths:
        name = query.get("profile", "")
        if name not in profiles(self.server.paths):
            raise UsageError("no such profile")
        return sibling(self.server.paths, name)

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self._head(status, kind, len(body))
        self.wfile.write(body)

    def _head(self, status: int, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in guard.HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def _json(found: Any) -> bytes:
    return json.dumps(found).encode()
