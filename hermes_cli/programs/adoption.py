"""adopted.json: that this profile keeps another program's gateway alive, and where that program lies.

`adopt` writes it, `release` removes it. What the program is, program.toml beside config.toml says.
"""

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

from hermes_cli.errors import ConfigError
from hermes_cli.paths import Paths
from hermes_cli.programs.program_file import ProgramFile, fill, load
from hermes_cli.system import durable

# A path in a plist or a unit, and what an interpreter is called.
_PATH = re.compile(r'<string>(/[^<]*)</string>|"(/[^"]*)"|(?<![^\s=])(/[^\s"<]+)')
_PYTHON = re.compile(r"python[0-9.]*")
Unloaded = Literal["leave", "bring-back"]


class Adoption(NamedTuple):
    """One adopted program. `name` is its launchd label or systemd unit, `definition` the path of its plist or unit."""

    program: str
    manager: str  # launchd or systemd
    name: str
    home: str
    definition: str
    profile: str = "default"  # its own, not ours
    unloaded: Unloaded = "leave"
    hook: bool = True
    values: Mapping[str, str] = MappingProxyType({})  # of placeholders, beyond those that follow from the above

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"schema": 1, **self._asdict(), "values": dict(self.values)}

    @classmethod
    def parse(cls, found: dict[str, Any] | None) -> Self | None:
        """Return an adoption from JSON, or None when something is missing."""
        if found is None:
            return None
        texts = {name: found.get(name) for name in ("program", "manager", "name", "home", "definition", "profile")}
        if not all(isinstance(value, str) for value in texts.values()):
            return None
        values = found.get("values")
        return cls(
            **{name: str(value) for name, value in texts.items()},
            unloaded="bring-back" if found.get("unloaded") == "bring-back" else "leave",
            hook=found.get("hook") is not False,
            values={str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {},
        )

    def fill(self, text: str, **more: str) -> str:
        """Return a text of the program file with its placeholders filled in."""
        return fill(
            text,
            {
                "home": self.home,
                "profile": self.profile,
                "uid": str(os.getuid()),
                "label": self.name,
                "unit": self.name,
                "definition": self.definition,
                **self.values,
                **more,
            },
        )


def installation(definition: str) -> dict[str, str]:
    """Return {python} and {install}: the interpreter that a definition runs, and the folder of its environment.

    Nothing where the definition cannot be read, or runs no Python.
    """
    paths = map("".join, _PATH.findall(durable.read_text(definition) or ""))
    python = next((path for path in paths if _PYTHON.fullmatch(os.path.basename(path))), None)
    if python is None:
        return {}
    return {"python": python, "install": os.path.dirname(os.path.dirname(os.path.dirname(python)))}


def program_path(paths: Paths) -> str:
    """Return the path of program.toml."""
    return paths.program


def read(paths: Paths) -> Adoption | None:
    """Return the adoption of this profile, or None when it keeps our own gateway.

    Raises OSError when that cannot be told, ConfigError for a file that says nothing.
    """
    try:
        os.stat(paths.adopted)
    except (FileNotFoundError, NotADirectoryError):
        return None
    found = Adoption.parse(durable.read_json(paths.adopted, strict=True))
    if found is None:
        raise ConfigError(f"{paths.adopted} says nothing of use: hermes gateway adopt NAME writes it anew")
    return found


def read_program(paths: Paths) -> ProgramFile:
    """Return this profile's program file. Raises ConfigError."""
    return load(program_path(paths))
