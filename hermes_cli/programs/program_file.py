"""A program file: what is kept alive, told in TOML. Strictly read: a key, type or placeholder that nobody knows is refused.

Nothing in it goes through a shell. The built-in ones lie in `files/`; how to write one is in
docs/contributing/program-files.md.
"""

import os
import re
from typing import Any, NamedTuple

from hermes_cli.errors import ConfigError
from hermes_cli.system import durable

PLACEHOLDERS = ("home", "state", "profile", "uid", "label", "unit", "pid", "port", "python", "install", "definition")
BUILT_IN = ("hermes-agent", "openclaw")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LIMIT = 65536

# What a value may be. A dict is a table with these keys, "?" before a key says that it may be missing. There is no key
# that nothing reads: whoever writes one would rely on it.
_TEXTS, _NUMBERS = [str], [int]
_QUESTIONS = ("json", "exists", "http", "command", "alive_for")  # a probe asks one of them
_PROBE = {
    "?json": str,
    "?field": str,
    "?is": (str, bool, int, float, type(None)),
    "?start": str,
    "?exists": str,
    "?pid": str,
    "?fresh": float,
    "?http": str,
    "?status": _NUMBERS,
    "?timeout": float,
    "?command": _TEXTS,
    "?alive_for": float,
}
_STATES = {f"?{name}": _TEXTS for name in ("starting", "ready", "draining", "stopped", "refused")}
_EXITS = {f"?{name}": _NUMBERS for name in ("restart", "stopped", "crashed", "refused")}
_PORT = {"?json": str, "?field": str, "?default": int}
_HANDOFF = {"command": _TEXTS, "field": str, "is": str, "?timeout": float}
_ADOPTED: dict[str, Any] = {
    "schema": int,
    "name": str,
    "?home": {"?env": str, "default": str, "?profile": str},
    "service": {"?launchd": {"label": str, "?profile": str}, "?systemd": {"unit": str, "?profile": str}},
    "instance": {
        "pid": "probes",
        "?state": {"json": str, "field": str, **_STATES},
        "?ready": "probe",
        "?generation": "probe",
        "?port": _PORT,
        "?revision": "probes",
    },
    "?restart": {
        "?signal": str,
        "?signal_when": "probe",
        "?drain_limit": float,
        "?exit_limit": float,
        "?exits": _EXITS,
    },
    "?watch": {"?wanted": "probes", "?paths": _TEXTS},
    "?patience": {"?helper": float, "?manager": float},
    "?update": {"?command": _TEXTS, "?under_way": "probe"},
    "?limits": {
        "?start_timeout": float,
        "?starts": {"count": int, "window": float, "?log": str, "?start_timeout": float},
    },
    "?hook": {"folder": str, "kind": str},
}
_TAKEN_OVER: dict[str, Any] = {
    "schema": int,
    "name": str,
    "?argv": _TEXTS,
    "?home": {"default": str},
    "instance": {"pid": "probes", "?ready": "probe", "?port": _PORT},
    "?restart": {"?signal": str, "?exit_limit": float, "?exits": _EXITS, "?handoff": _HANDOFF},
}


class ProgramFile(NamedTuple):
    """A valid program file: its text, and the document that it holds."""

    text: str
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """The program's name."""
        return str(self.document["name"])

    def get(self, *keys: str) -> Any:
        """Return the value below these keys, or None."""
        found: Any = self.document
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def probes(self, *keys: str) -> list[Any]:
        """Return a list of probes, also where the file has a single one."""
        found = self.get(*keys)
        return [] if found is None else found if isinstance(found, list) else [found]


def built_in(name: str) -> ProgramFile:
    """Return a built-in program file. Raises ConfigError."""
    path = f"{os.path.dirname(__file__)}/files/{name}.toml"
    return load(path)


def load(path: str) -> ProgramFile:
    """Read and check a file. Raises ConfigError with the file, the line and the column."""
    try:
        with open(path, "rb", opener=durable.prompt_opener) as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): name a program file, or {', '.join(BUILT_IN)}"
        ) from error
    if len(data) > _LIMIT:
        raise ConfigError(f"{path} is larger than {_LIMIT} bytes: mend it")
    return parse(path, data.decode(errors="replace"))


