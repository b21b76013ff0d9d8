"""What is asked of an update, and the same read from words that somebody has typed into a conversation."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from hermes_cli.errors import UsageError
from hermes_cli.update.candidate import Selection
from hermes_cli.update.rollback import Rollback

_FLAGS = ("check", "rollback", "pre", "stash", "rewritten", "no-restart", "all-profiles", "history", "json", "help")
_VALUES = ("to", "order")


@dataclass(frozen=True, slots=True)
class Options:
    """What one update is to do. `back`: it takes another update back."""

    selection: Selection = Selection()  # noqa: RUF009  frozen
    check: bool = False
    no_restart: bool = False
    all_profiles: bool = False
    order: str | None = None  # of the profiles
    back: Rollback | None = None

    @property
    def command(self) -> str:
        """The command that asked, as the history shows it."""
        return self.back.command if self.back else "hermes update"


def compose(
    *,
    check: bool = False,
    to: str | None = None,
    rollback: bool = False,
    pre: bool = False,
    stash: bool = False,
    rewritten: bool = False,
    no_restart: bool = False,
    all_profiles: bool = False,
    order: str | None = None,
) -> Options:
    """Return the options that were typed. Raises UsageError if they contradict each other."""
    if no_restart and all_profiles:
        raise UsageError("--no-restart and --all-profiles contradict each other: use one of them")
    if order is not None and not all_profiles:
        raise UsageError("--order is of --all-profiles: add it, or leave --order out")
    if rollback and (to is not None or pre):
        raise UsageError("--rollback goes to where the newest update began: leave --to and --pre out")
    if rollback and rewritten:
        raise UsageError("--rollback asks no remote: leave --rewritten out")
    back = Rollback() if rollback else None
    return Options(Selection(to, pre, stash, rewritten), check, no_restart, all_profiles, order, back)


def parse(words: Sequence[str]) -> dict[str, Any]:
    """Return the options of `hermes update` by name, without `--`. Raises UsageError with the command's own words.

    A conversation offers all of them; the command line itself is read by `hermes_cli.cli.update`.
    """
    found: dict[str, Any] = {}
    rest = ["--help" if word == "-h" else word for word in words]
    extra = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            extra += rest
            break
        if not word.startswith("-") or word == "-":
            extra.append(word)
            continue
        typed, equals, value = word.partition("=")
        name = typed.removeprefix("--")
        if not word.startswith("--"):
            raise _refused(f"No such option {word[:2]!r}")
        if name not in {*_FLAGS, *_VALUES}:
            raise _refused(f"No such option {typed!r}{_similar(typed)}")
        if name in _FLAGS and equals:
            raise _refused(f"Option {typed!r} does not take a value")
        if name in _VALUES and not equals and not rest:
            raise _refused(f"Option {typed!r} requires an argument")
        found[name.replace("-", "_")] = True if name in _FLAGS else value if equals else rest.pop(0)
    if extra:
        raise _refused(f"Got unexpected extra argument{'s' if len(extra) > 1 else ''} ({' '.join(extra)})")
    return found


def _refused(text: str) -> UsageError:
    return UsageError(f"{text}: see hermes update --help")


def _similar(typed: str) -> str:
    names = sorted(get_close_matches(typed, [f"--{name}" for name in (*_FLAGS, *_VALUES)]))
    if len(names) == 1:
        return f". Did you mean {names[0]!r}?"
    return f". (Did you mean one of: {', '.join(map(repr, names))}?)" if names else ""
