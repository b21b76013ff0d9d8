"""Whether a home may be used by the caller: it is theirs, and nobody else can put something in its place.

Every command looks before it reads or writes anything there. Nothing is looked up where nothing is amiss.
"""

import os

from hermes_cli.errors import UsageError
from hermes_cli.system import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths


def check(paths: "Paths", home: str) -> None:
    """Raise UsageError for a home of another user, and for a directory in which others could write.

    `home` is where everything begins: HERMES_HOME, or the platform's state directory.
    """
    found = _stat(home)
    if found is None:
        _check_ancestor(home)
        return
    if (found.st_mode & 0o170000) != 0o040000:
        raise UsageError(f"{home} is not a directory: point HERMES_HOME at one")
    _check_owner(home, found)
    _check_writers(home, found)
    if found.st_uid == 0 != os.geteuid() and not (os.path.isdir(paths.state) or os.access(home, os.W_OK)):
        name = trust.name_of(os.geteuid()) or os.geteuid()
        raise UsageError(f"{home} is root's and holds nothing of yours yet: sudo chown -R {name} {_quoted(home)}")
    if home == paths.home and not found.st_mode & 0o077:
        return  # nobody else comes to what is below
    for place in {paths.state, paths.logs, os.path.dirname(paths.config)} - {home}:
        below = _stat(place)
        if below is not None:
            _check_owner(place, below)
            _check_writers(place, below)


def check_name(paths: "Paths", default: str) -> None:
    """Raise UsageError for a profile that differs from another one in case only: not every file system can tell."""
    name = paths.profile
    if name == default:
        return
    there = [default]
    for place in {f"{paths.root}/profiles", os.path.dirname(os.path.dirname(paths.config))}:
        try:
            there += os.listdir(place)
        except OSError:
            continue
    twin = next((one for one in there if one.lower() == name.lower()), None)
    if twin is not None and name not in there:
        raise UsageError(
            f"profile {name!r} differs from {twin!r} in case only: hermes -p {twin}, or choose another name"
        )


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise UsageError(f"{path} lies below a file: point HERMES_HOME at a directory") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be looked at ({error.strerror}): point HERMES_HOME elsewhere") from None


def _check_owner(path: str, found: os.stat_result) -> None:
    if trust.is_foreign(found):
        raise UsageError(_of_another(path, found.st_uid))


def _check_writers(path: str, found: os.stat_result) -> None:
    others = trust.writers(path, found)
    if others == "everyone":
        raise UsageError(
            f"{path} is writable by everyone, so anyone could restart the gateway: chmod o-w {_quoted(path)}"
        )
    if others is not None:
        raise UsageError(f"{path} is writable by {others}, which has members besides you: chmod g-w {_quoted(path)}")


def _check_ancestor(home: str) -> None:
    """Refuse to make, as root, a directory in another user's: they could not use it afterwards."""
    if os.geteuid() != 0:
        return
    place = os.path.dirname(home)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    owner = os.stat(place).st_uid
    if owner == 0 or (name := trust.name_of(owner)) is None:
        return
    if f"{os.path.realpath(home)}/".startswith(f"{os.path.realpath(trust.home_of(name))}/"):
        raise UsageError(_of_another(home, owner))


def _of_another(path: str, uid: int) -> str:
    """Return the line for a home of another user, with the command that asks as that user."""
    name = trust.name_of(uid)
    where = os.environ.get("HERMES_HOME")
    home = f"HERMES_HOME={_quoted(os.path.abspath(os.path.expanduser(where)))} " if where else ""
    who = f"{name} (uid {uid})" if name else f"uid {uid}, who has no name here"
    mend = f"sudo -u {name or _quoted(f'#{uid}')} -H {home}hermes …"
    if name is None and os.geteuid() == 0:
        mend += f", or chown -R 0 {_quoted(path)}"
    return f"{path} belongs to {who}, not to you: {mend}"


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)
