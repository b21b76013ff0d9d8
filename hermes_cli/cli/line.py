"""One command line: its profile, the look that comes before it, and what runs it. click is imported only to parse.

The commands that must feel instant take their usual lines as they stand: click is half of what `status` costs.
"""

import importlib
import os
import sys

from hermes_cli.errors import HermesError, called, exit_code_of
from hermes_cli.system.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Lines that need no parser: (module, function of the paths, its options).
PLAIN = {
    ("gateway", "status"): ("hermes_cli.cli.status_now", "show", {"as_json": False}),
    ("gateway", "status", "--json"): ("hermes_cli.cli.status_now", "show", {"as_json": True}),
    ("gateway", "list"): ("hermes_cli.cli.list_now", "show", {"as_json": False}),
    ("gateway", "list", "--json"): ("hermes_cli.cli.list_now", "show", {"as_json": True}),
    ("gateway", "ls"): ("hermes_cli.cli.list_now", "show", {"as_json": False}),
    ("gateway", "restart"): ("hermes_cli.cli.restart_now", "restart_now", {}),
    ("gateway", "restart", "--no-wait"): ("hermes_cli.cli.restart_now", "restart_now", {"no_wait": True}),
}
# What is started while a restart goes on, or is itself the driver, must not look for one.
# Nor what each new shell runs.
_NO_LOOK = ({"gateway", "run"}, {"gateway", "intents", "drive"}, {"completion"})
# What makes a profile, or shows that there is none.
_TAKES_ANY_PROFILE = (
    *(
        {"gateway", name}
        for name in ("run", "install", "uninstall", "status", "doctor", "adopt", "list", "ls", "probe", "metrics")
    ),
    {"update"},  # it is of the installation
    {"config"},
    {"completion"},
    {"--help"},
    {"-h"},
    {"--version"},
    {"-V"},
)
# What says itself that the installed code is not the code that runs, or is about to end that.
_SAYS_SKEW_ITSELF = (
    {"update"},
    {"gateway", "status"},
    {"gateway", "doctor"},
    {"gateway", "restart"},
    {"gateway", "stop"},
    {"--version"},
    {"-V"},
    {"--help"},
    {"-h"},
)


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code. Errors become one line."""
    if sys.platform == "win32":
        print("hermes: Windows is not supported: run it inside WSL", file=sys.stderr)
        return 1
    if "_HERMES_COMPLETE" in os.environ:
        from hermes_cli.cli.completion import answer

        return answer(os.environ["_HERMES_COMPLETE"])
    profile, words = profile_of(arguments)
    say = _speaker(profile)
    _look(profile, words, say)
    return exit_code_of(lambda: _command(profile, words), say)


def is_look(arguments: list[str]) -> bool:
    """Say whether the line only looks and prints, and needs no parser."""
    words = tuple(profile_of(arguments)[1])
    return words in PLAIN and words[1] != "restart"


def profile_of(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Return the profile, which may be named anywhere before `--`, and the arguments without it. The last one counts."""
    profile, rest, index = None, list[str](), 0
    while index < len(arguments):
        word = arguments[index]
        if word == "--":
            rest += arguments[index:]
            break
        if word in {"-p", "--profile"} and index + 1 < len(arguments):
            index += 1
            profile = arguments[index]
        elif word.startswith("--profile="):
            profile = word.partition("=")[2]
        elif word.startswith("-p") and len(word) > 2:
            profile = word[2:]
        else:
            rest.append(word)
        index += 1
    return profile, rest


def _speaker(profile: str | None) -> "Callable[[str], str]":
    """Return what makes the commands in a text pasteable for the profile that was typed."""

    def say(text: str) -> str:
        from hermes_cli import mends
        from hermes_cli.paths import DEFAULT_PROFILE

        return mends.shown(text, profile or os.environ.get("HERMES_PROFILE") or DEFAULT_PROFILE)

    return say


def _command(profile: str | None, words: list[str]) -> int:
    _check_profile(profile, words)
    plain = PLAIN.get(tuple(words))
    if plain is None:
        from hermes_cli.cli import main

        return main.run(profile, words)
    from hermes_cli.paths import resolve

    module, function, options = plain
    try:
        code: int = getattr(importlib.import_module(module), function)(resolve(profile), **options)
    except KeyboardInterrupt:
        return 130
    return code


def _look(profile: str | None, words: list[str], say: "Callable[[str], str]") -> None:
    """Take the look at pending/ that comes before every command; it must never keep a command from working."""
    # A release is proven by `--version`, also by the updater of another release: a proof starts nothing.
    if words in (["--version"], ["-V"]) or any(without <= set(words) for without in _NO_LOOK):
        return
    from hermes_cli.paths import resolve
    from hermes_cli.restart.wake import announce

    try:
        paths = resolve(profile)
        if announce(paths, say) or any(one <= set(words) for one in _SAYS_SKEW_ITSELF):
            return
        from hermes_cli.restart import skew

        line = skew.line(paths)
    except (HermesError, OSError):
        return  # the command itself meets the same cause and says it
    if line is not None:
        print(f"{called()}: {printable(say(line))}", file=sys.stderr)


def _check_profile(profile: str | None, words: list[str]) -> None:
    """Refuse to act on a profile that is not there, unless the command makes it. Raises NotInstalledError, UsageError."""
    if profile is None or any(one <= set(words) for one in _TAKES_ANY_PROFILE):
        return
    from hermes_cli import paths

    asked = paths.resolve(profile)
    if asked.is_there:
        return
    from hermes_cli.errors import NotInstalledError

    there = ", ".join(paths.profiles(asked))
    raise NotInstalledError(f"there is no profile {profile!r} (there are: {there}): hermes gateway install makes it")
