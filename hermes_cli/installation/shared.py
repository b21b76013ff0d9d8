"""Whether hermes-agent is installed in this very environment: both have a package `hermes_cli` and a script `hermes`."""

import json
import os
import shlex
import sys
from urllib.parse import unquote, urlsplit

from hermes_cli.errors import HermesError


def refuse() -> None:
    """Raise HermesError where the two overwrite each other's files: whatever is built on that dies at its next start."""
    if (found := why()) is not None:
        text, command = found
        raise HermesError(f"{text}; to part them: {command}")


def why() -> tuple[str, str] | None:
    """Return that the two are in one environment, and the command that parts them; None where they are not."""
    place = f"{sys.prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    try:
        with os.scandir(place) as entries:
            names = (one.name for one in entries if one.name.endswith(".dist-info"))
            found = next((name for name in names if name.startswith("hermes_agent-")), None)
    except OSError:
        return None
    if found is None:
        return None
    pip = f"{shlex.quote(sys.executable)} -m pip"
    # pip takes what it has lost files of for installed.
    again = f"{pip} install --force-reinstall --no-deps {_source(f'{place}/{found}')}"
    text = (
        f"hermesctl is in the environment of hermes-agent ({sys.prefix}), where the two overwrite each other: "
        "it belongs beside it, by pipx, uv tool or a venv of its own"
    )
    return text, f"{pip} uninstall -y hermes-gateway && {again}"


def _source(information: str) -> str:
    """Return what pip is told to have the same hermes-agent again: its folder, or its version from the index."""
    try:
        with open(f"{information}/direct_url.json", encoding="utf-8") as file:
            given = json.load(file)
        path = unquote(urlsplit(given["url"]).path)
        return f"-e {shlex.quote(path)}" if given.get("dir_info", {}).get("editable") else shlex.quote(given["url"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        version = os.path.basename(information).removeprefix("hermes_agent-").removesuffix(".dist-info")
        return f"hermes-agent=={version}"