def parse(path: str, text: str) -> ProgramFile:
    """Check the text of a file that lies at `path`. Raises ConfigError."""
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML ({error}): mend it") from None
    complaint = _table(document, _ADOPTED if "service" in document else _TAKEN_OVER, ()) or _sense(document)
    if complaint is not None:
        keys, what = complaint
        line, column = _position(text, keys)
        raise ConfigError(f"{path}:{line}:{column}: {'.'.join(keys)} {what}: mend it")
    return ProgramFile(text, document)


def fill(text: str, values: dict[str, str]) -> str:
    """Return the text with its placeholders filled in; an unknown value leaves the placeholder."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


_Complaint = tuple[tuple[str, ...], str]


def _table(found: Any, schema: dict[str, Any], keys: tuple[str, ...]) -> _Complaint | None:
    if not isinstance(found, dict):
        return keys, "must be a table"
    known = {key.lstrip("?"): kind for key, kind in schema.items()}
    for key, value in found.items():
        if key not in known:
            return (*keys, key), f"is not a key here; known are {', '.join(known)}"
        if (complaint := _value(value, known[key], (*keys, key))) is not None:
            return complaint
    missing = [key for key in schema if not key.startswith("?") and key not in found]
    return ((*keys, missing[0]), "is missing") if missing else None


def _value(found: Any, kind: Any, keys: tuple[str, ...]) -> _Complaint | None:
    if isinstance(kind, dict):
        return _table(found, kind, keys)
    if kind == "probes":
        several = found if isinstance(found, list) else [found]
        return next((one for value in several if (one := _value(value, "probe", keys)) is not None), None)
    if kind == "probe":
        if isinstance(found, dict):
            return _table(found, _PROBE, keys) or _question(found, keys)
        fits = found in {"manager", "always", "state"}
        return None if fits else (keys, 'must be a probe, "manager", "state" or "always"')
    if isinstance(kind, list):
        if not isinstance(found, list):
            return keys, "must be a list"
        return next((one for value in found if (one := _value(value, kind[0], keys)) is not None), None)
    return _number(found, kind, keys) if kind in {int, float} else _text(found, kind, keys)


def _question(probe: dict[str, Any], keys: tuple[str, ...]) -> _Complaint | None:
    asked = [name for name in _QUESTIONS if name in probe]
    return None if len(asked) == 1 else (keys, f"must ask one thing, one of {', '.join(_QUESTIONS)}")


def _number(found: Any, kind: Any, keys: tuple[str, ...]) -> _Complaint | None:
    if kind is int:
        return None if type(found) is int else (keys, f"must be a whole number, not {found!r}")
    fits = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < 1e7
    return None if fits else (keys, f"must be a number of at least 0, not {found!r}")


def _text(found: Any, kind: Any, keys: tuple[str, ...]) -> _Complaint | None:
    if not isinstance(found, kind):
        return keys, f"must be text, not {found!r}"
    if not isinstance(found, str):
        return None
    unknown = [name for name in _PLACEHOLDER.findall(found) if name not in PLACEHOLDERS]
    if unknown:
        return keys, f"has the placeholder {{{unknown[0]}}}; known are {', '.join(PLACEHOLDERS)}"
    return (keys, "holds a NUL") if "\0" in found else None


def _sense(document: dict[str, Any]) -> _Complaint | None:
    """Find what has the right type and can still not be meant."""
    import signal

    if document["schema"] != 1:
        return ("schema",), "must be 1"
    if not _NAME.fullmatch(document["name"]):
        return ("name",), "must be lower case letters, digits and '-'"
    number = document.get("restart", {}).get("signal")
    if number is not None and number not in signal.Signals.__members__:
        return ("restart", "signal"), f"{number!r} is no signal of this system"
    if "argv" not in document and "service" not in document:
        return ("argv",), "is missing, and so is [service]: one of them says what runs the program"
    return None


def _position(text: str, keys: tuple[str, ...]) -> tuple[int, int]:
    """Return line and column (from 1) of the last of these keys, as near as a search by name comes."""
    at = 0
    for key in keys:
        pattern = re.compile(rf"(?m)(?:^[ \t]*\[{re.escape(key)}\]|(?:^|[{{,\[ \t])({re.escape(key)})\s*=)")
        found = pattern.search(text, at)
        if found is not None:
            at = found.start(1) if found[1] else found.start()
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
