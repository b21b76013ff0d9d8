"""The files of installed distributions: kept before a change, put back one by one after it, without any network.

A distribution is what its RECORD lists. Whichever installer was cut off, and wherever: files that differ from the kept
ones are written again, and files that only the new distribution has are removed.
"""

import base64
import contextlib
import csv
import json
import os
import re
from typing import Any

from hermes_cli.errors import HermesError
from hermes_cli.system import durable
from hermes_cli.update.sources.names import NAMES
from hermes_cli.update.sources.wheel.installers import canonical

_MANIFEST = "kept.json"
_DIST_INFO = re.compile(r"(.+)-([^-]+)\.dist-info")
_RENAMED_BY_PIP = "-~.=%0123456789"  # what pip puts in front of the rest of a name that it moves out of the way


def versions(site: str, name: str) -> dict[str, str]:
    """Return what of this name is installed, wholly or half: version → path of the dist-info."""
    found = {}
    for entry in _listed(site):
        match = _DIST_INFO.fullmatch(entry)
        if match and canonical(match[1]) == canonical(name):
            found[match[2]] = f"{site}/{entry}"
    return found


def ours(site: str) -> list[tuple[str, str, str]]:
    """Return name, version and dist-info of every hermes that is installed, or half, today's name first."""
    return [(name, version, info) for name in NAMES for version, info in versions(site, name).items()]


def take_place(site: str, name: str) -> None:
    """Remove what is left of hermes by its other name, once it is installed by this one. May be repeated."""
    mine = {path for info in versions(site, name).values() for path, _ in recorded(site, info)}
    others = [info for other, _, info in ours(site) if other != name]
    if not mine or not others:
        return
    for info in others:
        for path, _ in recorded(site, info):
            if path not in mine and _is_below(path, site):
                with contextlib.suppress(OSError):
                    os.unlink(path)
        durable.remove_tree(info)
    for directory, _, _ in os.walk(f"{site}/hermes_cli", topdown=False):
        if set(os.listdir(directory)) <= {"__pycache__"}:
            durable.remove_tree(directory)
    durable.sync_directory(site)


def keep(site: str, names: list[str], folder: str) -> None:
    """Copy every file of these distributions, if they are installed, to `folder`. Raises HermesError, OSError."""
    durable.remove_tree(folder)
    durable.make_private_directory(folder)
    kept: list[list[Any]] = []
    for name in names:
        for info in versions(site, name).values():
            files = recorded(site, info)
            if not files:
                raise HermesError(f"{info} has no RECORD, so nothing could be put back: install {name} anew and repeat")
            for path, _ in files:
                if path.endswith(".pyc") or not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    durable.write_new(f"{folder}/{len(kept)}", file.read())
                kept.append([path, os.stat(path).st_mode & 0o777])
    durable.publish(f"{folder}/{_MANIFEST}", {"files": kept})


def kept(folder: str) -> dict[str, str]:
    """Return the versions by name that `keep` has put there; none if it did not get to its end."""
    manifest = durable.read_json(f"{folder}/{_MANIFEST}", 1 << 24) or {}
    infos = (os.path.basename(os.path.dirname(str(path))) for path, _ in manifest.get("files", ()))
    return {canonical(found[1]): found[2] for info in infos if (found := _DIST_INFO.fullmatch(info))}


def restore(site: str, folder: str) -> bool:
    """Put back what was kept, whatever is in its place. Return False if nothing was. Raises HermesError, OSError."""
    manifest = durable.read_json(f"{folder}/{_MANIFEST}", 1 << 24)
    if manifest is None:
        return False
    old = {os.path.dirname(str(path)) for path, _ in manifest["files"] if str(path).endswith("/RECORD")}
    names = {canonical(match[1]) for info in old if (match := _DIST_INFO.fullmatch(os.path.basename(info)))}
    if not names.isdisjoint(NAMES):
        names.update(NAMES)
    for name in names:
        newer = {version for version, info in versions(site, name).items() if info not in old}
        for version in newer or {""}:
            put_back(site, {name: version}, folder)
    return True


def needed(site: str, name: str) -> list[str]:
    """Return the names of a distribution and of all that it needs and that is installed; of extras, hermes's own."""
    found: list[str] = []
    todo = [canonical(name)]
    while todo:
        one = todo.pop()
        infos = list(versions(site, one).values())
        if one in found or not infos:
            continue
        found.append(one)
        lines = metadata(infos[0])
        needs = [line.partition(":")[2].strip() for line in lines if line.startswith("Requires-Dist:")]
        matches = (re.match(r"[A-Za-z0-9._-]+", need) for need in needs if one in NAMES or "extra ==" not in need)
        todo += [canonical(match[0]) for match in matches if match]
    return found


