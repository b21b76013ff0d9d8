"""As much of HTTP/1.1 as a client of the Bot API speaks: keep-alive, arguments in the query, a form, JSON, multipart."""

import asyncio
import contextlib
import email.parser
import email.policy
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """A call: its path, its arguments as text or as JSON gave them, its files by field: name and content."""

    path: str
    arguments: dict[str, Any]
    files: dict[str, tuple[str, bytes]]


@dataclass(frozen=True)
class Answer:
    """What is sent back; `body` None: the connection is closed without a word. `sent`: bytes of it that are sent.

    `told` is called when all of it was sent to a client that was still there.
    """

    status: int = 200
    body: bytes | None = b""
    kind: str = "application/json"
    sent: int | None = None
    told: Callable[[], None] = lambda: None


Handler = Callable[[Request], Awaitable[Answer]]


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler) -> None:
    """Answer one connection's requests until it is closed. A client that leaves cancels its poll, and nothing else."""
    try:
        while (request := await _request(reader)) is not None:
            answering = asyncio.ensure_future(handle(request))
            leaving = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    if request.path.lower().endswith("/getupdates"):
                        answering.cancel()
                    await asyncio.wait({answering})
                    return
            finally:  # the server may be going away: nobody answers then, and nobody listens
                answering.cancel()
                leaving.cancel()
                await asyncio.gather(answering, leaving, return_exceptions=True)
            answer = answering.result()
            if answer.body is None:
                return
            head = f"HTTP/1.1 {answer.status} {'OK' if answer.status == 200 else 'Error'}\r\n"
            head += f"Content-Type: {answer.kind}\r\nContent-Length: {len(answer.body)}\r\n\r\n"
            writer.write(head.encode() + answer.body[: answer.sent])
            await writer.drain()
            if answer.sent is not None:
                return
            answer.told()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Request | None:
    line = await reader.readline()
    if not line:
        return None
    target = urlsplit(line.split()[1].decode())
    headers: dict[str, str] = {}
    while (header := await reader.readline()).strip():
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = await reader.readexactly(min(length, LARGEST))
    arguments: dict[str, Any] = dict(parse_qsl(target.query, keep_blank_values=True))
    files: dict[str, tuple[str, bytes]] = {}
    kind = headers.get("content-type", "")
    if kind.startswith("application/json") and body:
        arguments |= json.loads(body)
    elif kind.startswith("application/x-www-form-urlencoded"):
        arguments |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    elif kind.startswith("multipart/form-data"):
        _parts(kind, body, arguments, files)
    return Request(unquote(target.path), arguments, files)


def _parts(kind: str, body: bytes, arguments: dict[str, Any], files: dict[str, tuple[str, bytes]]) -> None:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    for part in parser.parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True) or b""
        assert isinstance(content, bytes)
        if part.get_filename():
            files[name] = (str(part.get_filename()), content)
        else:
            arguments[name] = content.decode()
