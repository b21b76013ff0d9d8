"""TLS is for a gateway that speaks to a server: OpenSSL is a sixth of the memory and a tenth of the start of one that does not.

asyncio imports ssl if there is one, and does without it otherwise, as in a Python that was built without.
"""

import errno
import sys

from hermes_cli.config import load
from hermes_cli.errors import ConfigError
from hermes_cli.paths import Paths


def import_asyncio(paths: Paths) -> None:
    """Import asyncio, without ssl unless the configuration needs it. Whoever imports ssl later gets it."""
    if "ssl" in sys.modules or _may_be_needed(paths):
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]  # an import of it raises ImportError
    try:
        import asyncio  # noqa: F401  for those who import it later
    finally:
        del sys.modules["ssl"]


def check(path: str) -> None:
    """Raise ConfigError, which passes, if asyncio came without the ssl that the file at `path` needs by now."""
    from asyncio import sslproto

    if getattr(sslproto, "ssl", True) is None and _exists():
        cause = OSError(errno.EAGAIN, "it was changed meanwhile")
        raise ConfigError(f"{path}: it was changed while the gateway started") from cause


def _may_be_needed(paths: Paths) -> bool:
    try:
        config = load(paths.config)
    except ConfigError:
        return True
    return config.telegram.is_on or config.model.is_on


def _exists() -> bool:
    try:
        import ssl  # noqa: F401
    except ImportError:
        return False
    return True
