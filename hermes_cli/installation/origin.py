"""Which installation this code speaks for: its own, or, in the restarter's copy, the one that it was copied from."""

import os

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ORIGIN = "installed-at"  # a file in a copy of the package; in it the directory of the package that was copied


def package() -> str:
    """Return the directory of the installed package, without symbolic links."""
    return os.path.realpath(_origin() or HERE)


def copy() -> str | None:
    """Return the folder of the restarter's copy if this code runs from it, else None."""
    return os.path.dirname(HERE) if _origin() is not None else None


def _origin() -> str | None:
    try:
        with open(f"{HERE}/{ORIGIN}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read() or None
    except OSError:
        return None
