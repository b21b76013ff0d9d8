"""What a value in config.toml may be: of its default's type, within its bounds, one of its choices."""

from typing import Any

from hermes_cli.errors import ConfigError

_LEAST = {
    "start_timeout": 0.1,
    "max_attempts": 1,
    "storm_limit": 1,
    "expiry": 1.0,
    "timeout": 0.1,
    "approval_timeout": 1.0,
    "size": 4096,
    "files": 1,
    "clients": 1,
    "line_timeout": 0.1,
    "idle_timeout": 0.1,
    "turns": 1,
    "queued": 1,
    "output": 1024,
    "store": 1024 * 1024,
    "context": 1024,
    "turn_timeout": 1.0,
    "calls": 1,
    "result": 100,
}
_CHOICES = {"approval": ("dangerous", "always", "never")}
_MOST = {"files": 100, "clients": 10000}
_NUMBERS = ("allow", "terminal", "groups")  # lists of ids; other lists are of words


def checked(where: str, key: str, value: Any, default: Any) -> Any:
    """Return the value in the type of the default. Raises ConfigError, which says `where` it stands."""
    least = _LEAST.get(key, 0)
    if isinstance(default, bool):
        fits, what = isinstance(value, bool), "true or false"
    elif isinstance(default, str):
        choices = _CHOICES.get(key)
        fits = isinstance(value, str) and (choices is None or value in choices)
        what = "a string" if choices is None else f"one of {', '.join(choices)}"
    elif isinstance(default, tuple) and key in _NUMBERS:
        fits, what = isinstance(value, list) and all(type(entry) is int for entry in value), "a list of whole numbers"
    elif isinstance(default, tuple):
        fits = isinstance(value, list) and all(isinstance(word, str) and "\0" not in word for word in value)
        what = "a list of strings"
    else:
        whole = isinstance(default, int)
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        most = _MOST.get(key, 1e9)
        # That nothing is above 1e9 is said to those only who have tried it.
        limit = f" and at most {most:g}" if most < 1e9 or (fits and value > most) else ""
        fits = fits and least <= value <= most
        what = f"a number of at least {least:g}{limit}{', a whole one' if whole else ''}"
    if not fits:
        raise ConfigError(f"{where} must be {what}, not {value!r}")
    return type(default)(value)
