"""Flood control: so many messages to one chat in so long, and a penalty that a call within it begins anew."""

from dataclasses import dataclass, field

from telegram_emulator.errors import ApiError, flood


@dataclass
class Limit:
    """`burst` calls to a chat at once and `rate` more in a second; beyond that `retry_after` seconds of penalty."""

    rate: float = 1.0
    burst: int = 5
    retry_after: int = 5
    _left: dict[int, tuple[float, float]] = field(default_factory=dict)  # tokens, and when they were counted
    _until: dict[int, float] = field(default_factory=dict)
    within: int = 0  # calls that were made within a penalty

    def check(self, chat: int, now: float) -> ApiError | None:
        """Count a call to the chat. The refusal, if it is one too many."""
        if now < self._until.get(chat, 0.0):
            self.within += 1
            self._until[chat] = now + self.retry_after
            return flood(self.retry_after)
        tokens, at = self._left.get(chat, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - at) * self.rate)
        if tokens < 1:
            self._until[chat] = now + self.retry_after
            return flood(self.retry_after)
        self._left[chat] = (tokens - 1, now)
        return None
