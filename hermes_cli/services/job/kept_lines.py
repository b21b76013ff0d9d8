"""Lines that a user added to a definition of ours stay when it is written anew.

A line is the user's when no release of hermes writes its key. What hermes writes, or once wrote, is as this release has it.
"""

from collections.abc import Callable
from typing import Any

from hermes_cli.services.job import definition
from hermes_cli.services.job.definition import Definition


def in_force(wanted: Definition, keeping: Callable[[str, str], str], without_path: Callable[[str], Any]) -> Definition:
    """Return the definition as `install` would write it over the one that is there.

    `keeping(wanted, installed)` is the text with the user's lines of the installed one.
    """
    text = definition.read(wanted.path)
    kept = wanted if text is None else Definition(wanted.path, keeping(wanted.text, text))
    return definition.keeping_path(kept, text, without_path)
