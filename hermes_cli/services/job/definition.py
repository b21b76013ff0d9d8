"""A definition is one file that tells a service manager about a job. Read, write, remove and compare definitions."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from hermes_cli.errors import HermesError
from hermes_cli.system import durable, refusal

_LONGEST = 1024 * 1024  # characters; another program may have put anything there


class Definition(NamedTuple):
    """A definition as it should be. `taken_back`: a line on what writing it would take back of somebody's changes."""

    path: str
    text: str
    taken_back: str | None = None

    @property
    def is_there(self) -> bool:
        """Say whether the file holds this text. A link does not count: systemd masks a unit by one."""
        return not os.path.islink(self.path) and read(self.path) == self.text


def read(path: str) -> str | None:
    """Return the text of an installed definition, or None when it is absent or unreadable."""
    try:
        with open(path, encoding="utf-8", errors="replace", opener=durable.prompt_opener) as file:
            return file.read(_LONGEST)
    except OSError:
        return None


def keeping_path(wanted: Definition, text: str | None, without_path: Callable[[str], Any]) -> Definition:
    """Return `wanted`, but the installed `text` if the two differ in PATH only: another shell is no drift."""
    if text is None or without_path(text) != without_path(wanted.text):
        return wanted
    return Definition(wanted.path, text)


def drifted(
    wanted: tuple[Definition, ...],
    *,
    is_installed: bool,
    also: Callable[[], tuple[str, ...]] = tuple,
    is_stale: Callable[[Definition], bool] = lambda _: False,
) -> tuple[str, ...]:
    """Return the paths of definitions that differ or are loaded as another text, then those of `also`.

    Return none where nothing is installed.
    """
    if not is_installed:
        return ()
    return (*(one.path for one in wanted if read(one.path) != one.text or is_stale(one)), *also())


def write(wanted: Definition, mode: int = 0o644) -> None:
    """Replace the file whole; a link itself, not its target. Raises HermesError."""
    try:
        durable.publish_text(wanted.path, wanted.text, mode)
    except OSError as error:
        raise HermesError(refusal.refused(wanted.path, "written", error)) from None


def remove(path: str) -> None:
    """Remove the file, if it is there. Raises HermesError."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise HermesError(f"{path} cannot be removed ({error.strerror}): remove it by hand") from None
