"""The extras that hermes is installed with: an update asks for them again, or their packages would never be updated.

pip keeps no note of them; pipx and uv do. So an extra counts as wanted if a tool has noted it, if all that it needs is
installed, or if config.toml has a table of its name.
"""

import os
import re
from collections.abc import Collection

from hermes_cli.system import durable
from hermes_cli.update.sources.names import NAMES
from hermes_cli.update.sources.wheel import distributions
from hermes_cli.update.sources.wheel.installers import canonical

_ONLY_EXTRA = re.compile(r"""([A-Za-z0-9._-]+)[^;]*;\s*\(?extra\s*==\s*["']([^"']+)["']\)?\s*""")
_IN_BRACKETS = re.compile(r"[A-Za-z0-9._-]+\s*\[([^\]]*)\]")


def wanted(site: str, prefix: str, tables: Collection[str]) -> tuple[str, ...]:
    """Return the extras to ask for, sorted. `tables`: the names of the tables in config.toml."""
    infos = [info for _, _, info in distributions.ours(site)]
    if not infos:
        return ()
    lines = distributions.metadata(infos[0])
    provided = {canonical(line.partition(":")[2].strip()) for line in lines if line.startswith("Provides-Extra:")}
    found = _noted(prefix) | (provided & {canonical(name) for name in tables}) | (provided & _complete(site, lines))
    return tuple(sorted(found))


def shown(extras: Collection[str]) -> str:
    """Return the part of a requirement that asks for these extras."""
    return f"[{','.join(extras)}]" if extras else ""


def tables_of(path: str) -> frozenset[str]:
    """Return the names of the tables in a config.toml; none if it cannot be read."""
    import tomllib  # not of what an update replaces, and most drivers read no TOML

    try:
        with open(path, "rb") as file:
            return frozenset(name for name, value in tomllib.load(file).items() if isinstance(value, dict))
    except (OSError, ValueError, RecursionError):
        return frozenset()


def _complete(site: str, lines: list[str]) -> set[str]:
    needs: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("Requires-Dist:") and (match := _ONLY_EXTRA.fullmatch(line.partition(":")[2].strip())):
            needs.setdefault(canonical(match[2]), []).append(match[1])
    return {extra for extra, names in needs.items() if all(distributions.versions(site, name) for name in names)}


def _noted(prefix: str) -> set[str]:
    """Return what pipx and uv have noted when they installed the tool."""
    found: set[str] = set()
    pipx = durable.read_json(f"{prefix}/pipx_metadata.json") or {}
    main = pipx.get("main_package")
    if isinstance(main, dict) and (match := _IN_BRACKETS.match(str(main.get("package_or_url")))):
        found.update(canonical(name.strip()) for name in match[1].split(",") if name.strip())
    import tomllib

    try:
        with open(os.path.join(prefix, "uv-receipt.toml"), "rb") as file:
            needs = tomllib.load(file)["tool"]["requirements"]
        for need in needs:
            if canonical(need["name"]) in NAMES:
                found.update(canonical(name) for name in need.get("extras", ()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return found
