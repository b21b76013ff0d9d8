"""The restart intent as readers see it: parsed tolerantly, believed in nothing but what it asks for (rule 6)."""

import json
import re
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hermes_cli.intents.request import SCHEMA, elapsed
from hermes_cli.system.durable import finite
from hermes_cli.system.process import Identity

LIMIT = 65536  # bytes; the largest honest record is under 2 KiB
_DECODER = json.JSONDecoder()
_ID = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{1,9}Z-[0-9]{1,10}-[0-9a-f]{1,32}")
_SLEWED = 1.0  # seconds by which a clock that is only kept right may differ
LONGEST_DRAIN = 86400.0  # seconds; what a record or a program says of a drain is believed up to this


class RecordError(ValueError):
    """What lies there is not an intent that this release may act on; the text says why."""


class Requester(NamedTuple):
    """Who asked, for a person to read."""

    pid: int = 0
    command: str = "unknown"
    in_tree: bool = True

    def __str__(self) -> str:
        """As `status` shows it."""
        return f"{self.command} (pid {self.pid}, {'in-tree' if self.in_tree else 'out of tree'})"


class Origin(NamedTuple):
    """The conversation that asked, and gets the outcome."""

    channel: str | None = None
    chat: str | None = None
    message: str | None = None
    turn: str | None = None
    thread: str | None = None
    session: str | None = None

    @property
    def key(self) -> tuple[str, str, str] | None:
        """What is the same when a channel delivers one message twice; None when that cannot be known."""
        if self.message is None:
            return None
        return (self.channel or "", self.chat or "", self.message)


class Intent(NamedTuple):
    """One request. Times in epoch seconds, durations in seconds; `target` None: no gateway ran when it was made.

    `generation`: which run of the target was meant, where runs share a process, see `Instance`.
    """

    id: str
    action: str
    reason: str
    requested_at: float
    profile: str
    boot_id: str | None
    target: Identity | None
    revision: str | None
    requester: Requester
    origin: Origin | None
    force: bool
    drain_timeout: float | None
    expires_at: float | None
    document: dict[str, Any]
    generation: float | None = None
    when_idle: bool = False  # not before no turn runs
    not_before: float | None = None
    boot_time: float | None = None  # seconds since the boot `boot_id` when it was asked; None in records of 0.1.0

    @property
    def is_automatic(self) -> bool:
        """Whether a program asked, which may do so again and again, rather than a person at a shell."""
        return self.requester.in_tree or self.origin is not None

    @property
    def age(self) -> float:
        """Seconds since it was asked for, now."""
        return elapsed(self.requested_at, self.boot_id, self.boot_time)

    @property
    def is_clock_set(self) -> bool:
        """Whether somebody has set the clock since, so that a moment which was noted by it may be any other."""
        return abs(time.time() - self.requested_at - self.age) > _SLEWED


def is_id(text: str) -> bool:
    """Whether `text` has an id's form; anything else is never made into a path."""
    return _ID.fullmatch(text) is not None


def parse(data: bytes, identifier: str, profile: str) -> Intent:
    """Return an intent from a file's bytes. Unknown fields are ignored, missing ones degrade. Raises RecordError."""
    document = _document(data)
    if document.get("id") != identifier or not is_id(identifier):
        raise RecordError("its id is not its name")
    action = document.get("action", "restart")
    if not isinstance(action, str) or action not in {"restart", "reload"}:
        raise RecordError("its action is neither restart nor reload")
    if document.get("profile", profile) != profile:
        raise RecordError("it belongs to another profile")
    said = document.get
    boot, target = _text(said("boot_id")), said("target")
    requested = time_of(said("requested_at"))
    return Intent(  # by position, and each of these functions has its shortest way first: a queue may be long
        identifier,
        action,
        _text(said("reason")) or "unknown",
        requested if requested is not None else _time_of_id(identifier),
        profile,
        boot,
        _target(target, boot),
        _text(said("revision")),
        _requester(said("requester")),
        _origin(said("origin")),
        said("force") is True,
        _drain(said("drain_timeout")),
        time_of(said("expires_at")),
        document,
        _generation(target),
        said("when_idle") is True,
        time_of(said("not_before")),
        finite(said("boot_time")),
    )


def _document(data: bytes) -> dict[str, Any]:
    """Return the object that lies there, of a schema that this release knows. Raises RecordError."""
    try:
        document = _loads(data)
    except (ValueError, RecursionError):
        raise RecordError("not JSON, or torn") from None
    if not isinstance(document, dict):
        raise RecordError("not a JSON object")
    schema = document.get("schema", SCHEMA)
    if type(schema) is not int or schema < 1:
        raise RecordError("no usable schema number")
    if schema > SCHEMA:
        raise RecordError(f"schema {schema} is newer than this release, which knows {SCHEMA}")
    return document


def _loads(data: bytes) -> Any:
    if data[:2] != b'{"':
        return json.loads(data)
    # What begins so can be nothing but UTF-8 without a blank before it: json.loads would look for both, in twice the time.
    text = data.decode("utf-8", "surrogatepass")
    found, end = _DECODER.raw_decode(text)
    return found if end == len(text) else json.loads(text)


def _target(value: Any, boot: str | None) -> Identity | None:
    if value is None:
        return None
    found = Identity.parse(value, boot)
    if found is None:
        raise RecordError("its target is no process")
    return found


def _generation(target: Any) -> float | None:
    return finite(target.get("generation")) if isinstance(target, dict) else None


def _requester(value: Any) -> Requester:
    if not isinstance(value, dict):
        return Requester()
    pid = value.get("pid")
    return Requester(
        pid if type(pid) is int else 0, _text(value.get("command")) or "unknown", value.get("in_tree") is not False
    )


def _origin(value: Any) -> Origin | None:
    if not isinstance(value, dict):
        return None
    said = value.get
    return Origin(
        _text(said("channel")),
        _text(said("chat")),
        _text(said("message")),
        _text(said("turn")),
        _text(said("thread")),
        _text(said("session")),
    )


def _text(value: Any) -> str | None:
    """Return a printable string of bounded length: it ends up on terminals and in chats."""
    if type(value) is not str:
        return None
    if len(value) <= 500 and value.isprintable():
        return value
    text = value[:500]
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def _drain(value: Any) -> float | None:
    if isinstance(value, int | float) and value > LONGEST_DRAIN:
        return LONGEST_DRAIN  # even where it is too large for a float
    found = finite(value)
    return None if found is None or found < 0 else found


def time_of(value: Any) -> float | None:
    """Return ISO 8601 from JSON as epoch seconds, or None."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _time_of_id(identifier: str) -> float:
    try:
        return datetime.strptime(identifier[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
