"""A secret of config.toml's: in a file of its own, or in a variable, and never in config.toml itself.

No error shows any of it.
"""

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

_LARGEST = 4096  # bytes


class CredentialError(Exception):
    """There is none that could be used: what is the matter, and the mend."""


def claim(file: str, variable: str, environment: "MutableMapping[str, str]") -> str:
    """Return the secret of the variable, or else of the file. Raises CredentialError.

    The variable is taken out of the environment, so that no command inherits it.
    """
    found = environment.pop(variable, "").strip() if variable else ""
    if found:
        return found
    if not file:
        raise CredentialError(f"the variable {variable} is not set: put it into the service's environment file")
    path = os.path.expanduser(file)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            if status.st_uid not in {os.geteuid(), 0} or status.st_mode & (stat.S_IWGRP | stat.S_IRWXO):
                raise CredentialError(f"{path} can be read or changed by somebody else: chmod 600 {path}")
            found = opened.read(_LARGEST).decode("ascii", "replace").strip()
    except OSError as error:
        raise CredentialError(f"{path} cannot be read ({error.strerror}): put it there") from None
    if not found:
        raise CredentialError(f"{path} is empty: put it there")
    return found
