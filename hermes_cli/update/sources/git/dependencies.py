"""The packages that a revision needs: compare them, install them, keep them for the way back.

What drivers rarely need is imported late; it is of the standard library, which no update of hermes replaces.
"""

import json
import os
import sys
from typing import Any

from hermes_cli.environment import scrubbed
from hermes_cli.errors import HermesError
from hermes_cli.system.command import Ended, run
from hermes_cli.update.sources.git.checkout import Checkout

TIMEOUT = 900.0
_DISTRIBUTION = "hermes-cli"
_TABLES = ("dependencies", "optional-dependencies", "scripts", "entry-points", "requires-python", "dynamic")


def differ(checkout: Checkout, old: str, new: str) -> bool:
    """Return whether pyproject.toml asks for other packages or scripts; a file that cannot be read differs."""
    return bool(_needs(checkout.text(old, "pyproject.toml")) != _needs(checkout.text(new, "pyproject.toml")))


def install(checkout: Checkout) -> Ended | None:
    """Install what the checked-out tree needs. Return None if pip did not install hermes and so cannot do it."""
    editable = _is_editable(checkout.project)
    if editable is None:
        return None
    target = ["-e", checkout.project] if editable else [checkout.project]
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *target]
    return run(argv, TIMEOUT, environment=scrubbed(), keep=checkout.keep)


def keep(folder: str) -> str | None:
    """Keep the files of hermes's own distribution and of all that it needs. Return the site-packages, or None.

    Going back must not need a network, and pip may be cut off with a package half replaced.
    """
    from importlib import metadata

    from hermes_cli.update.sources.wheel import distributions

    try:
        site = os.path.realpath(str(metadata.distribution(_DISTRIBUTION).locate_file("")))
        distributions.keep(site, distributions.needed(site, _DISTRIBUTION), folder)
    except (metadata.PackageNotFoundError, HermesError):
        return None
    return site


def _needs(text: str | None) -> Any:
    import tomllib

    if text is None:
        return None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    project = document.get("project")
    tables = {name: project.get(name) for name in _TABLES} if isinstance(project, dict) else project
    return tables, document.get("build-system")


def _is_editable(project: str) -> bool | None:
    """Return what direct_url.json says (PEP 610), or None if pip did not install hermes from `project`."""
    from importlib import metadata
    from urllib.parse import unquote, urlsplit

    try:
        text = metadata.distribution(_DISTRIBUTION).read_text("direct_url.json")
        document = json.loads(text) if text else {}
    except (metadata.PackageNotFoundError, ValueError, OSError):
        return None
    place = urlsplit(str(document.get("url")))
    if place.scheme != "file" or os.path.realpath(unquote(place.path)) != project:
        return None
    return bool(document.get("dir_info", {}).get("editable"))
