"""An endpoint that speaks chat completions: one request, its stream, and one clear line for whatever goes wrong.

Nothing is repeated once a byte of an answer has come: a call of half an answer must not be run, nor run twice. The key
is in a header, and in no text that leaves this module.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2

from hermes_cli.config import ModelConfig
from hermes_cli.gateway.agents.model.deltas import Completion, Deltas
from hermes_cli.system.printable import printable
from hermes_cli.system.threads import is_refusal

_CONNECT = 10.0  # seconds
_LINE = 8 * 1024 * 1024  # bytes of one event, or of one answer that is not streamed
_REPEATS = 3
_LONGEST_PAUSE = 30.0  # seconds before a repetition
_SHOWN = 300  # characters of the endpoint's own words
_BUSY = {429, 503}
_MENDS = {
    401: "it refuses the key: see key_file or key_env in [model]",
    402: "it wants to be paid: look at the account there",
    403: "it refuses the key: see key_file or key_env in [model]",
    404: "it does not know the model, or base_url in [model] lacks its /v1",
    429: "too many requests: repeat later",
    503: "it is not ready, loading its model perhaps: repeat later",
}


class EndpointError(Exception):
    """The endpoint gave no whole answer: one line that says why."""


class Endpoint:
    """The endpoint of `[model]`."""

    def __init__(self, config: ModelConfig, key: str) -> None:
        """Connect to nothing yet. `key` may be ""."""
        for name in ("httpx2", "httpcore2"):  # they log URLs, and some put keys into them
            logging.getLogger(name).setLevel(logging.WARNING)
        self._config = config
        self._key = key
        self._url = f"{config.base_url.rstrip('/')}/chat/completions"
        self._client: httpx2.AsyncClient | None = None

    async def complete(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], shown: Callable[[str], None]
    ) -> Completion:
        """Ask for the next message, giving its text to `shown` as it comes. Raises EndpointError."""
        body = {"model": self._config.model, "messages": messages, "tools": tools, "stream": self._config.stream_tools}
        for attempt in range(_REPEATS):
            pause = await self._once(body, shown, last=attempt == _REPEATS - 1)
            if isinstance(pause, Completion):
                return pause
            await asyncio.sleep(pause)  # the endpoint has said how long
        raise AssertionError("the last attempt answers or raises")

    async def _once(self, body: dict[str, Any], shown: Callable[[str], None], *, last: bool) -> Completion | float:
        """Return the answer, or the seconds until it may be asked again."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        silence = self._config.timeout
        timeout = httpx2.Timeout(silence, connect=min(_CONNECT, silence), pool=min(_CONNECT, silence))
        if self._client is None:
            self._client = httpx2.AsyncClient(follow_redirects=False)
        deltas, began = Deltas(), False
        try:
            async with self._client.stream("POST", self._url, json=body, headers=headers, timeout=timeout) as answer:
                if answer.status_code != 200:
                    return await self._refused(answer, last=last)
                async for event in _events(answer, streamed=self._config.stream_tools):
                    began = True
                    self._take(deltas, event, shown)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise EndpointError(f"{self._place} cannot be reached: see that it runs, and base_url in [model]") from None
        except httpx2.TimeoutException:
            raise EndpointError(f"{self._place} has said nothing for {silence:g} s{_NOTHING_RUN}") from None
        except (httpx2.HTTPError, OSError):
            what = "ended in the middle of its answer" if began else "hung up without an answer"
            raise EndpointError(f"{self._place} {what}{_NOTHING_RUN}") from None
        except RuntimeError as error:  # the endpoint's name is looked up in a thread
            if not is_refusal(error):
                raise
            raise EndpointError(f"{self._place} cannot be reached, {error}: repeat in a moment") from None
        if rest := deltas.end():
            shown(rest)
        return deltas.completion()

    def _take(self, deltas: Deltas, event: dict[str, Any], shown: Callable[[str], None]) -> None:
        if event.get("error"):  # within a stream that began with 200
            raise EndpointError(f"{self._place} gave up: {self._words(event['error'])}{_NOTHING_RUN}")
        if text := deltas.add(event):
            shown(text)
        if deltas.size > _LINE:
            raise EndpointError(f"{self._place} answers with more than {_LINE:,} characters{_NOTHING_RUN}")
        if event.get(_END) and not (deltas.is_finished or event.get(_DONE)):
            raise EndpointError(f"{self._place} ended in the middle of its answer{_NOTHING_RUN}")

    async def _refused(self, answer: httpx2.Response, *, last: bool) -> float:
        """Return the seconds until it may be asked again. Raises EndpointError where that is of no use."""
        code = answer.status_code
        if code in _BUSY and not last:
            return min(_LONGEST_PAUSE, _seconds(answer.headers.get("Retry-After")))
        said = b""
        async for part in answer.aiter_bytes():
            said += part
            if len(said) > 65536:
                break
        words = self._words(_json(said))
        why = _MENDS.get(code, "see its log")
        raise EndpointError(f"{self._place} answers HTTP {code}{f' ({words})' if words else ''}: {why}")

    @property
    def _place(self) -> str:
        return f"the model's endpoint {printable(self._config.base_url.split('?')[0])}"

    def _words(self, said: Any) -> str:
        """Return the endpoint's own words, one line of them, without the key."""
        while isinstance(said, dict):
            said = said.get("error") or said.get("message") or said.get("detail") or ""
        text = " ".join(str(said or "").split())
        return printable((text.replace(self._key, "…") if self._key else text)[:_SHOWN])


_NOTHING_RUN = "; nothing of that answer was run"
_END, _DONE = "hermes:end", "hermes:done"  # in the event that closes every stream


async def _events(answer: httpx2.Response, *, streamed: bool) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON of each event, and at last whether it was the end that the endpoint meant."""
    if not streamed or "json" in answer.headers.get("Content-Type", ""):  # asked to stream, some answer at once
        whole = b""
        async for part in answer.aiter_bytes():
            whole += part
            if len(whole) > _LINE:
                raise EndpointError(f"the model's endpoint answers with more than {_LINE:,} bytes")
        found = _json(whole)
        yield found if isinstance(found, dict) else {"error": "an answer that is no JSON"}
        yield {_END: True, _DONE: True}
        return
    done = False
    async for line in _lines(answer):
        if not line.startswith(b"data:"):  # comments (": OPENROUTER PROCESSING"), event:, id:, blank lines
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            done = True
            break
        found = _json(data)
        if isinstance(found, dict):
            yield found
        elif data:
            yield {"error": "an event that is no JSON"}
    yield {_END: True, _DONE: done}


async def _lines(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """Yield lines as bytes: a chunk may end within a character, and a text may hold other line separators."""
    held = b""
    async for part in answer.aiter_bytes():
        *lines, held = (held + part).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")
        if len(held) > _LINE:
            raise EndpointError(f"the model's endpoint sends an event of more than {_LINE:,} bytes")
    if held:
        yield held


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _seconds(after: str | None) -> float:
    """Return what Retry-After says, a second where it says a date or nothing."""
    try:
        return max(0.1, float(after or "1"))
    except ValueError:
        return 1.0
