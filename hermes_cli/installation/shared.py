"""Whether hermes-agent is installed in this very environment: both have a package `hermes_cli` and a script `hermes`."""

import os
import sys

from hermes_cli.errors import HermesError


def refuse() -> None:
    """Raise HermesError where the two overwrite each other's files: whatever is built on that dies at its next start."""
    place = f"{sys.prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    try:
        with os.scandir(place) as entries:
            is_there = any(one.name.startswith("hermes_agent-") and one.name.endswith(".dist-info") for one in entries)
    except OSError:
        return
    if is_there:
        raise HermesError(
            f"hermesctl is in the environment of hermes-agent ({sys.prefix}), where the two overwrite each other: "
            f"{sys.executable} -m pip uninstall -y hermes-gateway, then install hermes-agent again, "
            "and hermesctl beside it, with pipx, uv tool or a venv of its own"
        )
