"""A private copy of this package, which runs a driver while the installed package may not be able to.

    <state>/restarter/lib  →  lib-DIGEST/   hermes_cli and the few packages that a driver imports

An updater makes the copy before it changes anything: git and pip replace files one by one, and a driver that finds them
killed half-way must be able to run without those files. A new copy is a new directory, whole and synced before the link
is swapped, so a driver that starts during the swap runs the old copy or the new one.
"""

import contextlib
import importlib.util
import os
import sys

from hermes_cli.errors import HermesError
from hermes_cli.installation import entry_points, origin
from hermes_cli.system import durable, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths

# platformdirs where HERMES_HOME is not set, psutil where the kernel has no /proc and for git's lock files.
_NEEDED = ("platformdirs", "psutil")
# $1 python, $2 the copy, $3 which to try first, $4 profile, $5 trigger. If a driver cannot run, or is
# killed, the other one looks at what is there and goes on.
_SCRIPT = """\
python=$1 copy=$2${PYTHONPATH:+:$PYTHONPATH} first=$3
shift 3
set -- -P -m hermes_cli.restarter -p "$1" --trigger "$2"
if [ "$first" = copy ]; then PYTHONPATH=$copy "$python" "$@"; else "$python" "$@"; fi
code=$?
case $code in 0|75) exit "$code" ;; esac
if [ "$first" = copy ]; then exec "$python" "$@"; fi
PYTHONPATH=$copy
export PYTHONPATH
exec "$python" "$@"
"""


def keep(paths: "Paths") -> None:
    """Copy the installed package, unless the copy is up to date already. Raises HermesError."""
    if origin.copy() is not None:  # the installed package may be half changed, and the copy that runs now is whole
        return
    folder = _folder(paths)
    try:
        sources = _sources()
        name = f"lib-{_digest(sources)}"
        if os.path.exists(f"{folder}/{name}/hermes_cli/{origin.ORIGIN}"):
            _point_at(folder, name)
            return
        durable.make_private_directory(folder)
        staged = f"{folder}/new-{os.getpid()}"
        durable.remove_tree(staged)
        os.mkdir(staged, 0o700)
        for package, source in sources.items():
            _copy(source, f"{staged}/{package}")
        durable.write_new(f"{staged}/hermes_cli/{origin.ORIGIN}", os.fsencode(origin.package()))
        for directory, _, _ in os.walk(staged):
            durable.sync_directory(directory)
        durable.remove_tree(f"{folder}/{name}")  # one that was cut off before its last file
        os.rename(staged, f"{folder}/{name}")
        durable.sync_directory(folder)
        _point_at(folder, name)
    except OSError as error:
        raise HermesError(refusal.refused(folder, "written", error)) from None


def python_path(paths: "Paths") -> str | None:
    """Return the entry of PYTHONPATH that runs a driver from the copy, or None when there is no copy."""
    place = f"{_folder(paths)}/lib"
    return place if os.path.isdir(f"{place}/hermes_cli") else None


def driver_argv(paths: "Paths", trigger: str) -> list[str]:
    """Return the command line of a driver that runs even when the installed package does not.

    While an update has the code in flux, the copy goes first: half a package may well begin to run.
    """
    found = python_path(paths)
    if found is None:
        return entry_points.argv(entry_points.RESTARTER, "-p", paths.profile, "--trigger", trigger)
    first = "copy" if _in_flux(paths) else "installed"
    return ["/bin/sh", "-c", _SCRIPT, "hermes-restarter", sys.executable, found, first, paths.profile, trigger]


def _folder(paths: "Paths") -> str:
    return f"{paths.state}/restarter"


def _in_flux(paths: "Paths") -> bool:
    """Say whether a journal says that an update is changing the code.

    The journal is read by hand: the copy is wanted when little else can be imported.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(paths.updates_under_way):
            document = durable.read_json(f"{paths.updates_under_way}/{name}")
            if document is not None and document.get("step") in {"begun", "undoing"}:
                return True
    return False


def _sources() -> dict[str, str]:
    """Return the directories to copy, by package."""
    found = {"hermes_cli": origin.package()}
    for name in _NEEDED:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            found[name] = os.path.dirname(spec.origin)
    return found


def _files(source: str) -> list[str]:
    found = []
    for directory, names, files in os.walk(source):
        names[:] = sorted(name for name in names if name not in {"__pycache__", "tests"})
        relative = os.path.relpath(directory, source)
        found += [os.path.normpath(os.path.join(relative, name)) for name in sorted(files)]
    return found


def _digest(sources: dict[str, str]) -> str:
    import hashlib  # with OpenSSL, which a supervisor would keep in its memory

    digest = hashlib.sha256()
    for package, source in sources.items():
        digest.update(f"{package}\0{source}\0".encode(errors="surrogateescape"))
        for name in _files(source):
            with open(f"{source}/{name}", "rb") as file:
                data = file.read()
            digest.update(f"{name}\0{len(data)}\0".encode(errors="surrogateescape") + data)
    return digest.hexdigest()[:16]


def _copy(source: str, target: str) -> None:
    for name in _files(source):
        os.makedirs(os.path.dirname(f"{target}/{name}"), mode=0o700, exist_ok=True)
        with open(f"{source}/{name}", "rb") as file:
            durable.write_new(f"{target}/{name}", file.read())


def _point_at(folder: str, name: str) -> None:
    """Swap the link, and remove copies that nothing points at.

    A driver that runs from such a copy has imported all that it needs.
    """
    link = f"{folder}/lib"
    before = os.readlink(link) if os.path.islink(link) else None
    if before != name:
        temporary = f"{folder}/link-{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(name, temporary)
        os.rename(temporary, link)
        durable.sync_directory(folder)
    for other in os.listdir(folder):
        if other.startswith("lib-") and other not in {name, before}:
            durable.remove_tree(f"{folder}/{other}")
