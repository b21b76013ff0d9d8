"""The packages that a revision needs: compare them, install them, keep them for the way back.

What drivers rarely need is imported late; it is of the standard library, which no update of hermes replaces.
"""

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from hermes_cli.errors import HermesError
from hermes_cli.system.command import Ended
from hermes_cli.update.sources.git.checkout import Checkout
from hermes_cli.update.sources.names import NAME, NAMES

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_TABLES = ("name", "dependencies", "optional-dependencies", "scripts", "entry-points", "requires-python", "dynamic")


def differ(checkout: Checkout, old: str, new: str) -> bool:
    """Return whether pyproject.toml asks for other packages or scripts; a file that cannot be read differs."""
    return bool(_needs(checkout.text(old, "pyproject.toml")) != _needs(checkout.text(new, "pyproject.toml")))


def install(checkout: Checkout, tables: frozenset[str] = frozenset()) -> Ended | None:
    """Install what the checked-out tree needs, with whatever made this environment, and with the extras of before.

    Return None if hermes was not installed from here, so that nobody knows how. Raises HermesError if nobody can.
    """
    from hermes_cli.update.sources.wheel import extras, installers

    for one in _installed():
        editable = _is_editable(one, checkout.project)
        if editable is None:
            continue
        installer = installers.for_project((one.read_text("INSTALLER") or "").strip(), checkout.keep)
        wanted = extras.shown(extras.wanted(_site(one), installer.prefix, tables))
        done = installer.install_project(checkout.project, wanted, editable=editable)
        if done.ok:
            _leave_one(checkout.project)
        return done
    return None


def leave_one_name(package: str) -> None:
    """Remove the other name's distribution where an update by release 0.1.0 has installed this checkout by both."""
    project = os.path.dirname(package)
    if len([one for one in _installed() if _is_editable(one, project) is not None]) > 1:
        _leave_one(project)


def keep(folder: str) -> str | None:
    """Keep the files of hermes's own distribution and of all that it needs. Return the site-packages, or None.

    Going back must not need a network, and pip may be cut off with a package half replaced.
    """
    from hermes_cli.update.sources.wheel import distributions

    for one in _installed():
        site = _site(one)
        try:
            needed = {need for name in NAMES for need in distributions.needed(site, name)}
            distributions.keep(site, sorted(needed), folder)
        except HermesError:
            return None
        return site
    return None


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


def _installed() -> "list[Distribution]":
    """Return the distributions of hermes that are installed, today's name first."""
    from importlib import metadata

    found = []
    for name in NAMES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(metadata.distribution(name))
    return found


def _site(one: "Distribution") -> str:
    return os.path.realpath(str(one.locate_file("")))


def _leave_one(project: str) -> None:
    """Have hermes installed by the name only that the checked out tree says."""
    import tomllib

    from hermes_cli.update.sources.wheel import distributions
    from hermes_cli.update.sources.wheel.installers import canonical

    name = NAME
    with contextlib.suppress(OSError, KeyError, TypeError, ValueError), open(f"{project}/pyproject.toml", "rb") as file:
        name = canonical(tomllib.load(file)["project"]["name"])
    if name in NAMES:
        for site in {_site(one) for one in _installed()}:
            distributions.take_place(site, name)


def _is_editable(one: "Distribution", project: str) -> bool | None:
    """Return what direct_url.json says (PEP 610), or None if pip installed this distribution from elsewhere."""
    from urllib.parse import unquote, urlsplit

    try:
        text = one.read_text("direct_url.json")
        document = json.loads(text) if text else {}
    except (ValueError, OSError):
        return None
    place = urlsplit(str(document.get("url")))
    if place.scheme != "file" or os.path.realpath(unquote(place.path)) != project:
        return None
    return bool(document.get("dir_info", {}).get("editable"))
