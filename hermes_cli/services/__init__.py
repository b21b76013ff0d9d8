"""Service managers behind one interface. Only this module chooses one."""

import os
import sys

from hermes_cli.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.paths import Paths
    from hermes_cli.services.base import ServiceManager

NAMES = ("auto", "launchd", "systemd", "embedded")


def choose(paths: "Paths", name: str | None = None, *, system: bool | None = None) -> "ServiceManager":
    """Return the manager asked for by name or HERMES_SERVICE_MANAGER, else the installed one, else the best there is.

    `system`: root's own systemd instead of the user's. Raises UsageError.
    """
    asked = _asked(name)
    if os.path.exists(paths.adopted):
        return _adopted(paths)
    if asked == "auto":
        from hermes_cli.services import registered

        asked = registered.read(paths).get("manager") or ""
        if asked not in NAMES[1:]:
            asked = _best()
    if asked == "launchd":
        from hermes_cli.services.launchd.manager import Launchd

        return Launchd(paths)
    if asked == "systemd":
        from hermes_cli.services.systemd.manager import Systemd

        return Systemd(paths, system=system)
    from hermes_cli.services.embedded.manager import Embedded

    return Embedded(paths)


def _adopted(paths: "Paths") -> "ServiceManager":
    from hermes_cli.programs import adoption
    from hermes_cli.services.adopted.launchd import AdoptedLaunchd
    from hermes_cli.services.adopted.systemd import AdoptedSystemd

    found = adoption.read(paths)
    assert found is not None
    return (AdoptedLaunchd if found.manager == "launchd" else AdoptedSystemd)(paths, found)


def check(name: str | None = None) -> None:
    """Raise the UsageError that `choose` would, importing no manager: for callers that have a record to write first."""
    _asked(name)


def _asked(name: str | None) -> str:
    asked = name or os.environ.get("HERMES_SERVICE_MANAGER") or "auto"
    if asked not in NAMES:
        raise UsageError(f"service manager {asked!r} is not known: use one of {', '.join(NAMES)}")
    return asked


def _best() -> str:
    if sys.platform == "darwin":
        return "launchd"
    return "systemd" if _has_systemd() else "embedded"


def _has_systemd() -> bool:
    """Say whether a systemd answers the caller.

    By sd_booted(3), and by the manager's own socket: the user's, or for root the system's.
    """
    if not os.path.isdir("/run/systemd/system"):
        return False
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"  # su, sudo and cron do not set it
    user = os.path.exists(f"{runtime}/systemd/private")
    return user or (os.getuid() == 0 and os.path.exists("/run/systemd/private"))
