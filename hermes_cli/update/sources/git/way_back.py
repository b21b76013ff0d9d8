"""Bring a checkout back to a revision from wherever it is, never by way of the one that could not be reached.

What is right already is not touched. So a file that nobody can write does not keep the others from being put back, and after
a full disk the next process goes on where this one stopped.
"""

import contextlib
import os

from hermes_cli.errors import HermesError
from hermes_cli.system.command import printable
from hermes_cli.update.sources.git.checkout import Checkout

_ATTRIBUTES = ".gitattributes"


def restore_attributes(checkout: Checkout, old: str, new: str) -> None:
    """Write the files that name filters as `old` has them. Raises HermesError, OSError.

    git compares and writes every other file through these filters, and one that only `new` asks for may not be there.
    """
    for name in _attribute_files(checkout, old, new):
        path = os.path.join(checkout.root, name)
        text = checkout.ask("cat-file", "blob", f"{old}:{name}")
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
            os.unlink(path)
        if text.ok and os.path.isdir(os.path.dirname(path)) and not os.path.lexists(path):
            with open(path, "xb") as file:
                file.write(text.raw)


def restore(checkout: Checkout, old: str, new: str) -> None:
    """Make the index and the tree those of `old`, where HEAD is already. Raises HermesError.

    Leftovers of `new` go first: that makes room.
    """
    _tell(checkout, "read-tree", "--reset", old)
    for name in checkout.leftovers(new, old):
        path = os.path.join(checkout.root, name)
        try:
            os.unlink(path)
        except OSError as error:
            raise HermesError(f"{printable(path)} cannot be removed ({error.strerror}): mend that and repeat") from None
        _remove_empty(os.path.dirname(path), checkout.root)
    checkout.tell("update-index", "-q", "--refresh")  # fails if a file differs; those are written next
    _tell(checkout, "reset", "--hard", "--quiet", old)
    if left := checkout.leftovers(new, old):
        raise HermesError(f"{printable(left[0])} is still in {checkout.root}: remove it and repeat")


def _attribute_files(checkout: Checkout, old: str, new: str) -> list[str]:
    changed = checkout.names("diff-tree", "-r", "-z", "--no-relative", "--no-renames", "--name-only", old, new)
    return [name for name in changed if os.path.basename(name) == _ATTRIBUTES]


def _remove_empty(directory: str, root: str) -> None:
    while directory.startswith(f"{root}/"):
        try:
            os.rmdir(directory)
        except OSError:
            return
        directory = os.path.dirname(directory)


def _tell(checkout: Checkout, *arguments: str) -> None:
    done = checkout.tell(*arguments)
    if not done.ok:
        raise HermesError(f"git {' '.join(arguments[:2])} failed in {checkout.root} ({done.why})")
