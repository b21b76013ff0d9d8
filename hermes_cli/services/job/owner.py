"""Whose a job is: what a definition says of itself, compared with the profile that wants to use its name (rule 11).

Every definition carries the state directory that it serves. What an older release wrote is recognised by its
HERMES_HOME, by the restarter's command line or by its log. Pure, but for a look at directories and at what is
adopted.
"""

import os
import shlex
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from hermes_cli.errors import Advice, HermesError, Problem
from hermes_cli.installation import entry_points
from hermes_cli.paths import DEFAULT_PROFILE, Paths, profiles, sibling
from hermes_cli.system import durable
from hermes_cli.system.printable import printable

FOREIGN = "service-foreign"  # the code of the problem
MARK = "HERMES_GATEWAY_STATE"  # in the environment of every job; nothing reads it but this module
_PENDING = "/restart-intents/pending"
_RESTARTER = "hermes-restarter"
_OURS = {
    entry_points.HERMES,
    entry_points.RESTARTER,
    entry_points.DEFINITIONS,
    entry_points.CHAT_UPDATE,
    entry_points.ROLLBACK,
}
_AGENT = {"hermes_cli.main", "hermes_cli.stderr_timestamp"}  # hermes-agent's modules, in the package of the same name
_SHOWN = 160  # letters of a command line


class ForeignError(HermesError):
    """The name belongs to somebody else's job, so nothing was done to it."""


class Said(NamedTuple):
    """What a definition, or a job as it is loaded, says of itself. Empty: it does not say."""

    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})
    log: str = ""
    watched: str = ""  # the directory whose entries start it

    def __hash__(self) -> int:  # what a service manager says is looked up in sets, and a mapping has no hash
        return hash((self.argv, self.log, self.watched))

    @property
    def is_silent(self) -> bool:
        """Say whether nothing is known of it."""
        return not self.argv and not self.watched

    @property
    def modules(self) -> set[str]:
        """The modules that its command line runs by name."""
        return {word for flag, word in zip(self.argv, self.argv[1:], strict=False) if flag == "-m"}


def stranger(name: str, said: Said, paths: Paths, *, is_installed: bool) -> Problem | None:
    """Return whose the job `name` is, with the choices, or None when it serves this profile.

    `is_installed`: this profile was installed under that name; then what says nothing is its own, and so is what serves
    a directory that is gone, because the home was moved.
    """
    if said.is_silent:
        return None if is_installed else _of_nobody(name, "says nothing that hermes would have written")
    if not _is_hermes(said):
        return _of_agent(name, said, paths) if _is_agent(said) else _of_nobody(name, f"runs {_command(said)}")
    state = _state(said)
    if state is None:
        same = paths.home is None and _profile(said) == paths.profile
        if same and said.log in {"", paths.gateway_log, paths.restarter_log}:
            return None
        return _of_home(name, os.path.dirname(said.log) or "the default one", "hermes gateway uninstall there", said)
    if _is_same(state, paths.state) or (is_installed and not os.path.isdir(state)):
        return None
    return _of_home(name, _home(state), f"{printable(_command_of(state))} gateway uninstall", said)


def of_another_home(path: str, said: Said, paths: Paths) -> str | None:
    """Return whose the definition of a job is that runs beside another program's, or None when it serves this profile.

    What serves a directory that is gone is nobody's any more.
    """
    state = said.environment.get(MARK)
    if state is None:
        return f"{path} is not hermes's"
    if _is_same(state, paths.state) or not os.path.isdir(state):
        return None
    return f"{path} is of another home, {printable(_home(state))}"


def refuse(found: Problem | None) -> None:
    """Raise ForeignError for a job that is not ours."""
    if found is not None:
        raise ForeignError(f"{found.text}: {found.mend}")


def refuse_problem(problems: Iterable[Problem]) -> None:
    """Raise ForeignError when the service's name is somebody else's, by the problems of its status."""
    refuse(next((one for one in problems if one.code == FOREIGN), None))


