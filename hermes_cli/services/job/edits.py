"""What somebody has changed in a definition since it was written: taken back at the next writing, said, and kept as a copy.

A definition carries mends from release to release, so a value that hermes writes is hermes's. Only what was written last can
tell a change of a person's from one of a release: it is kept in <state>/definitions, and beside it the changed text.
"""

import os
from collections.abc import Callable, Iterable, Mapping

from hermes_cli.paths import Paths
from hermes_cli.services.job import definition
from hermes_cli.services.job.definition import Definition
from hermes_cli.system.printable import printable

_SHOWN = 60  # characters of a value


class Edits:
    """What was changed in the definitions of one profile's manager."""

    __slots__ = ("_folder", "_lasting", "_values")

    def __init__(
        self,
        paths: Paths,
        values: Callable[[str], Mapping[str, str]],
        lasting: Callable[[Definition], str] = lambda _: "",
    ) -> None:
        """`values` takes a definition's text apart, by name; `lasting` says how a change of one stays."""
        self._folder = f"{paths.state}/definitions"
        self._values = values
        self._lasting = lasting

    def taken_back(self, wanted: Definition) -> str | None:
        """Return a line that names each value that writing the definition takes back, or None."""
        written, installed = definition.read(self._written(wanted)), definition.read(wanted.path)
        if written is None or installed is None or installed == written:
            return None
        before, now, after = self._values(written), self._values(installed), self._values(wanted.text)
        changed = [
            f"{name} was {_shown(now.get(name))} and is {_shown(after.get(name))} again"
            for name in dict.fromkeys([*before, *now, *after])
            if now.get(name) not in {before.get(name), after.get(name)}
        ]
        if not changed:
            return None
        kept = f"the changed text is in {self._changed(wanted)}"
        return f"{os.path.basename(wanted.path)}: {', '.join(changed)}; {kept}{self._lasting(wanted)}"

    def note(self, wanted: Definition) -> None:
        """Keep what somebody has changed, and what is written now. Call it right before. Raises HermesError."""
        installed = definition.read(wanted.path)
        if installed is not None and self.taken_back(wanted) is not None:
            definition.write(Definition(self._changed(wanted), installed), mode=0o600)
        one = Definition(self._written(wanted), wanted.text)
        if not one.is_there:
            definition.write(one, mode=0o600)

    def _written(self, wanted: Definition) -> str:
        return f"{self._folder}/{os.path.basename(wanted.path)}"

    def _changed(self, wanted: Definition) -> str:
        return f"{self._written(wanted)}.changed"


def say(wanted: Iterable[Definition], say: Callable[[str], object]) -> None:
    """Say what writing these definitions takes back. Call it before `install`."""
    for one in wanted:
        if one.taken_back is not None:
            say(one.taken_back)


def _shown(value: str | None) -> str:
    if value is None:
        return "not there"
    return printable(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…") or "empty"
