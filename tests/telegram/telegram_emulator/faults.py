"""What goes wrong on the way, by order: for which method, how often, and when."""

from dataclasses import dataclass
from typing import Any, Literal

from telegram_emulator.errors import ApiError

Kind = Literal["drop-before", "drop-after", "late", "hang", "truncate", "html", "refuse", "instead"]


@dataclass
class Fault:
    """Strikes `count` calls of a method ("": of any but getUpdates), after `skip` of them; every `every`th.

    drop-before, drop-after: the connection breaks before or after the call was carried out; late: the answer comes
    after `seconds`; hang: it never comes, and nothing was carried out; truncate: half of it comes; html: a 502 as the
    front end words it; refuse: `error` instead; instead: nothing was carried out, and `result` is
    what the server says came of it.
    """

    method: str
    kind: Kind
    count: int = 1
    skip: int = 0
    every: int = 1
    seconds: float = 0.0
    error: ApiError | None = None
    result: Any = None
    met: int = 0
    struck: int = 0

    def strikes(self, method: str, *, free: bool) -> bool:
        """Count a call. Whether it is struck; it must be `free` of another fault."""
        if self.method.lower() != method.lower() and (self.method or method.lower() == "getupdates"):
            return False
        self.met += 1
        if not free or self.struck >= self.count or self.met <= self.skip or (self.met - self.skip) % self.every:
            return False
        self.struck += 1
        return True