def _is_hermes(said: Said) -> bool:
    return (
        MARK in said.environment
        or bool(said.modules & _OURS)
        or any(os.path.basename(word) == _RESTARTER for word in said.argv)
        or said.watched.endswith(_PENDING)
    )


def _is_agent(said: Said) -> bool:
    is_script = bool(said.argv) and os.path.basename(said.argv[0]) == "hermes"
    return bool(said.modules & _AGENT) or (is_script and "gateway" in said.argv)


def _state(said: Said) -> str | None:
    """Return the state directory that the job serves; None: the one that the platform has for its user."""
    if said.environment.get(MARK):
        return said.environment[MARK]
    for index, word in enumerate(said.argv):
        if os.path.basename(word) == _RESTARTER and len(said.argv) > index + 3:
            return said.argv[index + 3]
    if said.watched.endswith(_PENDING):
        return said.watched.removesuffix(_PENDING)
    home = said.environment.get("HERMES_HOME")
    if not home:
        return None
    profile = _profile(said)
    return f"{home}/state" + ("" if profile == DEFAULT_PROFILE else f"/profiles/{profile}")


def _profile(said: Said) -> str:
    options = dict(zip(said.argv, said.argv[1:], strict=False))
    return options.get("-p", DEFAULT_PROFILE)


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def _command_of(state: str) -> str:
    """Return the command that acts on the home whose state directory this is, as a shell reads it."""
    root, _, profile = state.partition("/profiles/")
    return f"{_home_of_command(root)}hermes -p {profile or DEFAULT_PROFILE}"


def _home_of_command(root: str) -> str:
    """Return what comes before a command, so that this shell has it act on the home with these state directories."""
    if root.endswith("/state"):
        return f"HERMES_HOME={shlex.quote(root.removesuffix('/state'))} "
    default = "/.local/state/hermes"  # of somebody who has another HOME, or whose shell names a HERMES_HOME
    home = root.removesuffix(default)
    named = "env -u HERMES_HOME " if os.environ.get("HERMES_HOME") else ""
    if home == root or home == os.path.expanduser("~"):
        return named
    return f"{named}HOME={shlex.quote(home)} "


def _home(state: str) -> str:
    """Return the home whose state directory this is, with the profile where it is not the default one."""
    root, _, profile = state.partition("/profiles/")
    home = root.removesuffix("/state")
    return f"{home}, profile {profile}" if profile else home


def _command(said: Said) -> str:
    begins = said.argv.index("-P") - 1 if "-P" in said.argv else 0  # before it: the shell that opens our log
    return printable(" ".join(said.argv[max(0, begins) :]) or f"something when {said.watched} has entries", _SHOWN)


def _of_agent(name: str, said: Said, paths: Paths) -> Problem:
    adopted = next((one for one in profiles(paths) if _adopts(sibling(paths, one), name)), None)
    if adopted is not None:
        text = f"{name} is hermes-agent's, which is kept alive here as profile {adopted}"
        return Problem(FOREIGN, text, Advice(f"hermesctl -p {adopted} gateway status shows it"))
    home = said.environment.get("HERMES_HOME")
    where = f", home {printable(home)}" if home else ""
    return _problem(
        f"{name} is hermes-agent's, which runs {_command(said)}{where}",
        "hermesctl gateway adopt hermes-agent keeps it alive; hermes -p NAME gateway install takes another name",
    )


def _adopts(paths: Paths, name: str) -> bool:
    return (durable.read_json(paths.adopted) or {}).get("name") == name


def _of_home(name: str, home: str, freed_by: str, said: Said) -> Problem:
    shown = printable(home)
    return _problem(
        f"{name} is of another home, {shown}, and runs {_command(said)}",
        f"hermes -p NAME gateway install takes another name; {freed_by} frees this one",
    )


def _of_nobody(name: str, what: str) -> Problem:
    return _problem(
        f"{name} is not hermes's: it {what}",
        "hermes -p NAME gateway install takes another name; or remove that one by hand",
    )


def _problem(text: str, mend: str) -> Problem:
    return Problem(FOREIGN, f"{text}; it was left as it is", Advice(mend))
