"""What a profile's jobs are called: the plain name in the default home, a name with a digest in any other.

    default home           hermes-gateway            hermes-gateway-NAME
    HERMES_HOME=DIRECTORY  hermes-gateway_1a2b3c4d   hermes-gateway_1a2b3c4d-NAME

No profile's name begins with `_`, so no profile of the default home can be called like another home. A home that an
older release installed under the plain name keeps it, and a home that was moved keeps the name that it had.
"""

import os
from collections.abc import Callable

from hermes_cli.paths import DEFAULT_PROFILE, Paths
from hermes_cli.services.registered import Registration

_FACT = "name"
_DIGITS = 8


def suffix(paths: Paths) -> str:
    """Return what follows the name of the program in the name of this profile's jobs."""
    return _digest(paths) + _profile(paths)


def in_force(paths: Paths, registration: Registration, serves: Callable[[str], bool]) -> str:
    """Return the suffix under which this profile is installed, else the one under which it would be.

    `serves` says whether there is a definition of that suffix that serves this profile.
    """
    wanted = suffix(paths)
    kept = registration.get(_FACT)
    if not isinstance(kept, str):
        kept = _profile(paths)  # what an older release has called it
    return kept if kept != wanted and serves(kept) else wanted


def fact(name: str) -> dict[str, str]:
    """Return what service.json keeps of the suffix."""
    return {_FACT: name}


def _profile(paths: Paths) -> str:
    return "" if paths.profile == DEFAULT_PROFILE else f"-{paths.profile}"


def _digest(paths: Paths) -> str:
    if paths.home is None:
        return ""
    import hashlib  # with OpenSSL: 3.5 MB, which a resident process of the default home can do without

    place = os.path.realpath(paths.home).encode(errors="surrogateescape")
    return "_" + hashlib.sha256(place).hexdigest()[:_DIGITS]
