"""Who may write to the bot, and which messages of a group are for it. Pure; denied unless allowed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Access:
    """Users by their numeric ids, which nobody can take over as one can a name."""

    users: frozenset[int]
    groups: frozenset[int]

    @staticmethod
    def of(users: Iterable[int], groups: Iterable[int], moves: Mapping[str, str]) -> "Access":
        """Return it with the ids that Telegram has given to these groups when they became supergroups."""
        found = set(groups)
        found.update(int(moves[str(group)]) for group in groups if str(group) in moves)
        return Access(frozenset(users), frozenset(found))

    def admits(self, user: int, chat: int, *, private: bool) -> bool:
        """Tell whether a user may write there: in private, or in a group that is allowed as well."""
        return user in self.users and (private or chat in self.groups)
