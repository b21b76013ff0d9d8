"""An endpoint for chat completions, over real HTTP on loopback, which says what a test has written down for it.

Each request is answered with the next `Answer`; the last one is said again for whatever comes after it. What is no SSE
as it should be is written as bytes. Requests are kept, with their headers.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support import PATIENCE


@dataclass(frozen=True)
class Answer:
    """What is sent. With `cut` the connection breaks behind it; `hold` is waited for between the parts."""

    parts: tuple[bytes, ...] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"
    cut: bool = False
    hold: threading.Event | None = None


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def delta(**content: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": content}]})


def finish(reason: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}) + b"data: [DONE]\n\n"


def says(text: str) -> Answer:
    """A text, a word in each chunk."""
    words = [delta(content=f"{word} ") for word in text.split()[:-1]]
    return Answer((*words, delta(content=text.rsplit(maxsplit=1)[-1]), finish("stop")))


def runs(*commands: str) -> Answer:
    """Calls of the terminal, their arguments in pieces."""
    parts = []
    for index, command in enumerate(commands):
        arguments = json.dumps({"command": command})
        begin = {"index": index, "id": f"call-{index}", "type": "function"}
        parts.append(delta(tool_calls=[{**begin, "function": {"name": "terminal", "arguments": ""}}]))
        pieces = (arguments[:7], arguments[7:])
        parts += [delta(tool_calls=[{"index": index, "function": {"arguments": piece}}]) for piece in pieces]
    return Answer((*parts, finish("tool_calls")))


def refuses(status: int, message: str = "", **headers: str) -> Answer:
    body = json.dumps({"error": {"message": message}}).encode()
    return Answer((body,), status, headers, "application/json")


class _Quiet(ThreadingHTTPServer):
    """A server that says nothing of a client that has gone: a gateway that is killed goes in the middle of an answer."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class ModelServer:
    """The server. `script` may be changed at any time."""

    def __init__(self, *script: Answer | Callable[[dict[str, Any]], Answer]) -> None:
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._serve(self)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def config(self) -> str:
        """What goes into config.toml."""
        return f'[model]\nbase_url = "{self.base_url}"\nmodel = "test"\n'

    def results(self, number: int = -1) -> list[str]:
        """What the tools had said by this request; nothing before the first one."""
        return (
            []
            if not self.requests
            else [one["content"] for one in self.requests[number]["messages"] if one["role"] == "tool"]
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.requests.append(request)
            self.keys.append(handler.headers.get("Authorization"))
            wanted = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        answer = wanted(request) if callable(wanted) else wanted
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Transfer-Encoding", "chunked")
        for name, value in answer.headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        for part in self._parts(answer):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            handler.wfile.flush()
        if answer.cut:
            handler.close_connection = True
        else:
            handler.wfile.write(b"0\r\n\r\n")

    @staticmethod
    def _parts(answer: Answer) -> Iterator[bytes]:
        for number, part in enumerate(answer.parts):
            if number and answer.hold is not None:
                answer.hold.wait(PATIENCE)
            yield part
        if answer.hold is not None and len(answer.parts) < 2:
            answer.hold.wait(PATIENCE)
