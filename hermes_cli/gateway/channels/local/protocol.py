r"""The local channel's protocol, shared by the gateway and its clients: one JSON object per line, UTF-8, 1 MiB at most.

A client sends operations:

    {"op": "send", "session": S, "id": ID, "text": T}   store a message; the same ID again is the same message
    {"op": "follow", "session": S, "after": N}          every message with seq > N, then new ones as they come, chunks too
    {"op": "history", "session": S, "limit": N}         the last N messages at once, 1 MiB of text at most
    {"op": "status"}, {"op": "ping"}
    {"op": "refresh"}                                   take up what `hermes pairing` has written into the store

The gateway sends events:

    {"event": "accepted", "id": ID, "draining": B}      the message is on stable storage; draining: the next instance
                                                        answers it
    {"event": "chunk", "reply_to": ID, "offset": N, "text": T}
                                                        output of a running turn; N characters of it went before
    {"event": "message", "seq": N, "role": "user" | "assistant" | "notice", "id": ID, "reply_to": ID | null, "text": T,
     "at": epoch seconds, "state": …, "streamed": N, "rest": T, "restart"?: intent, "outcome"?: …}
                                                        `text` is whole; who saw all `streamed` characters as chunks needs
                                                        only `rest`. `restart`: this message's turn asked for a restart;
                                                        its outcome comes as the notice `outcome:<intent>`
    {"event": "history", "session": S, "messages": […], "last": N}
    {"event": "status", …}, {"event": "pong"}, {"event": "refreshed"}
    {"event": "error", "text": T, "id"?: ID}            the operation was refused

`seq` grows by the database, so a client that follows from the last one it saw is shown nothing twice. A line that is
not JSON, or too long, ends that connection after an error event.
"""

import json
import re
from typing import Any

LINE_LIMIT = 1024 * 1024  # bytes
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")  # no colon: `reply:` and `outcome:` are the gateway's own
_SESSION_LIMIT = 128  # characters


class ProtocolError(ValueError):
    """The line is not an operation; the connection ends."""


class RefusedError(ValueError):
    """The operation is well formed and cannot be carried out; the connection goes on."""


def encode(document: dict[str, Any]) -> bytes:
    """Return the document as a line. Lone surrogates, which undecodable file names bring along, become '?'."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the object in a line. Raises ProtocolError."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError("not JSON") from None
    if not isinstance(document, dict):
        raise ProtocolError("not a JSON object")
    return document


def message_id(document: dict[str, Any]) -> str:
    """Return the client's id of a message. Raises RefusedError."""
    identifier = document.get("id")
    if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        raise RefusedError("id: 1 to 128 letters, digits, '.', '_' and '-'")
    return identifier


def session(document: dict[str, Any]) -> str:
    """Return the session's name. Raises RefusedError."""
    name = document.get("session")
    if not isinstance(name, str) or not 0 < len(name) <= _SESSION_LIMIT or not name.isprintable():
        raise RefusedError(f"session: 1 to {_SESSION_LIMIT} printable characters")
    return name


def text(document: dict[str, Any]) -> str:
    """Return the message's text with lone surrogates replaced by '?', fit for storage. Raises RefusedError."""
    words = document.get("text")
    if not isinstance(words, str):
        raise RefusedError("text: a string")
    return words.encode("utf-8", "replace").decode("utf-8")


def number(document: dict[str, Any], name: str, default: int) -> int:
    """Return a whole number of at least 0, `default` where there is none. Raises RefusedError."""
    value = document.get(name, default)
    if type(value) is not int or not 0 <= value < 2**62:
        raise RefusedError(f"{name}: a whole number of at least 0")
    return value
