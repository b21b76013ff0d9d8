"""Which mends `doctor --fix` carries out: those that take nothing away and let running turns finish."""

from collections.abc import Iterable

from hermes_cli.errors import Problem

_OF_OURS = (
    ("gateway", "install"),
    ("gateway", "start"),
    ("gateway", "restart"),
    ("gateway", "intents", "drive"),
)
_RETRY = ("gateway", "intents", "retry")
_OF_OTHERS = {"chmod", "mv"}  # of files in our own directories, by the doctor's checks
_GOES_ON = ("kill", "-CONT")  # a supervisor that was suspended; what else is to be done waits for it
_FIRST = ("-CONT", "mv", "chmod", "install", "start", "drive", "retry", "restart")


def safe(problems: Iterable[Problem]) -> list[list[str]]:
    """Return the commands to run, each once: what others rely on comes first."""
    problems = list(problems)
    if any(one.code == "unknown-profile" for one in problems):
        return []  # most often a typo, and the mend would make that profile
    found = [one.command for one in problems if is_safe(one) and one.command is not None]
    once = {tuple(command): command for command in found}
    return sorted(once.values(), key=_order)


def is_safe(problem: Problem) -> bool:
    """Say whether the problem's mend may be run without a person's choice."""
    if problem.command is None:
        return False
    words = tuple(words_of(problem.command))
    return words in _OF_OURS or words[:-1] == _RETRY or words[0] in _OF_OTHERS or words[:2] == _GOES_ON


def words_of(command: list[str]) -> list[str]:
    """Return a command of ours without its home, program and profile, and any other as it is."""
    words = command[2:] if command[0] == "env" else command
    if words[0] not in {"hermes", "hermesctl"}:
        return words
    return words[3:] if words[1] == "-p" else words[1:]


def _order(command: list[str]) -> int:
    words = words_of(command)
    return next((rank for rank, name in enumerate(_FIRST) if name in words[:3]), len(_FIRST))
