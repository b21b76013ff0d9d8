"""The commands that a text names, as they can be pasted: with the program as it was called, the profile, the home.

Texts all over the package name commands in their plain form, `hermes gateway start`. Whoever shows one to a person
passes it through here, so that a mend of profile `work` does not start `default`.
"""

import os
import re

from hermes_cli.errors import Advice, Problem, called
from hermes_cli.paths import DEFAULT_PROFILE, own_home

_COMMAND = re.compile(r"(?<![\w/.-])hermes (?=(?:gateway|update|chat|config|pairing|completion)\b)")
_OF_ANOTHER = re.compile(r"(?<![\w/.-])hermes (?=-p )")  # its profile is named


def pasteable(text: str, profile: str, *, program: str = "hermes", home: str | None = None) -> str:
    """Return the text with each command of ours in it naming the program, the profile and, if given, the home."""
    words = [program] if profile == DEFAULT_PROFILE else [program, "-p", profile]
    if home is not None:
        import shlex

        words.insert(0, f"HERMES_HOME={shlex.quote(home)}")
    return _OF_ANOTHER.sub(f"{program} ", _COMMAND.sub(lambda _: f"{' '.join(words)} ", text))


def shown(text: str, profile: str) -> str:
    """Return the text as this process shows it to a person."""
    return pasteable(text, profile, program=program())


def said(problem: Problem, profile: str, home: str | None = None) -> Problem:
    """Return the problem as it is shown for this profile and, if given, this home, and with its mend as an argv."""
    name = program()

    def say(text: str) -> str:
        return pasteable(text, profile, program=name, home=home)

    mend = problem.mend
    if isinstance(mend, Advice):
        return Problem(problem.code, say(problem.text), Advice(say(mend)))
    return Problem(problem.code, say(problem.text), say(mend), argv(mend, profile, name, own_home()))


def argv(mend: str, profile: str, name: str, home: str | None) -> list[str]:
    """Return a mend that is a command as an argv; one of ours names its home, since anybody may run it."""
    import shlex

    words = shlex.split(pasteable(mend, profile, program=name))
    return ["env", f"HERMES_HOME={home}", *words] if home and words[0] == name else words


def program() -> str:
    """Return the name that this program was called by; `hermes` unless that is another of its names."""
    return called()


def home_to_name(parent: int | None = None) -> str | None:
    """Return HERMES_HOME if a pasted command would not have it by itself, else None.

    A shell that was started with the variable hands it on; one that was given it for a single command does not.
    What the parent was started with is in proc(5); where that cannot be told, naming the home is never wrong.
    """
    home = own_home()
    if not home:
        return None
    try:
        with open(f"/proc/{parent or os.getppid()}/environ", "rb") as file:
            exported = f"HERMES_HOME={home}".encode() in file.read().split(b"\0")
    except OSError:
        exported = False
    return None if exported else os.path.abspath(os.path.expanduser(home))
