"""Find a program's own service on this machine: its manager, its name there, its definition, its home."""

import os
import pwd
import sys

from hermes_cli.errors import HermesError, NotInstalledError, UsageError
from hermes_cli.paths import Paths, is_foreign
from hermes_cli.programs.adoption import Adoption, installation
from hermes_cli.programs.program_file import ProgramFile, fill
from hermes_cli.services.adopted.base import Adopted
from hermes_cli.services.adopted.launchd import AdoptedLaunchd
from hermes_cli.services.adopted.systemd import AdoptedSystemd
from hermes_cli.services.job.definition import read
from hermes_cli.services.launchd import plists
from hermes_cli.services.systemd import units
from hermes_cli.services.systemd.systemctl import Systemctl


def find(program: ProgramFile, home: str | None) -> Adoption:
    """Return where the program is. Raises NotInstalledError, UsageError, HermesError."""
    named = home or _foreign_home(program.get("home", "env"))
    place = _real(named or program.get("home", "default") or "~")
    asked = os.environ.get("HERMES_SERVICE_MANAGER")
    kind = "launchd" if asked == "launchd" or (asked in {None, "", "auto"} and sys.platform == "darwin") else "systemd"
    if asked == "embedded":
        raise HermesError(
            "the embedded manager runs no service of another program: hermes gateway install --program FILE"
        )
    service = program.get("service", kind)
    if service is None:
        raise NotInstalledError(f"{program.name} has no service under {kind}: hermes gateway install --program FILE")
    profile = _profile(program, place)
    key = "profile" if profile and "profile" in service else "label" if kind == "launchd" else "unit"
    name = fill(service[key], {"profile": profile or "default"})
    definition = _plist(name) if kind == "launchd" else _unit(name)
    if definition is None:
        raise NotInstalledError(
            f"{program.name} has no service {name} here: install it with its own command, or name its home with --home"
        )
    place = _checked_home(program, name, named, place, _told_home(program, kind, definition))
    values = installation(definition)
    return Adoption(program.name, kind, name, place, definition, profile or "default", values=values)


def manager(paths: Paths, adoption: Adoption) -> Adopted:
    """Return the adopted program's manager."""
    return (AdoptedLaunchd if adoption.manager == "launchd" else AdoptedSystemd)(paths, adoption)


def _real(place: str) -> str:
    return os.path.realpath(os.path.expanduser(place))


def _checked_home(program: ProgramFile, name: str, named: str | None, place: str, told: str | None) -> str:
    """Return the home of what `name` runs. A home of another instance would tell of that one's restarts and stops."""
    if told is not None and told != place:
        if named is not None:
            raise UsageError(f"{name} runs with the home {told}, not {place}: name that one with --home")
        place = told
    if not os.path.isdir(place):
        raise UsageError(f"{program.name}'s home {place} is not there: start it once, or name its home with --home")
    return place


def _told_home(program: ProgramFile, kind: str, definition: str) -> str | None:
    """Return the home that the definition itself gives to what it runs, None where it gives none."""
    said = (plists if kind == "launchd" else units).said(read(definition) or "")
    told = said.environment.get(program.get("home", "env") or "", "")
    return _real(told) if os.path.isabs(told) else None


def _foreign_home(variable: str | None) -> str | None:
    """Return the value of the program's own variable, unless that variable is ours and names our home."""
    value = os.environ.get(variable or "")
    if not value or variable != "HERMES_HOME":
        return value
    return value if is_foreign(value) else None


def _profile(program: ProgramFile, home: str) -> str | None:
    """Return the profile whose home this is: as the program file lays them out, else a folder below `profiles/`."""
    layout = program.get("home", "profile")
    if layout is not None:
        before, _, after = os.path.expanduser(layout).partition("{profile}")
        is_one = home.startswith(before) and home.endswith(after) and len(home) > len(before + after)
        return home[len(before) : len(home) - len(after)] if is_one else None
    parent, name = os.path.split(home)
    return name if os.path.basename(parent) == "profiles" else None


def _home_in_passwd() -> list[str]:
    try:
        return [pwd.getpwuid(os.getuid()).pw_dir]
    except KeyError:
        return []


def _plist(label: str) -> str | None:
    homes = dict.fromkeys([*_home_in_passwd(), os.path.expanduser("~")])
    places = [f"{home}/Library/LaunchAgents/{label}.plist" for home in homes]
    return next((place for place in places if os.path.isfile(place)), None)


def _unit(name: str) -> str | None:
    place = f"{Systemctl(system=False).directory()}/{name}"
    return place if os.path.isfile(place) else None
