"""How a running gateway stands with Telegram: its telegram.json, believed while that very process runs."""

from typing import NamedTuple

from hermes_cli.paths import Paths
from hermes_cli.system import durable


class TelegramState(NamedTuple):
    """What the channel last wrote. `problem`: what is wrong and the mend; times are epoch seconds.

    `paired` people were let in by a code, `codes` are open.
    """

    bot: str | None
    username: str | None
    state: str
    since: float | None
    last_poll: float | None
    undelivered: int
    undeliverable: int
    held_up: tuple[str, ...]
    problem: tuple[str, str] | None
    paired: int = 0
    codes: int = 0


def read(paths: Paths, pid: int) -> TelegramState | None:
    """Return the state as the gateway with this pid wrote it; None if it has no bot."""
    found = durable.read_json(paths.telegram)
    if found is None or found.get("pid") != pid:
        return None
    problem, held_up = found.get("problem"), found.get("held_up")
    return TelegramState(
        _text(found.get("bot")),
        _text(found.get("username")),
        _text(found.get("state")) or "unknown",
        durable.finite(found.get("since")),
        durable.finite(found.get("last_poll")),
        _count(found.get("undelivered")),
        _count(found.get("undeliverable")),
        tuple(str(one) for one in held_up) if isinstance(held_up, list) else (),
        (str(problem[0]), str(problem[1])) if isinstance(problem, list) and len(problem) == 2 else None,
        _count(found.get("paired")),
        _count(found.get("codes")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
