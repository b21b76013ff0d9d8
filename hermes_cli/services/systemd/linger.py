"""Lingering: without it, the user's manager and the gateway end with the last login session (loginctl(1))."""

import os

from hermes_cli.environment import untranslated
from hermes_cli.errors import HermesError
from hermes_cli.services.systemd.systemctl import user_name
from hermes_cli.system.command import run

_SESSIONS = "/run/systemd/users"  # one file for each user that logind looks after
_LINGERING = "/var/lib/systemd/linger"  # one file for each user who lingers
_TIMEOUT = 20.0  # seconds; polkit may ask somebody


def ends_at_logout() -> bool:
    """Say whether logind looks after this user and was not told to let them linger."""
    return os.path.exists(f"{_SESSIONS}/{os.getuid()}") and not os.path.exists(f"{_LINGERING}/{user_name()}")


def enable() -> None:
    """Let this user's manager go on after logout. Raises HermesError."""
    mend = f"as root: loginctl enable-linger {user_name()}"
    try:
        answer = run(["loginctl", "enable-linger", user_name()], _TIMEOUT, environment=untranslated())
    except OSError as error:
        raise HermesError(f"loginctl cannot be run ({error.strerror}): {mend}") from None
    if not answer.ok:
        raise HermesError(f"lingering could not be enabled ({answer.last_word}): {mend}")
