"""A call to the Bot API and what became of it: done, refused, not sent, or unknown.

There is no key that would make a message idempotent, so who repeats a call has to know whether it can have been carried
out. The token is part of every URL: no exception and no URL of the client is ever shown.
"""

import json
import logging
import ssl
from dataclasses import replace
from typing import Any

import httpx2

from hermes_cli.gateway.channels.telegram.outcomes import Done, NotSent, Outcome, Refused, Unknown
from hermes_cli.system.threads import is_refusal

PATIENCE = 10.0  # seconds for an answer
POLL = 50  # seconds of a long poll, the most that the server grants
_POLL_PATIENCE = 65.0
_KEPT = 20.0  # seconds that an idle connection is kept: less than a server does, which could close it as we send
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


class Api:
    """A bot's calls: one client for the poll, and one for the rest, so that neither waits for the other."""

    def __init__(self, base: str, token: str) -> None:
        for name in ("httpx2", "httpcore2"):  # they log every URL, and so the token, at INFO
            logging.getLogger(name).setLevel(logging.WARNING)
        self._secret = token.partition(":")[2]
        self._base = f"{base.rstrip('/')}/bot{token}/"
        # Only TLS asks for the system's certificates, which take longer to read than the client to import.
        is_tls = not base.lower().startswith("http:")
        tls = httpx2.create_ssl_context() if is_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._poller = _client(tls, 1)
        self._caller = _client(tls, 20)

    async def poll(self, offset: int, limit: int) -> Outcome:
        """Wait for updates. An offset confirms everything below it."""
        wanted = {"offset": offset, "limit": limit, "timeout": POLL, "allowed_updates": ["message", "callback_query"]}
        return await self._post(self._poller, "getUpdates", _POLL_PATIENCE, {"json": wanted})

    async def call(self, method: str, patience: float = PATIENCE, **arguments: Any) -> Outcome:
        """Make any other call; arguments that are None are left out."""
        return await self._post(self._caller, method, patience, {"json": _given(arguments)})

    async def upload(self, method: str, name: str, content: bytes, **arguments: Any) -> Outcome:
        """Make a call that sends a file as its `document`."""
        fields = {
            key: value if isinstance(value, str) else json.dumps(value) for key, value in _given(arguments).items()
        }
        return await self._post(
            self._caller, method, 3 * PATIENCE, {"data": fields, "files": {"document": (name, content)}}
        )

    async def close(self) -> None:
        """Let go of all connections."""
        await self._poller.aclose()
        await self._caller.aclose()

    async def _post(self, client: httpx2.AsyncClient, method: str, patience: float, body: dict[str, Any]) -> Outcome:
        timeout = httpx2.Timeout(patience, connect=PATIENCE, write=PATIENCE, pool=PATIENCE)
        try:
            answer = await client.post(self._base + method, timeout=timeout, **body)
        except _NOT_SENT as error:
            return NotSent(type(error).__name__)
        except httpx2.InvalidURL:
            return NotSent("the address of the API is none")
        except (httpx2.HTTPError, OSError) as error:
            return Unknown(type(error).__name__)
        except RuntimeError as error:  # the server's name is looked up in a thread
            if not is_refusal(error):
                raise
            return NotSent(str(error))
        return self._without_token(read(answer.status_code, answer.content))

    def _without_token(self, outcome: Outcome) -> Outcome:
        """Return the outcome; whatever quotes our URL in its words is not believed to be harmless."""
        if isinstance(outcome, Refused) and self._secret in outcome.description:
            return replace(outcome, description=outcome.description.replace(self._secret, "…"))
        if isinstance(outcome, Unknown) and self._secret in outcome.why:
            return replace(outcome, why=outcome.why.replace(self._secret, "…"))
        return outcome


def read(status: int, body: bytes) -> Outcome:
    """Return what an answer says. A server that fails, or words that are none, leave it unknown."""
    try:
        document = json.loads(body)
        if document["ok"] is True:
            return Done(document["result"])
        code, description = int(document["error_code"]), str(document.get("description", ""))
        parameters = document.get("parameters") or {}
        retry_after, moved = float(parameters.get("retry_after", 0)), parameters.get("migrate_to_chat_id")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Unknown(f"HTTP {status} without an answer")
    if code >= 500:
        return Unknown(f"{code} {description}")
    if code == 429:
        retry_after = max(1.0, retry_after)
    return Refused(code, description, retry_after, None if moved is None else str(moved))


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _client(tls: Any, most: int) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=_KEPT)
    return httpx2.AsyncClient(limits=limits, verify=tls, follow_redirects=False)