def put_back(site: str, plan: dict[str, str], folder: str) -> None:
    """Restore the kept files, and remove the planned ones; this may be repeated. Raises HermesError, OSError."""
    manifest = durable.read_json(f"{folder}/{_MANIFEST}", 1 << 24)
    if manifest is None:
        raise HermesError(f"{folder} is not whole: install the old version again")
    kept = [(str(path), int(mode), f"{folder}/{index}") for index, (path, mode) in enumerate(manifest["files"])]
    old = {path for path, _, _ in kept}
    for name, version in plan.items():
        info = versions(site, name).get(version)
        if info is None:
            continue
        for path, _ in recorded(site, info):
            if path not in old and _is_below(path, site):
                with contextlib.suppress(OSError):
                    os.unlink(path)
        if not any(path.startswith(f"{info}/") for path in old):
            durable.remove_tree(info)
    for path, mode, copy in kept:
        with open(copy, "rb") as file:
            data = file.read()
        if _read(path) != data:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            temporary = f"{path}.hermes-new"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            durable.write_new(temporary, data)
            os.chmod(temporary, mode)
            os.rename(temporary, path)
    _sweep(site, old)


def is_whole(site: str, plan: dict[str, str]) -> bool:
    """Return whether exactly these versions are installed, file by file."""
    for name, version in plan.items():
        found = versions(site, name)
        if list(found) != [version]:
            return False
        files = recorded(site, found[version])
        if not files or any(expected and _hash(path) != expected for path, expected in files):
            return False
    return True


def recorded(site: str, info: str) -> list[tuple[str, str]]:
    """Return the absolute paths and the hashes in a RECORD; none if it is not there."""
    try:
        with open(f"{info}/RECORD", encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return [(os.path.normpath(os.path.join(site, row[0])), row[1] if len(row) > 1 else "") for row in rows]


def _sweep(site: str, old: set[str]) -> None:
    """Remove the package's files that are not the old ones, and what pip has moved out of the way."""
    for directory, _, files in os.walk(f"{site}/hermes_cli", topdown=False):
        for name in files:
            if f"{directory}/{name}" not in old:
                os.unlink(f"{directory}/{name}")
        with contextlib.suppress(OSError):
            os.rmdir(directory)  # only an empty one goes
    _forget_moved(site, old)
    durable.sync_directory(site)


def forget_moved(site: str, folder: str) -> None:
    """Remove the files that a killed pip has moved out of the way, if they are kept in `folder`."""
    manifest = durable.read_json(f"{folder}/{_MANIFEST}", 1 << 24) or {"files": []}
    _forget_moved(site, {str(path) for path, _ in manifest["files"]})


def _forget_moved(site: str, old: set[str]) -> None:
    tops = {os.path.relpath(path, site).split(os.sep)[0] for path in old}
    for entry in _listed(site):
        rest = entry.lstrip(_RENAMED_BY_PIP)
        if entry.startswith("~") and rest and any(top.endswith(rest) and len(top) >= len(rest) for top in tops):
            durable.remove_tree(f"{site}/{entry}")


def _is_below(path: str, site: str) -> bool:
    """Return whether a path is in the environment: a RECORD that somebody else wrote must not lead out of it."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(site)))  # PREFIX/lib/pythonX.Y/site-packages
    return path.startswith(f"{root}/")


def _hash(path: str) -> str:
    data = _read(path)
    if data is None:
        return ""
    import hashlib  # not of what an update replaces, and most drivers hash nothing

    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _listed(site: str) -> list[str]:
    try:
        return sorted(os.listdir(site))
    except OSError:
        return []


def metadata(info: str) -> list[str]:
    """Return the lines of METADATA; none if it cannot be read."""
    return (_read(f"{info}/METADATA") or b"").decode("utf-8", "replace").splitlines()


def direct_url(info: str) -> dict[str, Any]:
    """Return direct_url.json (PEP 610); empty if the distribution came from an index."""
    text = _read(f"{info}/direct_url.json")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def installer(info: str) -> str:
    """Return the name in the INSTALLER file."""
    return (_read(f"{info}/INSTALLER") or b"").decode("utf-8", "replace").strip()
