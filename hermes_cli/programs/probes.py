"""The probes of a program file: one bounded question about a program, with three answers. Unknown is one of them.

    { json = PATH, field = "a.b", is = VALUE }    { exists = PATH, fresh = SECONDS }    { alive_for = SECONDS }
    { http = URL, status = [200], timeout = SECONDS }    { command = [ARGV], timeout = SECONDS }

A probe only looks: it follows no redirect, asks no name server, and gives nothing to a shell.
"""

import json
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from hermes_cli.environment import scrubbed
from hermes_cli.system import durable

TIMEOUT, LONGEST = 2.0, 10.0  # seconds: what a probe may take by default, and at the most
_FILE, _BODY = 1 << 20, 1 << 16  # bytes that are read
_URL = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(?::([0-9]{1,5}))?(/[!-~]*)?")
_SAME_LOOK = 0.1  # seconds for which one answer serves
Found = TypeVar("Found")
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe found. `holds` None: that cannot be told now. `document`: the JSON that came with it."""

    holds: bool | None
    why: str = ""
    document: dict[str, Any] = field(default_factory=dict)


class Lately(Generic[Found]):
    """A question that one look asks once: whoever asks again within a moment has the same answer."""

    def __init__(self, ask: Callable[[], Found], within: float = _SAME_LOOK) -> None:
        """Ask nothing yet. An answer serves for `within` seconds."""
        self._ask = ask
        self._within = within
        self._found: tuple[float, Found] | None = None

    def __call__(self) -> Found:
        """Return the answer."""
        if self._found is None or time.monotonic() - self._found[0] >= self._within:
            found = self._ask()
            self._found = time.monotonic(), found
        return self._found[1]

    def forget(self) -> None:
        """Ask anew the next time."""
        self._found = None


def ask(probe: dict[str, Any], fill: Callable[[str], str], age: float | None = None) -> Answer:
    """Return the answer. `fill` fills in placeholders, `age` is how long the program has run, in seconds."""
    if "http" in probe:
        return _http(fill(probe["http"]), probe.get("status", [200]), _timeout(probe))
    if "command" in probe:
        return _command([fill(word) for word in probe["command"]], _timeout(probe))
    if "alive_for" in probe:
        return Answer(None if age is None else age >= probe["alive_for"], f"it has run for {age or 0.0:.0f} s")
    if "json" in probe:
        return _json(fill(probe["json"]), probe)
    if "exists" in probe:
        return _exists(fill(probe["exists"]), probe.get("fresh"))
    return Answer(None, "it asks nothing")


def value(document: dict[str, Any], name: str) -> Any:
    """Return the field `a.b` of a JSON document, or None."""
    found: Any = document
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def port(probe: dict[str, Any] | None, fill: Callable[[str], str]) -> str:
    """Return what {port} stands for: what the JSON file says, else the default."""
    if probe is None:
        return ""
    found = value(ask(probe, fill).document, probe.get("field", "")) if "json" in probe else None
    return str(found if type(found) is int else probe.get("default", ""))


def complaint(url: str) -> str | None:
    """Return what is wrong with a URL whose placeholders were filled in, or None."""
    found = _URL.fullmatch(url)
    if found is None or not 0 < int(found[2] or 80) < 65536:
        return f"{url!r} is not http://127.0.0.1:PORT/PATH: a probe asks this machine only"
    return None


def _timeout(probe: dict[str, Any]) -> float:
    return min(float(probe.get("timeout", TIMEOUT)), LONGEST)


def _json(path: str, probe: dict[str, Any]) -> Answer:
    document = None
    try:
        document = json.loads(durable.read_small(os.path.realpath(path), _FILE))
    except (FileNotFoundError, NotADirectoryError):
        return Answer(False, f"{path} is not there")
    except (OSError, ValueError, RecursionError) as error:
        return Answer(None, f"{path} cannot be read ({getattr(error, 'strerror', None) or 'not JSON'})")
    if not isinstance(document, dict):
        return Answer(None, f"{path} is no JSON object")
    found = value(document, probe.get("field", ""))
    holds = found == probe["is"] and type(found) is type(probe["is"]) if "is" in probe else found is not None
    return Answer(holds, f"{path} says {found!r}", document)


def _exists(path: str, fresh: float | None) -> Answer:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Answer(False, f"{path} is not there")
    except OSError as error:
        return Answer(None, f"{path} cannot be looked at ({error.strerror})")
    return Answer(fresh is None or time.time() - found.st_mtime <= fresh, f"{path} is there")


def _command(argv: list[str], timeout: float) -> Answer:
    from hermes_cli.system.command import run

    try:
        done = run(argv, timeout, environment=scrubbed(), grace=0.5)
    except OSError as error:
        return Answer(None, f"{argv[0]} cannot be run ({error.strerror})")
    if done.code is None:
        return Answer(None, f"{argv[0]}: {done.why}")
    return Answer(done.ok, f"{argv[0]}: {done.last_word}", document(done.raw))


def _http(url: str, status: list[int], timeout: float) -> Answer:
    if (wrong := complaint(url)) is not None:
        return Answer(None, wrong)
    found = _URL.fullmatch(url)
    assert found is not None
    host, port, path = found[1].strip("[]"), int(found[2] or 80), found[3] or "/"
    deadline = time.monotonic() + timeout
    try:
        answer = _get(
            host, port, f"GET {path} HTTP/1.0\r\nHost: {found[1]}:{port}\r\nConnection: close\r\n\r\n", deadline
        )
    except ConnectionRefusedError:
        return Answer(False, f"nobody listens at {url}")
    except OSError as error:
        return Answer(None, f"{url}: {error.strerror or 'no answer'} within {timeout:g} s")
    head, _, body = answer.partition(b"\r\n\r\n")
    code = _STATUS.match(head)
    if code is None:
        return Answer(None, f"{url} does not speak HTTP")
    return Answer(int(code[1]) in status, f"{url} answers {int(code[1])}", document(body))


def _get(host: str, port: int, request: str, deadline: float) -> bytes:
    """Send, and read to the end, a bound or the deadline (monotonic), however slowly it drips. Raises OSError."""
    with socket.create_connection((host, port), _left(deadline)) as peer:
        peer.sendall(request.encode("ascii"))
        found = bytearray()
        while len(found) < _BODY:
            peer.settimeout(_left(deadline))
            more = peer.recv(_BODY)
            if not more:
                break
            found += more
    return bytes(found)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def document(data: bytes) -> dict[str, Any]:
    """Return the JSON object that an answer is, else an empty one."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
